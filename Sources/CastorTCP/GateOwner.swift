/// That the owner of a gate is alive: a name in the network namespace that the kernel takes back when the process ends.
import Glibc

final class GateOwner: Sendable {
    private let descriptor: Int32

    init(address: UInt32, device: UInt32, named name: String) throws(TCPFailure) {
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw TCPFailure("a socket") }
        var place = sockaddr_un()
        place.sun_family = sa_family_t(AF_UNIX)
        let text = Array("\0castor-gate-\(device)-\(address.bigEndian)".utf8)
        withUnsafeMutableBytes(of: &place.sun_path) { $0.copyBytes(from: text) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + text.count)
        let isBound = withUnsafePointer(to: &place) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) == 0 }
        }
        guard isBound else {
            let code = errno
            close(descriptor)
            if code == EADDRINUSE {
                throw TCPFailure("a process that is alive has its gate for this address on \(name)", code: code)
            }
            throw TCPFailure("the gate's name", code: code)
        }
    }

    deinit { close(descriptor) }
}
