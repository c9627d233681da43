/// A connection that a client opens: the kernel has accepted it, the program has not. What it can be rebuilt from stands in the
/// client's SYN and in the kernel's answer.
import CBpf
import CTSXShim
import Glibc

public struct Opening: Sendable {
    /// As the program would read it out when it accepts the connection.
    public let tcp: castor_tcp
    /// The answer: an IPv4 packet.
    let packet: [UInt8]

    /// `local`: the shared address, in network byte order. nil when the answer is none.
    init?(_ answer: castor_gate_answer, local: UInt32) {
        var packet = withUnsafeBytes(of: answer.packet) { Array($0.prefix(Int(answer.length))) }
        guard packet.count >= 40, packet[0] >> 4 == 4 else { return nil }
        let start = Int(packet[0] & 15) * 4
        guard start >= 20, packet.count >= start + 20 else { return nil }
        let end = start + Int(packet[start + 12] >> 4) * 4
        guard end >= start + 20, end <= packet.count else { return nil }
        var tcp = castor_tcp()
        tcp.family = UInt8(AF_INET)
        withUnsafeMutableBytes(of: &tcp.local) { $0.storeBytes(of: local, as: UInt32.self) }
        withUnsafeMutableBytes(of: &tcp.peer) { $0.storeBytes(of: answer.key.peer, as: UInt32.self) }
        (tcp.local_port, tcp.peer_port) = (answer.key.local_port, answer.key.peer_port)
        (tcp.received, tcp.sent) = (answer.opening.received, answer.opening.sent)
        Opening.readOptions(packet[start + 20..<end], into: &tcp)
        // A scale counts if both sides said one.
        if tcp.options & CASTOR_TCP_SCALES != 0 {
            if answer.opening.scale == UInt8(CASTOR_GATE_UNSCALED) { return nil }
            tcp.send_scale = answer.opening.scale
        }
        tcp.mss = UInt32(max(answer.opening.segment, 88))
        self.tcp = tcp
        // The card was to compute the checksum.
        (packet[start + 16], packet[start + 17]) = (0, 0)
        let sum = packet.withUnsafeBytes {
            Segment.checksum(.init(rebasing: $0[start...]), length: $0.count - start, local, answer.key.peer)
        }
        packet.withUnsafeMutableBytes { $0.storeBytes(of: sum, toByteOffset: start + 16, as: UInt16.self) }
        self.packet = packet
    }

    /// What the kernel has agreed to: RFC 9293 section 3.1, RFC 2018, RFC 7323.
    private static func readOptions(_ options: ArraySlice<UInt8>, into tcp: inout castor_tcp) {
        var place = options.startIndex
        while place < options.endIndex {
            let kind = options[place]
            if kind == 0 { return }
            if kind == 1 {
                place += 1
                continue
            }
            guard place + 1 < options.endIndex, case let length = Int(options[place + 1]), length >= 2, place + length <= options.endIndex
            else { return }
            switch (kind, length) {
            case (3, 3):
                tcp.options |= CASTOR_TCP_SCALES
                tcp.receive_scale = min(options[place + 2], 14)
            case (4, 2): tcp.options |= CASTOR_TCP_SACK
            case (8, 10):
                tcp.options |= CASTOR_TCP_TIMESTAMPS
                // The lowest bit says of clocks that are set whether they count microseconds: `Rebuild.clock`.
                tcp.timestamp = options[place + 2..<place + 6].reduce(0) { $0 << 8 | UInt32($1) } & ~1
            default: break
            }
            place += length
        }
    }
}

extension castor_tcp {
    /// Whether these are the same connection, be it IPv4 on a socket of IPv6.
    public func isSame(as other: castor_tcp) -> Bool {
        guard let a = ipv4, let b = other.ipv4 else { return false }
        return a == b && local_port == other.local_port && peer_port == other.peer_port && received == other.received && sent == other.sent
    }
}
