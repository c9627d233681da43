/// Ports of loopback for servers under test.
import Foundation

enum Network {
    /// A port that was free a moment ago.
    static func freePort() throws -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = loopback(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafeMutableBytes(of: &address) { bytes in
            let pointer = bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self)
            return bind(descriptor, pointer, length) != 0 ? errno : getsockname(descriptor, pointer, &length)
        }
        guard descriptor >= 0, code == 0 else { throw Failure("no free port: errno \(code)") }
        return UInt16(bigEndian: address.sin_port)
    }

    /// Returns when somebody listens on the port.
    static func awaitListener(_ port: UInt16, of server: Child, timeout: Double = 60) throws {
        let deadline = Date(timeIntervalSinceNow: timeout)
        while !accepts(port) {
            guard Date() < deadline else { throw Failure("nobody listens on port \(port): \(server.command)") }
            if server.hasEnded(within: 0.01) {
                throw Failure("ended before it listened: \(server.command)\n\(try server.wait().errorText)")
            }
        }
    }

    private static func accepts(_ port: UInt16) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = loopback(port)
        return withUnsafeBytes(of: &address) {
            connect(descriptor, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count)) == 0
        }
    }

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }
}
