/// Sockets between primary and replica: one side listens, the other calls.
import Glibc

enum Network {
    enum Failure: Error, CustomStringConvertible {
        case text(String)
        var description: String { switch self { case .text(let text): text } }
    }

    private static func addresses(_ host: String, _ port: String, flags: Int32) throws(Failure) -> UnsafeMutablePointer<addrinfo> {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = flags
        var found: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, port, &hints, &found)
        guard code == 0, let found else { throw .text("\(host): \(String(cString: gai_strerror(code)))") }
        return found
    }

    private static func socket(for address: addrinfo, flags: UInt32 = 0) -> Int32 {
        Glibc.socket(address.ai_family, address.ai_socktype | Int32(SOCK_CLOEXEC.rawValue | flags), address.ai_protocol)
    }

    /// A socket that waits for callers.
    static func listen(host: String, port: String) throws(Failure) -> Int32 {
        let found = try addresses(host, port, flags: AI_PASSIVE)
        defer { freeaddrinfo(found) }
        let descriptor = socket(for: found.pointee)
        var one: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, 4)
        guard descriptor >= 0, bind(descriptor, found.pointee.ai_addr, found.pointee.ai_addrlen) == 0, Glibc.listen(descriptor, 8) == 0
        else {
            let code = errno
            close(descriptor)
            throw .text("cannot listen at \(host), port \(port): \(String(cString: strerror(code)))")
        }
        return descriptor
    }

    /// A Unix socket that waits for callers, in place of one that a process has left behind.
    static func listen(path: String) throws(Failure) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else { throw .text("\(path) is too long for a socket") }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        unlink(path)
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
        guard descriptor >= 0, bound == 0, Glibc.listen(descriptor, 8) == 0 else {
            let code = errno
            close(descriptor)
            throw .text("\(path): \(String(cString: strerror(code)))")
        }
        return descriptor
    }

    /// The next caller within `milliseconds`; nil when there was none.
    static func accept(_ listener: Int32, milliseconds: Int32) -> Int32? {
        var wait = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
        guard poll(&wait, 1, milliseconds) > 0 else { return nil }
        let descriptor = Glibc.accept(listener, nil, nil)
        guard descriptor >= 0 else { return nil }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        return descriptor
    }

    /// A connection; nil when nobody answers within `milliseconds`.
    static func connect(host: String, port: String, milliseconds: Int32) throws(Failure) -> Int32? {
        let found = try addresses(host, port, flags: 0)
        defer { freeaddrinfo(found) }
        let descriptor = socket(for: found.pointee, flags: SOCK_NONBLOCK.rawValue)
        guard descriptor >= 0 else { throw .text("socket: \(String(cString: strerror(errno)))") }
        if Glibc.connect(descriptor, found.pointee.ai_addr, found.pointee.ai_addrlen) != 0 {
            var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            var code: Int32 = 0
            var size: socklen_t = 4
            guard errno == EINPROGRESS, poll(&wait, 1, milliseconds) > 0,
                getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size) == 0, code == 0
            else {
                close(descriptor)
                return nil
            }
        }
        _ = fcntl(descriptor, F_SETFL, 0)
        return descriptor
    }
}

/// Milliseconds of this machine's clock, which goes on while it sleeps.
func now() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_BOOTTIME, &time)
    return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
}
