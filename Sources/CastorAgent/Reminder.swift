/// Threads that compute on while a signal waits for their next event, perhaps until its handler tells them to stop: they
/// are reminded, and handle it where they are. In the log such a signal is marked; replay reminds in the same way.
import CTSXShim
import Glibc

struct Reminder {
    /// What each ring showed at the last look: when the signal was deferred (recording), the place of the head (replay).
    private var seen: [UInt32: UInt64] = [:]
    private var looked: UInt64 = 0
    /// Between two looks. A thread that makes no event in that time computes.
    static let pause: UInt64 = 20

    private mutating func isTime() -> Bool {
        let now = Clock.milliseconds
        if now < looked + Reminder.pause { return false }
        looked = now
        return true
    }

    /// Looks at these rings: whose thread defers a signal has called the agent.
    mutating func recording(_ segment: Segment, _ rings: [UInt32]) {
        guard isTime() else { return }
        for i in rings {
            let ring = segment.ring(i)
            let deferred = castor_load(castor_ring_deferred(ring))
            if deferred == 0 || segment.state(ring) != CASTOR_RING_LIVE {
                seen[i] = nil
            } else if seen.updateValue(deferred, forKey: i) == deferred {
                remind(ring)
            }
        }
    }

    mutating func replaying(_ segment: Segment) {
        guard isTime() else { return }
        for i in 0..<segment.ringsUsed {
            let ring = segment.ring(i)
            let head = castor_load(castor_ring_head(ring))
            guard segment.state(ring) == CASTOR_RING_LIVE, ring.pointee.waiting == CASTOR_RUNNING,
                castor_load(castor_ring_tail(ring)) > head
            else { continue }
            let entry = castor_slot(ring, head).pointee
            guard entry.kind == CASTOR_EV_SIGNAL, entry.flags & CASTOR_OVERDUE != 0 else { continue }
            if seen.updateValue(head, forKey: i) == head { remind(ring) }
        }
    }

    /// By the signal that is libc's and ours: the program cannot have taken its handler away meanwhile.
    private func remind(_ ring: UnsafeMutablePointer<castor_ring>) {
        let signal = UInt32(CASTOR_SIGCANCEL)
        var info = [UInt64](repeating: 0, count: 16)  // siginfo_t: number, errno, code (SI_QUEUE), …, value
        info[0] = UInt64(signal)
        info[1] = 0xffff_ffff
        info[3] = UInt64(CASTOR_REMINDER)
        _ = info.withUnsafeBytes {
            RawCall.function(
                297, Int(ring.pointee.pid), Int(ring.pointee.tid), Int(signal), Int(bitPattern: $0.baseAddress!), 0, 0)
        }
    }
}
