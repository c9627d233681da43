/// What stands in the lease store, and who may change it. The store has one record per log and changes it by compare-and-swap only;
/// these rules are the comparison, made by whoever talks to the store.
///
/// The record outlives the lease: when that has expired the record still says who may take over.

public struct LeaseRecord: Equatable, Sendable {
    /// One more with every claim.
    public var epoch: UInt64
    /// Who holds the lease, or held it last.
    public var holder: NodeID
    /// The replicas that may take over: those that have every output that was released.
    public var members: [NodeID]
    /// The program ended by itself: nobody takes over.
    public var hasEnded = false

    public init(epoch: UInt64, holder: NodeID, members: [NodeID] = [], hasEnded: Bool = false) {
        self.epoch = epoch
        self.holder = holder
        self.members = members
        self.hasEnded = hasEnded
    }

    /// The record once `node` got what it asks for; nil when it does not get it. `isExpired`: the store has not heard of the
    /// holder for `StandbyOptions.leaseInStore`, or the holder has released the lease.
    ///
    /// Asking again for what was granted is granted again, since answers get lost.
    public func after(_ request: LeaseRequest, by node: NodeID, isExpired: Bool) -> LeaseRecord? {
        switch request.kind {
        case .renew: return epoch == request.epoch && holder == node && !hasEnded ? self : nil
        case .release(let hasEnded):
            guard epoch == request.epoch, holder == node else { return nil }
            return LeaseRecord(epoch: epoch, holder: holder, members: members, hasEnded: hasEnded)
        case .claim(let newMembers):
            if hasEnded { return nil }
            if epoch == request.epoch + 1, holder == node { return self }
            guard epoch == request.epoch, holder == node || isExpired && members.contains(node) else { return nil }
            return LeaseRecord(epoch: epoch + 1, holder: node, members: newMembers ?? members.filter { $0 != node })
        }
    }
}

extension LeaseRecord {
    /// The record once `node` begins a new run of the program, which nobody else has a byte of; nil when another run is still to be had.
    /// `epoch`: of the first record that there is. `isExpired`: as above, and its members had their time to take over.
    ///
    /// Members of the old run are listed no more: they cannot take over.
    public static func beginning(after old: LeaseRecord?, epoch: UInt64, by node: NodeID, isExpired: Bool) -> LeaseRecord? {
        guard let old else { return LeaseRecord(epoch: epoch, holder: node) }
        if old.holder == node { return old }
        guard old.hasEnded || isExpired else { return nil }
        return LeaseRecord(epoch: old.epoch + 1, holder: node)
    }
}

/// What a node asks of the store.
public struct LeaseRequest: Equatable, Sendable {
    public enum Kind: Equatable, Sendable {
        /// The holder goes on.
        case renew
        /// Become or remain the holder, in the next epoch, with these members; nil: with those that there are.
        case claim(members: [NodeID]?)
        /// The holder needs the lease no more: it expires at once.
        case release(hasEnded: Bool)
    }
    public var kind: Kind
    /// The epoch that the record must have.
    public var epoch: UInt64
    /// When it was asked, by the clock of whoever asks. A grant counts from here, never from the answer.
    public var sent: Milliseconds

    public init(_ kind: Kind, epoch: UInt64, sent: Milliseconds) {
        self.kind = kind
        self.epoch = epoch
        self.sent = sent
    }
}

/// What the store answers.
public enum LeaseAnswer: Equatable, Sendable {
    /// The record as it is now, and the request's `sent`.
    case granted(LeaseRecord, sent: Milliseconds)
    /// The record as it is.
    case refused(LeaseRecord)
    /// No answer: the request may have been granted all the same.
    case unreachable
}
