/// Where the lease store is: `etcd://HOST:PORT[,HOST:PORT…]/NAME`, or `etcds://` when it is spoken to over TLS. The name is the
/// service's: its primary and replicas give the same.
import CastorLog

public struct StoreAddress: Equatable, Sendable {
    public var isEncrypted: Bool
    /// HOST:PORT each.
    public var endpoints: [String]
    public var name: String
    /// A file with the certificates that the store's must be signed by; nil: the system's.
    public var authority: String?
    public var identity: Identity?

    /// Files with this node's own certificate and its key.
    public struct Identity: Equatable, Sendable {
        public var certificate: String
        public var key: String
        public init(certificate: String, key: String) { (self.certificate, self.key) = (certificate, key) }
    }

    /// nil when the text is none.
    public init?(_ text: String) {
        guard let scheme = ["etcd", "etcds"].first(where: { text.hasPrefix("\($0)://") }) else { return nil }
        let parts = text.dropFirst(scheme.count + 3).split(
            separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[1].isEmpty else { return nil }
        isEncrypted = scheme == "etcds"
        endpoints = parts[0].split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        name = String(parts[1])
        guard endpoints.allSatisfy(StoreAddress.isEndpoint) else { return nil }
    }

    /// A number for the service, the same everywhere.
    public var number: UInt64 { checksum(Array(name.utf8)) }

    private static func isEndpoint(_ text: String) -> Bool {
        guard let colon = text.lastIndex(of: ":"), colon != text.startIndex,
            let port = UInt16(text[text.index(after: colon)...])
        else {
            return false
        }
        return port > 0 && !text.contains { $0 == "@" || $0 == " " || $0 == "?" || $0 == "#" }
    }
}

extension StoreAddress: CustomStringConvertible {
    public var description: String { "\(isEncrypted ? "etcds" : "etcd")://\(endpoints.joined(separator: ","))/\(name)" }
}
