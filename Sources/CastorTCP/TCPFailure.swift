import Glibc

/// What could not be done to connections or to the gate, and why, for the operator to read.
public struct TCPFailure: Error, CustomStringConvertible, Sendable {
    public let description: String

    init(_ text: String) { description = text }

    /// With the reason: `errno`, unless another error number is given.
    init(_ what: String, code: Int32 = errno) {
        switch code {
        case EPERM, EACCES:
            description = "\(what): no privilege (CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF, or root, are needed)"
        default: description = "\(what): \(String(cString: strerror(code)))"
        }
    }
}
