/// Sends whole IPv4 packets; receives nothing. Closed with the object. May be used by several threads.
import CTSXShim
import Glibc

final class RawSocket: Sendable {
    private let descriptor: Int32

    init() throws(TCPFailure) {
        // IPPROTO_RAW: with the headers that are handed over, and no copies of what arrives.
        descriptor = socket(AF_INET, Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue), Int32(IPPROTO_RAW))
        guard descriptor >= 0 else { throw TCPFailure("a raw socket") }
    }

    deinit { close(descriptor) }

    /// A whole packet, to a connection's peer.
    func send(_ packet: [UInt8], to tcp: castor_tcp) -> Bool {
        guard let (_, peer) = tcp.ipv4 else { return false }
        return packet.withUnsafeBytes { packet in
            SocketAddress(peer).with { sendto(descriptor, packet.baseAddress, packet.count, 0, $0, $1) } == packet.count
        }
    }

    /// False when the kernel does not take it.
    func send(_ segment: Segment) -> Bool {
        withUnsafeTemporaryAllocation(byteCount: Segment.longest, alignment: 4) { packet in
            let length = segment.write(to: packet)
            return SocketAddress(segment.peer).with { sendto(descriptor, packet.baseAddress, length, 0, $0, $1) }
                == length
        }
    }
}
