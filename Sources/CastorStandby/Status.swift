/// What the machines tell of themselves to whoever watches them. Nothing is decided by it.

public struct PrimaryStatus: Equatable, Sendable {
    public var epoch: UInt64
    /// There is a store, and it has confirmed the lease recently enough.
    public var holdsLease: Bool
    /// f, and how many replicas may take over now.
    public var wanted: Int
    public var members: Int
    /// Length of the log.
    public var written: Position
    /// Outputs that wait, and for how long the oldest has.
    public var held: Int
    public var heldFor: Milliseconds
    /// Why outputs do not leave; nil when they do.
    public var hindrance: String?
    public var replicas: [FollowerStatus]
}

/// A replica as its primary knows it.
public struct FollowerStatus: Equatable, Sendable {
    /// nil: it is waited for, and not linked now.
    public var link: Link?
    public var isMember: Bool
    public var sent: Position
    public var received: Position
    public var consumed: Position
}

public struct ReplicaStatus: Equatable, Sendable {
    public enum Phase: Equatable, Sendable { case apart, greeting, following, live, stopped }
    public var phase: Phase
    public var epoch: UInt64
    /// The primary's outputs wait for this replica.
    public var isCounted: Bool
    public var received: Position
    public var consumed: Position
    public var lastHeard: Milliseconds
    /// Why this node is neither live nor follows a primary; nil when it is or does.
    public var hindrance: String?
    /// Why the primary was believed dead last; nil: it never was.
    public var suspicion: String?
}

extension PrimaryMachine {
    /// `now`: the node's clock.
    public func status(at now: Milliseconds) -> PrimaryStatus {
        let isHolding = firstWaiting < waiting.count
        return PrimaryStatus(
            epoch: epoch, holdsLease: options.hasStore && !isSilent, wanted: options.replicas, members: members.count, written: written,
            held: waiting.count - firstWaiting, heldFor: isHolding ? max(0, now - waiting[firstWaiting].since) : 0, hindrance: hindrance,
            replicas: followers.map {
                FollowerStatus(
                    link: $0.link, isMember: members.contains($0.id), sent: $0.sent, received: $0.received, consumed: $0.consumed)
            })
    }
}

extension ReplicaMachine {
    public var status: ReplicaStatus {
        let phase: ReplicaStatus.Phase =
            switch phase {
            case .apart: .apart
            case .greeting: .greeting
            case .following: .following
            case .live: .live
            case .stopped: .stopped
            }
        return ReplicaStatus(
            phase: phase, epoch: epoch, isCounted: isCounted, received: received, consumed: consumed, lastHeard: lastHeard,
            hindrance: hindrance, suspicion: suspicion)
    }
}
