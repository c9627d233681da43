/// Faults planted into the machines, one at a time, to see whether the simulator finds them. Tests only; nothing else can set one.

enum Mutation: CaseIterable, Sendable {
    /// An output is released once the log up to it was sent.
    case releaseOnSent
    /// A drained replica goes live without asking the store.
    case liveWithoutLease
    /// The primary does not mind how old its lease is.
    case neverSilent
    /// A replica is dropped without the store being told.
    case dropWithoutEpoch
    /// A lease counts from the store's answer.
    case leaseFromAnswer
    /// Outputs do not wait for a replica that is being made a member until the store has confirmed it.
    case countAfterConfirmation
    /// A dropped replica is no longer waited for while the store has not confirmed that it is dropped.
    case dropBeforeConfirmation
    /// Any log that is no longer than the primary's is taken for its beginning.
    case ignoreTerms
    /// A log is cut off while the replay may still be reading it.
    case truncateUndrained
    /// A replica goes live without having replayed everything.
    case liveUndrained
}
