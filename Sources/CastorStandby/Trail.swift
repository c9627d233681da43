/// When a log was how long: turns the bytes that somebody lacks into events and time.

public struct Trail: Sendable {
    private struct Step {
        var position: Position
        /// Events before the position.
        var events: UInt64
        /// Since when the log has had this length.
        var time: Milliseconds
    }
    private var steps: [Step] = []
    /// Steps at most; when there are more, every second one is forgotten, and what lies between two is counted to the first.
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
        steps.append(Step(position: position, events: events, time: time))
        guard steps.count > Trail.limit else { return }
        steps = steps.indices.filter { $0 % 2 == 0 || $0 == steps.count - 1 }.map { steps[$0] }
    }

    /// Nobody will be asked about who is before `position` any more.
    public mutating func forget(before position: Position) {
        let first = firstIndex(after: position)
        if first > 1 { steps.removeSubrange(..<(first - 1)) }
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
