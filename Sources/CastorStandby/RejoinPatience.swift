/// How long a replica whose replay failed waits before it starts over, and when there is no sense in that. No I/O, no clock.

/// Where a replay left the recording.
public struct ReplayPlace: Hashable, Sendable {
    public var stream: UInt32
    public var event: UInt64

    public init(stream: UInt32, event: UInt64) {
        self.stream = stream
        self.event = event
    }
}

public struct RejoinPatience: Sendable {
    public enum Decision: Equatable, Sendable {
        case pause(seconds: Int)
        /// The replay left the recording there as often as is allowed.
        case giveUp(ReplayPlace)
    }
    /// So often at the same event, and it will always be so.
    public static let limit = 5
    static let longest = 60

    private var pause = 1
    private var counts: [ReplayPlace: Int] = [:]

    public init() {}

    /// After a failure, which has a place when it was a divergence. `lasted`: seconds since the replica had started.
    public mutating func decide(at place: ReplayPlace?, lasted: Int) -> Decision {
        if let place {
            counts[place, default: 0] += 1
            if counts[place]! >= RejoinPatience.limit { return .giveUp(place) }
        }
        if lasted > RejoinPatience.longest { pause = 1 }
        defer { pause = min(2 * pause, RejoinPatience.longest) }
        return .pause(seconds: pause)
    }
}
