/// Finds mutexes that a thread polls: it locks one again and again with no other event between, waiting for a variable
/// that castor does not see. Replay treats the number of such locks as a matter of speed.
import CTSXShim

struct PollWatch {
    private struct Run {
        var mutex: UInt64 = 0
        var length: UInt32 = 0
    }
    private var runs: [UInt32: Run] = [:]
    private var last = Run()
    private var lastStream = UInt32.max
    private var count = 0

    /// Called for every event of a stream, in its order; chunks of streams alternate.
    @inline(__always)
    mutating func see(_ entry: castor_entry, _ stream: UInt32, _ segment: Segment) {
        if stream != lastStream { change(to: stream) }
        let isLock = entry.kind == CASTOR_EV_SYMBOL && entry.nr == CASTOR_SYM_pthread_mutex_lock
        guard isLock else {
            last.length = 0
            return
        }
        last = Run(mutex: entry.object, length: entry.object == last.mutex ? last.length + 1 : 1)
        if last.length == CASTOR_POLL_RUN { add(entry.object, segment) }
    }

    private mutating func change(to stream: UInt32) {
        if lastStream != .max { runs[lastStream] = last }
        last = runs[stream] ?? Run()
        lastStream = stream
    }

    private mutating func add(_ mutex: UInt64, _ segment: Segment) {
        let polled = castor_segment_polled(segment.base)
        if count == Int(CASTOR_POLLED) || (0..<count).contains(where: { polled[$0] == mutex }) { return }
        castor_store(polled + count, mutex)
        count += 1
    }
}
