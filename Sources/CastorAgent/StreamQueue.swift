/// Decoded events of one stream that wait to be fed, as ring lines: an entry, then its payload in whole lines.
import CTSXShim
import Glibc

struct StreamQueue {
    private var bytes: UnsafeMutableRawPointer
    private var capacity: Int
    /// Lines, from the start of the buffer: fed so far, placed in the total order so far, decoded so far.
    private(set) var fed = 0
    private(set) var placed = 0
    private(set) var decoded = 0
    /// Events decoded so far, and those of them that have a place.
    var events: UInt64 = 0
    private(set) var placedEvents: UInt64 = 0

    init() {
        capacity = 1024
        bytes = malloc(capacity * 64)
    }
    func deallocate() { free(bytes) }

    var ready: Int { placed - fed }
    var unplaced: Int { decoded - placed }

    mutating func append(_ entry: UnsafePointer<castor_entry>, _ payload: UnsafeRawBufferPointer) {
        let lines = 1 + Int(castor_lines(UInt64(payload.count)))
        if decoded + lines > capacity { makeRoom(lines) }
        memcpy(bytes + decoded * 64, entry, 64)
        if let from = payload.baseAddress, payload.count > 0 { memcpy(bytes + (decoded + 1) * 64, from, payload.count) }
        decoded += lines
        events += 1
    }

    private mutating func makeRoom(_ lines: Int) {
        if fed > capacity / 2 {  // the first half has been fed
            memmove(bytes, bytes + fed * 64, (decoded - fed) * 64)
            placed -= fed
            decoded -= fed
            fed = 0
        }
        while decoded + lines > capacity { capacity *= 2 }
        bytes = realloc(bytes, capacity * 64)
    }

    /// The first event without a place, if any is decoded.
    var head: UnsafeMutablePointer<castor_entry>? {
        placed < decoded ? (bytes + placed * 64).assumingMemoryBound(to: castor_entry.self) : nil
    }
    mutating func placeHead() {
        let entry = (bytes + placed * 64).assumingMemoryBound(to: castor_entry.self)
        placed += 1 + Int(castor_lines(UInt64(entry.pointee.payload)))
        placedEvents += 1
    }
    mutating func placeAll() { (placed, placedEvents) = (decoded, events) }
    /// Forgets what has no place: the log does not hold what it depends on.
    mutating func dropUnplaced() { decoded = placed }

    /// Forgets what comes after so many events, all of which have a place.
    mutating func keep(events: UInt64) {
        (placed, decoded) = (fed, fed)
        placedEvents = events
    }

    func forEachUnplaced(_ body: (UnsafeMutablePointer<castor_entry>) -> Void) {
        var line = placed
        while line < decoded {
            let entry = (bytes + line * 64).assumingMemoryBound(to: castor_entry.self)
            body(entry)
            line += 1 + Int(castor_lines(UInt64(entry.pointee.payload)))
        }
    }

    /// Moves as many ready lines as fit into the ring. Returns how many.
    mutating func feed(_ ring: UnsafeMutablePointer<castor_ring>) -> Int {
        let tail = ring.pointee.tail
        let room = Int(ring.pointee.mask + 1 - (tail - castor_load(castor_ring_head(ring))))
        let lines = min(room, ready)
        if lines <= 0 { return 0 }
        let slots = UnsafeMutableRawPointer(ring) + Int(CASTOR_RING_HEADER)
        let place = Int(tail & ring.pointee.mask)
        let first = min(lines, Int(ring.pointee.mask) + 1 - place)
        memcpy(slots + place * 64, bytes + fed * 64, first * 64)
        if lines > first { memcpy(slots, bytes + (fed + first) * 64, (lines - first) * 64) }
        fed += lines
        publish(ring, tail + UInt64(lines))
        return lines
    }

    /// Tells the thread that its stream ends here.
    func feedEnd(_ ring: UnsafeMutablePointer<castor_ring>) -> Bool {
        let tail = ring.pointee.tail
        if tail - castor_load(castor_ring_head(ring)) > ring.pointee.mask { return false }
        let slot = castor_slot(ring, tail)
        slot.pointee = castor_entry()
        slot.pointee.kind = CASTOR_EV_END
        slot.pointee.shard = CASTOR_NO_SHARD
        publish(ring, tail + 1)
        return true
    }

    private func publish(_ ring: UnsafeMutablePointer<castor_ring>, _ tail: UInt64) {
        castor_store(castor_ring_tail(ring), tail)
        castor_fence()
        if castor_load32(castor_ring_consumer_waiting(ring)) != 0 { Futex.wake(castor_ring_tail(ring)) }
    }
}
