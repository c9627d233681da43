/// Whether a standby's replay stands still: every thread waits for events, for its turn, or for a lock, and has for a while. One that
/// computes may still do something.
import CTSXShim

struct Standstill {
    private var place: UInt64 = 0
    private var since: UInt64 = 0
    /// Longer than a thread takes to wake up.
    private static let milliseconds: UInt64 = 100

    /// To be asked again and again.
    mutating func lasts(_ segment: Segment) -> Bool {
        var place: UInt64 = 1
        for i in 0..<segment.ringsUsed {
            let ring = segment.ring(i)
            let state = segment.state(ring)
            if state == CASTOR_RING_DONE || state == CASTOR_RING_CLAIMED { return false }
            guard state == CASTOR_RING_LIVE else { continue }
            let head = castor_load(castor_ring_head(ring))
            switch castor_load32(castor_ring_waiting(ring)) {
            case CASTOR_WAIT_FEED where castor_load(castor_ring_tail(ring)) == head: break
            case CASTOR_WAIT_TURN, CASTOR_WAIT_REAL: break
            default: return false
            }
            place = place &* 31 &+ head &+ UInt64(i)
        }
        let now = Clock.milliseconds
        if place != self.place { (self.place, since) = (place, now) }
        return now >= since + Standstill.milliseconds
    }
}
