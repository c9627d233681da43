/// etcd (3.4 and later) as the lease's store, over its JSON gateway: a key's `mod_revision` counts the changes of its value.
import CastorLog
import CastorStandby

final class Etcd: RecordStore {
    private let client: HTTPClient
    private let endpoints: [String]
    /// The one that answered last.
    private var current = 0
    private let key: String
    /// For each endpoint, in ms.
    private let patience: Int

    init(_ address: StoreAddress, patience: Int) throws(StoreFailure) {
        client = try HTTPClient(authority: address.authority, identity: address.identity)
        endpoints = address.endpoints.map { "\(address.isEncrypted ? "https" : "http")://\($0)" }
        key = Base64.encode("castor/\(address.name)".utf8)
        self.patience = patience
    }

    func read() throws(StoreFailure) -> StoredValue {
        try value(in: post("/v3/kv/range", object(("key", .string(key)))))
    }

    func replace(_ bytes: [UInt8], ifRevision revision: Int64) throws(StoreFailure) -> Replacement {
        let compare = object(
            ("key", .string(key)), ("target", "MOD"), ("result", "EQUAL"), ("mod_revision", .string("\(revision)")))
        let put = object(("key", .string(key)), ("value", .string(Base64.encode(bytes))))
        let answer = try post(
            "/v3/kv/txn",
            object(
                ("compare", [compare]), ("success", [object(("request_put", put))]),
                ("failure", [object(("request_range", object(("key", .string(key)))))])))
        if answer["succeeded"]?.bool == true {
            guard let revision = number(answer["header"]?["revision"]) else {
                throw StoreFailure("etcd's answer has no revision")
            }
            return .written(revision: revision)
        }
        guard let range = answer["responses"]?.array?.first?["response_range"] else {
            throw StoreFailure("etcd's answer does not have what was asked for")
        }
        return .refused(try value(in: range))
    }

    /// What the answer to a range has of the key.
    private func value(in range: JSON) throws(StoreFailure) -> StoredValue {
        guard let found = range["kvs"]?.array?.first else { return .none }
        // etcd leaves out what is empty.
        guard let revision = number(found["mod_revision"]), let bytes = Base64.decode(found["value"]?.string ?? "")
        else {
            throw StoreFailure("etcd's answer makes no sense")
        }
        return StoredValue(revision: revision, bytes: bytes)
    }

    /// Asks one endpoint after the other.
    private func post(_ path: String, _ body: JSON) throws(StoreFailure) -> JSON {
        let text = body.text()
        var failures: [String] = []
        for _ in endpoints {
            let endpoint = endpoints[current]
            do throws(StoreFailure) {
                let (status, bytes) = try client.post(endpoint + path, text, milliseconds: patience)
                let answer = try? JSON(parsing: bytes)
                if status == 200, let answer { return answer }
                throw StoreFailure(answer?["error"]?.string ?? "HTTP status \(status)")
            } catch {
                failures.append("\(endpoint): \(error)")
                current = (current + 1) % endpoints.count
            }
        }
        throw StoreFailure(failures.joined(separator: "; "))
    }

    /// Numbers of 64 bits are strings there.
    private func number(_ value: JSON?) -> Int64? { value?.string.flatMap { Int64($0) } ?? value?.integer(Int64.self) }

    private func object(_ members: (String, JSON)...) -> JSON { .object(members.map { JSON.Member($0.0, $0.1) }) }
}
