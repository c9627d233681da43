/// Does to the store's record what a node asks for, by `LeaseRecord`'s rules. The store counts no time: whether a lease has expired the
/// claimant finds by its own clock, from when it first saw the record as it is. A holder that writes the record again, changed or not,
/// makes that begin anew, and a claim that comes at the same moment fails.
import CastorStandby

struct LeaseClerk {
    private let store: any RecordStore
    private let node: NodeID
    /// How long a lease lasts that this node writes.
    private let life: Milliseconds
    private let now: () -> Milliseconds

    private struct Sight {
        var revision: Int64
        var lease: StoredLease
        /// When the answer with this revision was here.
        var since: Milliseconds
    }
    private var seen: Sight?
    /// Others who change the record at the same moment leave room for this node in the end.
    private static let attempts = 4

    init(_ store: any RecordStore, node: NodeID, life: Milliseconds, now: @escaping () -> Milliseconds) {
        (self.store, self.node, self.life, self.now) = (store, node, life, now)
    }

    /// The store's answer. Throws when there is none.
    mutating func answer(_ request: LeaseRequest) throws(StoreFailure) -> LeaseAnswer {
        // A renewal finds out by its write whether what this node knows is still so.
        var isFresh = false
        if request.kind != .renew || seen == nil {
            try look()
            isFresh = true
        }
        for _ in 0..<LeaseClerk.attempts {
            guard let seen else { throw StoreFailure("there is no lease of this name any more") }
            guard let next = seen.lease.record.after(request, by: node, isExpired: hasExpired(seen, patience: 0)) else {
                if isFresh { return .refused(seen.lease.record) }
                try look()
                isFresh = true
                continue
            }
            var isRelease = false
            if case .release = request.kind { isRelease = true }
            if try write(StoredLease(next, isReleased: isRelease, life: life), over: seen.revision) {
                return .granted(next, sent: request.sent)
            }
            isFresh = true
        }
        throw StoreFailure("the record changes all the time")
    }

    /// What a node finds that begins a new run.
    enum Beginning {
        case granted(LeaseRecord, sent: Milliseconds)
        case held(LeaseRecord)
    }

    /// One attempt to begin a new run of the program, in this epoch when there is no record yet. `patience`: how much longer than its life
    /// an old run's lease is left to its members, which may still take over.
    mutating func begin(epoch: UInt64, patience: Milliseconds) throws(StoreFailure) -> Beginning {
        let sent = now()
        try look()
        let isExpired = seen.map { hasExpired($0, patience: $0.lease.record.members.isEmpty ? 0 : patience) } ?? true
        guard let next = LeaseRecord.beginning(after: seen?.lease.record, epoch: epoch, by: node, isExpired: isExpired)
        else {
            return .held(seen!.lease.record)
        }
        if try write(StoredLease(next, life: life), over: seen?.revision ?? 0) { return .granted(next, sent: sent) }
        return .held(seen?.lease.record ?? next)
    }

    /// Looks what the record is.
    mutating func look() throws(StoreFailure) { try see(store.read()) }

    // MARK: - The record

    private func hasExpired(_ sight: Sight, patience: Milliseconds) -> Bool {
        sight.lease.isReleased && patience == 0 || now() - sight.since >= max(life, sight.lease.life) + patience
    }

    /// Whether the record is this one now.
    private mutating func write(_ lease: StoredLease, over revision: Int64) throws(StoreFailure) -> Bool {
        switch try store.replace(lease.bytes, ifRevision: revision) {
        case .written(let revision):
            seen = Sight(revision: revision, lease: lease, since: now())
            return true
        case .refused(let value):
            try see(value)
            return false
        }
    }

    private mutating func see(_ value: StoredValue) throws(StoreFailure) {
        if value.revision == 0 {
            seen = nil
        } else if value.revision != seen?.revision {
            // Of no use when it cannot be read; what was seen before is not so any more.
            seen = nil
            seen = Sight(revision: value.revision, lease: try StoredLease(value.bytes), since: now())
        }
    }
}
