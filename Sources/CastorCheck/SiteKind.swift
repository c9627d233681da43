/// What an instruction does that no plane of castor catches.

public enum SiteKind: String, CaseIterable, Sendable, Comparable {
    /// Any instruction with a lock prefix.
    case lock
    /// xchg with memory locks without the prefix.
    case xchg
    /// cmpxchg and xadd without the prefix: atomic on one processor.
    case cmpxchg
    case xadd
    case xbegin
    /// rdtsc and rdtscp.
    case rdtsc
    case rdrand
    case rdseed
    case rdpid
    case cpuid
    /// The instruction plane catches it, wherever it stands.
    case syscall

    public enum Effect: Sendable {
        /// Threads meet here in an order that the log does not have.
        case races
        /// The result is another one each time.
        case varies
        /// As in the recording, on a processor with the same features, which replay asks for.
        case repeats
    }

    public var effect: Effect {
        switch self {
        case .lock, .xchg, .cmpxchg, .xadd, .xbegin: .races
        case .rdtsc, .rdrand, .rdseed, .rdpid: .varies
        case .cpuid, .syscall: .repeats
        }
    }

    /// In the order of declaration.
    public static func < (a: SiteKind, b: SiteKind) -> Bool { a.rank < b.rank }
    private var rank: Int { SiteKind.allCases.firstIndex(of: self)! }
}

/// One instruction.
public struct Site: Sendable, Equatable {
    public let kind: SiteKind
    /// As the file is linked.
    public let address: UInt64
    /// The instruction in Intel's syntax.
    public let text: String

    public init(kind: SiteKind, address: UInt64, text: String) {
        self.kind = kind
        self.address = address
        self.text = text
    }
}
