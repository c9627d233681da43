/// A socket for what goes over the link itself (packet(7)), in the network namespace of the thread that makes it. It receives nothing
/// until it is bound.
import CBpf
import Glibc

public final class PacketSocket: Sendable {
    /// Nonblocking.
    let descriptor: Int32

    /// With the link's header, or behind it.
    public init(hasHeader: Bool) throws(TCPFailure) {
        let kind = hasHeader ? SOCK_RAW : SOCK_DGRAM
        descriptor = socket(AF_PACKET, Int32(kind.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw TCPFailure("a packet socket") }
    }

    /// The kernel waits more than ten milliseconds until nobody can be using a packet socket any more: clients need not.
    deinit {
        var thread = pthread_t()
        let argument = UnsafeMutableRawPointer(bitPattern: Int(descriptor))
        let code = pthread_create(
            &thread, nil,
            {
                close(Int32(Int(bitPattern: $0)))
                return nil
            }, argument)
        if code == 0 { pthread_detach(thread) } else { close(descriptor) }
    }

    /// Packets of one kind (ETH_P_…); of all interfaces when it is 0.
    public func bind(toKind kind: Int32, on device: UInt32 = 0) throws(TCPFailure) {
        let code = PacketSocket.place(kind, device).with { Glibc.bind(descriptor, $0, $1) }
        guard code == 0 else { throw TCPFailure("a packet socket") }
    }

    /// The Ethernet address of the interface that it is bound to; nil: it has none.
    public var station: [UInt8]? {
        var place = sockaddr_ll()
        var size = socklen_t(MemoryLayout<sockaddr_ll>.size)
        let code = withUnsafeMutablePointer(to: &place) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
        }
        guard code == 0, place.sll_halen == 6 else { return nil }
        return withUnsafeBytes(of: place.sll_addr) { Array($0.prefix(6)) }
    }

    /// False when the kernel does not take it. Without a header it needs to be told for whom it is.
    public func send(_ packet: [UInt8], ofKind kind: Int32, on device: UInt32, to station: [UInt8] = []) -> Bool {
        PacketSocket.place(kind, device, station).with { sendto(descriptor, packet, packet.count, 0, $0, $1) } == packet.count
    }

    private static func place(_ kind: Int32, _ device: UInt32, _ station: [UInt8] = []) -> sockaddr_ll {
        var place = sockaddr_ll()
        place.sll_family = UInt16(AF_PACKET)
        place.sll_protocol = UInt16(kind).bigEndian
        place.sll_ifindex = Int32(device)
        place.sll_halen = UInt8(station.count)
        withUnsafeMutableBytes(of: &place.sll_addr) { $0.copyBytes(from: station) }
        return place
    }
}

extension sockaddr_ll {
    fileprivate func with<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
        withUnsafePointer(to: self) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_ll>.size)) }
        }
    }
}
