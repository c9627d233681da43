/// A TCP segment that the kernel does not send: an IPv4 packet for a raw socket, and what is read out of one that came
/// in.
import CTSXShim
import Glibc

struct Segment {
    /// Of IPv4 and TCP, with the timestamps option, and a byte.
    static let longest = 20 + 32 + 1

    /// In network byte order.
    let local: UInt32, peer: UInt32, localPort: UInt16, peerPort: UInt16
    var sequence: UInt32
    var acknowledged: UInt32
    /// As it stands in the header.
    var window: UInt16
    var timestamps: (value: UInt32, echo: UInt32)?
    /// Sent, of any value, because a receiver answers old segments at once only if they carry something.
    var hasByte = false

    /// An acknowledgement on a connection; nil of one over IPv6.
    init?(_ tcp: castor_tcp, sequence: UInt32, acknowledged: UInt32, window: UInt16, timestamps: (UInt32, UInt32)?) {
        guard let (local, peer) = tcp.ipv4 else { return nil }
        (self.local, self.peer) = (local, peer)
        (localPort, peerPort) = (tcp.local_port, tcp.peer_port)
        (self.sequence, self.acknowledged, self.window) = (sequence, acknowledged, window)
        self.timestamps = timestamps
    }

    /// Writes the packet into at least `longest` bytes and returns its length. The kernel fills in what else IPv4
    /// needs.
    func write(to packet: UnsafeMutableRawBufferPointer) -> Int {
        let header = timestamps == nil ? 20 : 32
        let length = header + (hasByte ? 1 : 0)
        packet.initializeMemory(as: UInt8.self, repeating: 0)
        packet[0] = 0x45
        packet[6] = 0x40  // do not fragment
        packet[8] = 64  // hops
        packet[9] = UInt8(IPPROTO_TCP)
        packet.storeBytes(of: local, toByteOffset: 12, as: UInt32.self)
        packet.storeBytes(of: peer, toByteOffset: 16, as: UInt32.self)
        let tcp = UnsafeMutableRawBufferPointer(rebasing: packet[20...])
        tcp.storeBytes(of: localPort, toByteOffset: 0, as: UInt16.self)
        tcp.storeBytes(of: peerPort, toByteOffset: 2, as: UInt16.self)
        tcp.storeBytes(of: sequence.bigEndian, toByteOffset: 4, as: UInt32.self)
        tcp.storeBytes(of: acknowledged.bigEndian, toByteOffset: 8, as: UInt32.self)
        tcp[12] = UInt8(header / 4) << 4
        tcp[13] = Flags.ack
        tcp.storeBytes(of: window.bigEndian, toByteOffset: 14, as: UInt16.self)
        if let timestamps {
            tcp.storeBytes(of: Segment.timestampsOption, toByteOffset: 20, as: UInt32.self)
            tcp.storeBytes(of: timestamps.value.bigEndian, toByteOffset: 24, as: UInt32.self)
            tcp.storeBytes(of: timestamps.echo.bigEndian, toByteOffset: 28, as: UInt32.self)
        }
        let sum = Segment.checksum(UnsafeRawBufferPointer(tcp), length: length, local, peer)
        tcp.storeBytes(of: sum, toByteOffset: 16, as: UInt16.self)
        return 20 + length
    }

    /// RFC 9293 section 3.1, over a sum that does not depend on the byte order (RFC 1071). Where it is to stand are zeros.
    /// `whole`: the length that it tells of, if only the first bytes are summed up.
    static func checksum(_ tcp: UnsafeRawBufferPointer, length: Int, of whole: Int? = nil, _ local: UInt32, _ peer: UInt32) -> UInt16 {
        var sum =
            UInt64(local) + UInt64(peer) + UInt64(UInt16(whole ?? length).bigEndian) + UInt64(UInt16(IPPROTO_TCP).bigEndian)
        for offset in stride(from: 0, to: length - 1, by: 2) {
            sum += UInt64(tcp.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
        }
        if length % 2 == 1 { sum += UInt64(tcp[length - 1]) }
        while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
        return ~UInt16(sum)
    }

    enum Flags { static let syn: UInt8 = 2, rst: UInt8 = 4, ack: UInt8 = 16 }

    /// NOP, NOP, timestamps of 10 bytes: RFC 7323 appendix A.
    private static let timestampsOption = UInt32(0x0101_080a).bigEndian
}

/// What a peer's segment tells, from the IPv4 header on.
struct ReceivedSegment {
    /// In network byte order.
    let peer: UInt32, peerPort: UInt16, localPort: UInt16
    let acknowledged: UInt32
    /// As it stands in the header.
    let window: UInt16
    let echo: UInt32?
    /// Nobody is there.
    let isReset: Bool

    /// nil unless it is an acknowledgement on a connection, or a reset.
    init?(_ packet: UnsafeRawBufferPointer) {
        guard packet.count >= 40, packet[9] == UInt8(IPPROTO_TCP) else { return nil }
        let start = Int(packet[0] & 15) * 4
        guard start >= 20, packet.count >= start + 20 else { return nil }
        let tcp = UnsafeRawBufferPointer(rebasing: packet[start...])
        isReset = tcp[13] & Segment.Flags.rst != 0
        guard isReset || tcp[13] & (Segment.Flags.ack | Segment.Flags.syn) == Segment.Flags.ack else { return nil }
        peer = packet.loadUnaligned(fromByteOffset: 12, as: UInt32.self)
        peerPort = tcp.loadUnaligned(fromByteOffset: 0, as: UInt16.self)
        localPort = tcp.loadUnaligned(fromByteOffset: 2, as: UInt16.self)
        acknowledged = tcp.loadUnaligned(fromByteOffset: 8, as: UInt32.self).bigEndian
        window = tcp.loadUnaligned(fromByteOffset: 14, as: UInt16.self).bigEndian
        echo = ReceivedSegment.echo(in: tcp, end: min(Int(tcp[12] >> 4) * 4, tcp.count))
    }

    /// The echo of the timestamps option, wherever it stands among the options.
    private static func echo(in tcp: UnsafeRawBufferPointer, end: Int) -> UInt32? {
        var place = 20
        while place < end {
            switch tcp[place] {
            case 0: return nil
            case 1: place += 1
            case 8 where place + 10 <= end:
                return tcp.loadUnaligned(fromByteOffset: place + 6, as: UInt32.self).bigEndian
            default:
                guard place + 1 < end, tcp[place + 1] >= 2 else { return nil }
                place += Int(tcp[place + 1])
            }
        }
        return nil
    }
}
