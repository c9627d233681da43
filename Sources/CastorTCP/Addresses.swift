import CTSXShim
import Glibc

extension castor_tcp {
    /// In network byte order; nil of a connection over IPv6. A program that listens to both protocols has IPv4
    /// connections on IPv6 sockets, with mapped addresses.
    public var ipv4: (local: UInt32, peer: UInt32)? {
        switch Int32(family) {
        case AF_INET: return (castor_tcp.word(local, 0), castor_tcp.word(peer, 0))
        case AF_INET6 where castor_tcp.isMapped(local) && castor_tcp.isMapped(peer):
            return (castor_tcp.word(local, 3), castor_tcp.word(peer, 3))
        default: return nil
        }
    }

    /// The same on a socket of IPv6.
    public var mapped: castor_tcp {
        guard Int32(family) == AF_INET else { return self }
        var tcp = self
        tcp.family = UInt8(AF_INET6)
        (tcp.local, tcp.peer) = (castor_tcp.mapped(local), castor_tcp.mapped(peer))
        return tcp
    }

    private static func mapped(_ address: Address) -> Address {
        var mapped = castor_tcp().local
        withUnsafeMutableBytes(of: &mapped) {
            $0.storeBytes(of: UInt32(0xffff).bigEndian, toByteOffset: 8, as: UInt32.self)
            $0.storeBytes(of: word(address, 0), toByteOffset: 12, as: UInt32.self)
        }
        return mapped
    }

    public var hasTimestamps: Bool { options & CASTOR_TCP_TIMESTAMPS != 0 }

    typealias Address = (
        UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8
    )

    private static func word(_ address: Address, _ index: Int) -> UInt32 {
        withUnsafeBytes(of: address) { $0.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self) }
    }

    /// ::ffff:0:0/96 (RFC 4291 section 2.5.5.2).
    private static func isMapped(_ address: Address) -> Bool {
        word(address, 0) == 0 && word(address, 1) == 0 && word(address, 2) == UInt32(0xffff).bigEndian
    }
}

extension castor_tcp {
    /// Calls `body` with the address of the local end, or of its host alone with a port of 0.
    public func withLocal<T>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> T) -> T {
        SocketAddress(family: family, local, port: local_port).with(body)
    }

    /// The port of the address that `body` finds out, in network byte order.
    public static func port(_ body: (UnsafeMutablePointer<sockaddr>, inout socklen_t) -> Int32) -> UInt16? {
        SocketAddress(body)?.parts.port
    }
}

/// The two ends of a connection: of those that there are at a time, no two have the same.
public struct TCPEnds: Hashable, Sendable {
    private let local: UInt32, peer: UInt32, ports: UInt32

    /// nil of a connection over IPv6.
    public init?(_ tcp: castor_tcp) {
        guard let (local, peer) = tcp.ipv4 else { return nil }
        self.init(local: local, localPort: tcp.local_port, peer: peer, peerPort: tcp.peer_port)
    }

    /// In network byte order.
    init(local: UInt32, localPort: UInt16, peer: UInt32, peerPort: UInt16) {
        (self.local, self.peer) = (local, peer)
        ports = UInt32(peerPort) << 16 | UInt32(localPort)
    }
}

/// A socket's address, of either protocol.
struct SocketAddress {
    private var storage = sockaddr_storage()
    private var length: socklen_t = 0

    /// Both in network byte order.
    init(family: UInt8, _ address: castor_tcp.Address, port: UInt16) {
        withUnsafeBytes(of: address) { bytes in
            withUnsafeMutableBytes(of: &storage) { storage in
                if Int32(family) == AF_INET {
                    var place = sockaddr_in()
                    place.sin_family = sa_family_t(AF_INET)
                    place.sin_port = port
                    place.sin_addr.s_addr = bytes.load(as: UInt32.self)
                    storage.storeBytes(of: place, as: sockaddr_in.self)
                } else {
                    var place = sockaddr_in6()
                    place.sin6_family = sa_family_t(AF_INET6)
                    place.sin6_port = port
                    withUnsafeMutableBytes(of: &place.sin6_addr) { $0.copyMemory(from: bytes) }
                    storage.storeBytes(of: place, as: sockaddr_in6.self)
                }
            }
        }
        length = socklen_t(Int32(family) == AF_INET ? MemoryLayout<sockaddr_in>.size : MemoryLayout<sockaddr_in6>.size)
    }

    /// An IPv4 address, in network byte order.
    init(_ address: UInt32) {
        var place = sockaddr_in()
        place.sin_family = sa_family_t(AF_INET)
        place.sin_addr.s_addr = address
        withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: place, as: sockaddr_in.self) }
        length = socklen_t(MemoryLayout<sockaddr_in>.size)
    }

    /// What `body` finds out: getsockname(2), getpeername(2).
    init?(_ body: (UnsafeMutablePointer<sockaddr>, inout socklen_t) -> Int32) {
        length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let code = withUnsafeMutableBytes(of: &storage) {
            body($0.assumingMemoryBound(to: sockaddr.self).baseAddress!, &length)
        }
        guard code == 0 else { return nil }
    }

    func with<T>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> T) -> T {
        withUnsafeBytes(of: storage) { body($0.assumingMemoryBound(to: sockaddr.self).baseAddress!, length) }
    }

    var family: UInt8 { UInt8(storage.ss_family) }

    /// As castor_tcp has it.
    var parts: (address: castor_tcp.Address, port: UInt16) {
        withUnsafeBytes(of: storage) { storage in
            var address = castor_tcp().local
            let isIPv4 = Int32(family) == AF_INET
            withUnsafeMutableBytes(of: &address) {
                $0.copyMemory(from: .init(rebasing: storage[isIPv4 ? 4..<8 : 8..<24]))  // sin_addr, sin6_addr
            }
            return (address, storage.load(fromByteOffset: 2, as: UInt16.self))
        }
    }
}
