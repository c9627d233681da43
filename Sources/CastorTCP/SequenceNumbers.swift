/// Sequence numbers and timestamps go round: they are compared modulo 2^32 (RFC 9293 section 3.4, RFC 7323 section
/// 5.2).
extension UInt32 {
    /// How far this number is after the other; negative when it is before.
    func distance(after other: UInt32) -> Int32 { Int32(bitPattern: self &- other) }

    func isAfter(_ other: UInt32) -> Bool { distance(after: other) > 0 }

    /// The number so many bytes on. (`advanced(by:)` is another function, and traps.)
    func moved(by bytes: UInt64) -> UInt32 { self &+ UInt32(truncatingIfNeeded: bytes) }
}
