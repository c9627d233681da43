/// When a log was how long: turns the bytes that somebody lacks into events and time.

public struct Trail: Sendable {
    /// The log has grown to `position`, which is so many events in all; since `time` it had been longer than the step before.
    private struct Step {
        var position: Position
        var events: UInt64
        var time: Milliseconds
    }
    private var steps: [Step] = []
    /// A step takes in so many of the log's, and the last one has taken in so many.
    private var gap = 1
    private var taken = 0
    /// Steps at most; when there are more, each two become one.
    static let limit = 4096

    public init() {}

    /// What somebody at a position lacks.
    public struct Lag: Equatable, Sendable {
        public var bytes: UInt64 = 0
        public var events: UInt64 = 0
        /// How long it has lacked the first of them.
        public var time: Milliseconds = 0

        public init(bytes: UInt64 = 0, events: UInt64 = 0, time: Milliseconds = 0) {
            (self.bytes, self.events, self.time) = (bytes, events, time)
        }
    }

    /// The log has grown to `position`, with so many events in all.
    public mutating func append(_ position: Position, events: UInt64, at time: Milliseconds) {
        guard position > steps.last?.position ?? 0 else { return }
        if taken < gap, let last = steps.indices.last {
            taken += 1
            (steps[last].position, steps[last].events) = (position, events)
            return
        }
        taken = 1
        steps.append(Step(position: position, events: events, time: time))
        if steps.count == Trail.limit { halve() }
    }

    private mutating func halve() {
        steps = stride(from: 1, to: steps.count, by: 2).map { i in
            Step(position: steps[i].position, events: steps[i].events, time: steps[i - 1].time)
        }
        gap *= 2
        taken = gap
    }

    /// Nobody will be asked about who is before `position` any more.
    public mutating func forget(before position: Position) {
        let first = firstIndex(after: position)
        if first > 1 { steps.removeSubrange(..<(first - 1)) }
        if steps.count < Trail.limit / 4 { gap = 1 }
    }

    public func lag(of position: Position, at now: Milliseconds) -> Lag {
        let first = firstIndex(after: position)
        guard first < steps.count, let last = steps.last else { return Lag() }
        return Lag(
            bytes: last.position - position, events: last.events - (first > 0 ? steps[first - 1].events : 0),
            time: max(0, now - steps[first].time))
    }

    /// Of the first step that somebody at `position` lacks.
    private func firstIndex(after position: Position) -> Int {
        var (low, high) = (0, steps.count)
        while low < high {
            let middle = (low + high) / 2
            if steps[middle].position <= position { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
