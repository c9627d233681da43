/// How far a growing log is closed: up to where every event in it has all that it depends on in the log as well. A standby that goes
/// live has everything before that position, so the primary may let out what follows from it.
import CastorLog

struct Closure {
    /// Bytes of the log's events file.
    private(set) var position: UInt64 = 0

    /// A chunk that is not closed yet: where it ends, and how many events of each stream there are up to its end.
    private struct Open {
        var end: UInt64
        var runs: [(stream: UInt32, events: UInt64)]
    }
    private var open: [Open] = []
    private var first = 0

    /// The log has grown by a chunk that ends at `end`.
    mutating func append(_ runs: [Run], end: UInt64) {
        open.append(Open(end: end, runs: runs.map { ($0.stream, $0.firstEvent + UInt64($0.events)) }))
    }

    /// Looks which chunks are closed now. `events`: how many of a stream's events have a place, or have been replayed.
    mutating func advance(_ events: (UInt32) -> UInt64) {
        while first < open.count {
            // What is closed is not looked at again.
            while let last = open[first].runs.last, events(last.stream) >= last.events { open[first].runs.removeLast() }
            guard open[first].runs.isEmpty else { break }
            position = open[first].end
            first += 1
        }
        if first > 1024 || first == open.count {
            open.removeFirst(first)
            first = 0
        }
    }
}
