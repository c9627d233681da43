/// How a recording ended: the content of a log's end chunk.
///
/// Stored as JSON: `{"exited": code}` or `{"signalled": number}` or neither, with `"tail"`, `"events"` (an array:
/// events of stream 0, 1, …) and `"unsupported"` (`[[name, count], …]`).
public struct Ending: Equatable, Sendable {
    public enum Outcome: Equatable, Sendable {
        case exited(code: Int32)
        case signalled(signal: Int32)
        /// Recording stopped before the program did.
        case unknown
    }

    /// Why the log stops where it does.
    public enum Tail: String, Sendable {
        case complete
        case agentStopped = "agent stopped"
        case diskFull = "disk full"
    }

    /// A call that the recorder does not support, and how often it was met.
    public struct Unsupported: Equatable, Sendable {
        public var name: String
        public var count: UInt64
        public init(name: String, count: UInt64) {
            self.name = name
            self.count = count
        }
    }

    public var outcome: Outcome
    public var tail: Tail
    public var unsupported: [Unsupported]
    /// Events in the log by stream; filled in by the writer.
    public internal(set) var events: [UInt64] = []

    public init(outcome: Outcome, tail: Tail = .complete, unsupported: [Unsupported] = []) {
        self.outcome = outcome
        self.tail = tail
        self.unsupported = unsupported
    }

    public var json: JSON {
        var members: [JSON.Member] = []
        switch outcome {
        case .exited(let code): members.append(.init("exited", JSON(code)))
        case .signalled(let signal): members.append(.init("signalled", JSON(signal)))
        case .unknown: break
        }
        members.append(.init("tail", .string(tail.rawValue)))
        members.append(.init("events", .array(events.map { JSON($0) })))
        members.append(.init("unsupported", .array(unsupported.map { [.string($0.name), JSON($0.count)] })))
        return .object(members)
    }

    /// nil when the value is not an ending.
    init?(json: JSON) {
        guard let tail = json["tail"]?.string.flatMap(Tail.init(rawValue:)), let events = json["events"]?.array,
            let unsupported = json["unsupported"]?.array
        else { return nil }
        if let code = json["exited"] {
            guard let code = code.integer(Int32.self) else { return nil }
            outcome = .exited(code: code)
        } else if let signal = json["signalled"] {
            guard let signal = signal.integer(Int32.self) else { return nil }
            outcome = .signalled(signal: signal)
        } else {
            outcome = .unknown
        }
        self.tail = tail
        self.unsupported = []
        for row in unsupported {
            guard let pair = row.array, pair.count == 2, let name = pair[0].string,
                let count = pair[1].integer(UInt64.self)
            else { return nil }
            self.unsupported.append(Unsupported(name: name, count: count))
        }
        for count in events {
            guard let count = count.integer(UInt64.self) else { return nil }
            self.events.append(count)
        }
    }
}
