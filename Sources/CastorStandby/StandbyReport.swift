/// How a primary or a replica stands, as `castor ft status` and the metrics tell it. Its JSON is what the agent hands out on its socket
/// and what `castor ft status --json` prints; the names there stay what they are.
import CastorLog

public struct StandbyReport: Equatable, Sendable {
    public enum Role: String, Sendable {
        case primary, replica
        /// A replica that has taken over.
        case live
    }

    public enum PeerState: String, CaseIterable, Sendable {
        case notConnected = "not connected"
        /// Linked; nothing of the log has been acknowledged.
        case connected
        case catchingUp = "catching up"
        /// Outputs wait for it, so that it can take over.
        case protecting
        /// It could take over and outputs wait for it, but the link has ended.
        case lost
    }

    /// The other side: of a primary each replica, of a replica the primary.
    public struct Peer: Equatable, Sendable {
        public var place: String
        public var state: PeerState
        /// Bytes of the log, as this side knows them.
        public var sent: UInt64 = 0
        public var received: UInt64 = 0
        public var consumed: UInt64 = 0
        public var lag = Trail.Lag()
        /// Why it is not connected, when that is known.
        public var problem: String?

        public init(place: String, state: PeerState) {
            self.place = place
            self.state = state
        }
    }

    public struct Failover: Equatable, Sendable {
        /// Seconds since 1970.
        public var time: Int64
        public var reason: String
        /// From the last that was heard of the primary until the program went on here.
        public var duration: Milliseconds

        public init(time: Int64, reason: String, duration: Milliseconds) {
            (self.time, self.reason, self.duration) = (time, reason, duration)
        }
    }

    public var role: Role
    public var pid: Int32
    /// The command line; empty while a replica has not heard of it.
    public var program: [String] = []
    /// There is a gate: TCP connections survive, too.
    public var isPrivileged = false
    /// What does not survive a take-over, and why.
    public var notGuaranteed: [String] = []
    /// The address that clients know.
    public var address: String?
    public var isEncrypted = false
    public var epoch: UInt64 = 0
    /// The lease store's address; nil: there is none.
    public var store: String?
    /// This node's lease there is confirmed, so that its outputs may leave.
    public var holdsLease = false
    public var isProtected = false
    /// Why outputs wait, or why a replica stands by for nobody.
    public var hindrance: String?
    /// Replicas that outputs are to wait for, and that they wait for.
    public var wanted = 0
    public var protecting = 0
    public var peers: [Peer] = []
    public var held = 0
    public var heldFor: Milliseconds = 0
    public var failover: Failover?
    public var directory: String
    public var logBytes: UInt64 = 0
    public var uptime: Milliseconds = 0

    public init(role: Role, pid: Int32, directory: String) {
        self.role = role
        self.pid = pid
        self.directory = directory
    }
}

// MARK: - JSON

extension StandbyReport {
    public var json: JSON {
        .object([
            .init("role", .string(role.rawValue)), .init("pid", JSON(pid)),
            .init("program", .array(program.map { .string($0) })),
            .init("tier", .string(isPrivileged ? "privileged" : "unprivileged")),
            .init("notGuaranteed", .array(notGuaranteed.map { .string($0) })),
            .init("address", address.map { .string($0) } ?? .null),
            .init("link", .string(isEncrypted ? "tls" : "plain")), .init("epoch", JSON(epoch)),
            .init("lease", store.map { .object([.init("store", .string($0)), .init("held", .bool(holdsLease))]) } ?? .null),
            .init("protected", .bool(isProtected)), .init("hindrance", hindrance.map { .string($0) } ?? .null),
            .init("replicasWanted", JSON(wanted)), .init("replicasProtecting", JSON(protecting)),
            .init("peers", .array(peers.map(\.json))),
            .init("held", .object([.init("outputs", JSON(held)), .init("milliseconds", JSON(heldFor))])),
            .init("failover", failover?.json ?? .null),
            .init("log", .object([.init("path", .string(directory)), .init("bytes", JSON(logBytes))])),
            .init("uptimeMilliseconds", JSON(uptime)),
        ])
    }

    /// nil when it is none.
    public init?(json: JSON) {
        guard let role = json["role"]?.string.flatMap(Role.init), let pid = json["pid"]?.integer(Int32.self),
            let directory = json["log"]?["path"]?.string, let peers = json["peers"]?.array
        else { return nil }
        self.init(role: role, pid: pid, directory: directory)
        program = json["program"]?.array?.compactMap(\.string) ?? []
        isPrivileged = json["tier"]?.string == "privileged"
        notGuaranteed = json["notGuaranteed"]?.array?.compactMap(\.string) ?? []
        address = json["address"]?.string
        isEncrypted = json["link"]?.string == "tls"
        epoch = json["epoch"]?.integer(UInt64.self) ?? 0
        store = json["lease"]?["store"]?.string
        holdsLease = json["lease"]?["held"]?.bool ?? false
        isProtected = json["protected"]?.bool ?? false
        hindrance = json["hindrance"]?.string
        wanted = json["replicasWanted"]?.integer(Int.self) ?? 0
        protecting = json["replicasProtecting"]?.integer(Int.self) ?? 0
        self.peers = peers.compactMap { Peer(json: $0) }
        held = json["held"]?["outputs"]?.integer(Int.self) ?? 0
        heldFor = json["held"]?["milliseconds"]?.integer(Milliseconds.self) ?? 0
        failover = json["failover"].flatMap { Failover(json: $0) }
        logBytes = json["log"]?["bytes"]?.integer(UInt64.self) ?? 0
        uptime = json["uptimeMilliseconds"]?.integer(Milliseconds.self) ?? 0
    }
}

extension StandbyReport.Peer {
    var json: JSON {
        .object([
            .init("place", .string(place)), .init("state", .string(state.rawValue)),
            .init("sent", JSON(sent)), .init("received", JSON(received)), .init("consumed", JSON(consumed)),
            .init(
                "lag", .object([.init("bytes", JSON(lag.bytes)), .init("events", JSON(lag.events)), .init("milliseconds", JSON(lag.time))])),
            .init("problem", problem.map { .string($0) } ?? .null),
        ])
    }

    init?(json: JSON) {
        guard let place = json["place"]?.string, let state = json["state"]?.string.flatMap(StandbyReport.PeerState.init) else { return nil }
        self.init(place: place, state: state)
        sent = json["sent"]?.integer(UInt64.self) ?? 0
        received = json["received"]?.integer(UInt64.self) ?? 0
        consumed = json["consumed"]?.integer(UInt64.self) ?? 0
        lag.bytes = json["lag"]?["bytes"]?.integer(UInt64.self) ?? 0
        lag.events = json["lag"]?["events"]?.integer(UInt64.self) ?? 0
        lag.time = json["lag"]?["milliseconds"]?.integer(Milliseconds.self) ?? 0
        problem = json["problem"]?.string
    }
}

extension StandbyReport.Failover {
    var json: JSON {
        .object([.init("time", JSON(time)), .init("reason", .string(reason)), .init("milliseconds", JSON(duration))])
    }

    init?(json: JSON) {
        guard let time = json["time"]?.integer(Int64.self), let reason = json["reason"]?.string,
            let duration = json["milliseconds"]?.integer(Milliseconds.self)
        else { return nil }
        self.init(time: time, reason: reason, duration: duration)
    }
}
