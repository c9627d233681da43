/// The payload of a program's first event (castor_image): four lengths of 4 bytes each, then the 16 bytes of AT_RANDOM,
/// the path as the kernel was given it, the argument strings, the text of /proc/self/maps.
public struct ImageDescription {
    public let random: ArraySlice<UInt8>
    /// Without its NUL.
    public let name: ArraySlice<UInt8>
    public let arguments: [ArraySlice<UInt8>]
    public let maps: ArraySlice<UInt8>

    /// nil when the bytes are not such a description.
    public init?(_ payload: [UInt8]) {
        guard payload.count >= 16 else { return nil }
        let lengths = payload.withUnsafeBytes { bytes in
            (0..<4).map { Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self))) }
        }
        guard lengths.reduce(16, +) == payload.count else { return nil }
        var rest = payload[16...]
        func take(_ length: Int) -> ArraySlice<UInt8> {
            defer { rest = rest.dropFirst(length) }
            return rest.prefix(length)
        }
        random = take(lengths[0])
        name = take(lengths[1]).prefix { $0 != 0 }
        arguments = take(lengths[2]).split(separator: 0, omittingEmptySubsequences: false).dropLast()
        maps = take(lengths[3])
    }
}
