/// What a pair does not guarantee, as castor says it when it begins and `castor ft status` at any time.

/// What stands before the shared address.
public enum GateState: Sendable {
    case present
    /// There is no shared address.
    case notAskedFor
    /// It could not be had.
    case missing
    case unknown
}

extension StandbyOptions {
    /// `isUrgent`: threads of the link run before everything else.
    public func gaps(gate: GateState, isUrgent: Bool = true) -> [String] {
        var gaps: [String] = []
        let reason: String? =
            switch gate {
            case .present: nil
            case .notAskedFor: "without --ip and --dev"
            case .missing: "without a gate (castor said why when it began)"
            case .unknown: nil
            }
        if let reason { gaps.append("\(reason) TCP connections do not survive") }
        if gate == .unknown { gaps.append("whether TCP connections survive is known when there is a program") }
        if !hasStore {
            gaps.append(
                "without --lease nobody can tell a dead primary from one that is cut off: "
                    + (isAutomatic
                        ? "when the link is cut, both programs are live (--automatic)"
                        : "a replica takes over when it is told to, or with its --automatic, and then both may be live"))
        } else if let reason {
            gaps.append(
                "\(reason) the kernel does not enforce the lease: what castor had let out before a primary was stopped may leave when it "
                    + "goes on, and TCP's acknowledgements leave at any time")
        }
        if !isUrgent { gaps.append(notUrgent) }
        return gaps
    }

    public var notUrgent: String {
        "without CAP_SYS_NICE the link waits its turn: on a busy machine a node may be silent for longer than \(agreement.silence) ms and be "
            + "taken for dead (--silence)"
    }
}
