/// A share of the rings, and their events' way into the log. Used by one thread at a time.
import CTSXShim
import CastorLog

final class RingDrain: @unchecked Sendable {
    typealias Ring = UnsafeMutablePointer<castor_ring>

    /// What the agent is to look at that came by.
    enum Note {
        case unsupported(UInt16)
        /// Of a program's first event, which carries /proc/self/maps as it was.
        case start([UInt8])
        /// The path of an object file that was mapped later.
        case mapped([UInt8])
    }
    private var notes: [Note] = []

    /// There is no log any more.
    var isDiscarding = false

    private let segment: Segment
    private let lane: LogLane
    /// By ring: payload bytes still to come of the event at its head.
    private var owed: [UInt64]
    /// By ring: bytes of small events in the line at its head that the log has already.
    private var taken: [Int]

    init(segment: Segment, lane: LogLane) {
        self.segment = segment
        self.lane = lane
        owed = Array(repeating: 0, count: Int(segment.base.pointee.ring_count))
        taken = Array(repeating: 0, count: owed.count)
    }

    func takeNotes() -> [Note] {
        if notes.isEmpty { return [] }
        defer { notes = [] }
        return notes
    }

    func flush() throws(LogError) { try lane.flush() }

    // MARK: - One ring

    func isDrained(_ index: UInt32) -> Bool {
        let ring = segment.ring(index)
        return castor_load(castor_ring_tail(ring)) == ring.pointee.head
            && castor_load32(castor_ring_packed(ring)) == taken[Int(index)]
    }

    /// The ring is another thread's next.
    func forget(_ index: UInt32) {
        owed[Int(index)] = 0
        taken[Int(index)] = 0
    }

    /// Lines that came out.
    func drain(_ index: UInt32) throws(LogError) -> UInt64 {
        let ring = segment.ring(index)
        if isDiscarding { return discard(ring, index) }
        let stream = ring.pointee.stream
        let start = ring.pointee.head
        var head = start
        let tail = castor_load(castor_ring_tail(ring))
        while head < tail {
            if owed[Int(index)] > 0 {
                head = try drainPayload(ring, index, from: head, to: tail)
                release(ring, head)
                continue
            }
            // Without wrap-around, and with room for the producer long before the batch ends.
            let run = min(tail - head, ring.pointee.mask + 1 - (head & ring.pointee.mask), 16384)
            head += UInt64(
                try lane.append(
                    stream: stream, entries: castor_slot(ring, head), count: Int(run), skipped: taken[Int(index)],
                    before: CASTOR_EV_UNSUPPORTED))
            taken[Int(index)] = 0
            release(ring, head)
            let entry = castor_slot(ring, head)
            let isUnsupported = entry.pointee.kind == CASTOR_EV_UNSUPPORTED
            if head == tail || entry.pointee.kind & CASTOR_SMALL != 0 || entry.pointee.payload == 0 && !isUnsupported { continue }
            if isUnsupported { notes.append(.unsupported(entry.pointee.nr)) }
            if namesObjects(entry) {
                if tail - head <= castor_lines(UInt64(entry.pointee.payload)) { break }  // the rest is on its way
                noteObjects(entry, ring, head + 1)
            }
            head += 1
            if entry.pointee.payload == 0 {
                try lane.append(stream: stream, entry, payload: UnsafeRawBufferPointer(start: nil, count: 0))
            } else {
                try beginPayload(ring, index, entry, &head, tail)
            }
        }
        if head != start {
            release(ring, head)
            return head - start
        }
        return try drainOpenLine(ring, index)
    }

    private func discard(_ ring: Ring, _ index: UInt32) -> UInt64 {
        let tail = castor_load(castor_ring_tail(ring))
        let lines = tail - ring.pointee.head
        owed[Int(index)] = 0
        taken[Int(index)] = lines > 0 ? 0 : Int(castor_load32(castor_ring_packed(ring)))
        release(ring, tail)
        return lines
    }

    /// The small events of the line that the thread still fills: taken when nothing else comes, for touching the line while
    /// it is written costs both sides.
    private func drainOpenLine(_ ring: Ring, _ index: UInt32) throws(LogError) -> UInt64 {
        let tail = castor_load(castor_ring_tail(ring))
        let packed = Int(castor_load32(castor_ring_packed(ring)))
        guard tail == ring.pointee.head, castor_load(castor_ring_tail(ring)) == tail, packed > taken[Int(index)] else {
            return 0
        }
        try lane.append(stream: ring.pointee.stream, line: castor_slot(ring, tail), from: taken[Int(index)], to: packed)
        taken[Int(index)] = packed
        return 1
    }

    /// Gives lines back. A producer that waits is woken when half the ring is free: woken earlier, it would only run
    /// into the end again.
    private func release(_ ring: Ring, _ head: UInt64) {
        castor_store(castor_ring_head(ring), head)
        castor_fence()
        if castor_load32(castor_ring_producer_waiting(ring)) != 0,
            castor_load(castor_ring_tail(ring)) - head <= (ring.pointee.mask + 1) / 2
        {
            Futex.wake(castor_ring_head(ring))
        }
    }

    // MARK: - Payloads

    private func beginPayload(
        _ ring: Ring, _ index: UInt32, _ entry: UnsafeMutablePointer<castor_entry>, _ head: inout UInt64, _ tail: UInt64
    ) throws(LogError) {
        let length = UInt64(entry.pointee.payload)
        let lines = castor_lines(length)
        let place = head & ring.pointee.mask
        if tail - head >= lines, place + lines <= ring.pointee.mask + 1 {  // whole and in one piece
            let bytes = UnsafeRawBufferPointer(start: castor_slot(ring, head), count: Int(length))
            try lane.append(stream: ring.pointee.stream, entry, payload: bytes)
            head += lines
        } else {
            try lane.beginEvent(stream: ring.pointee.stream, entry)
            owed[Int(index)] = length
        }
    }

    private func drainPayload(_ ring: Ring, _ index: UInt32, from head: UInt64, to tail: UInt64) throws(LogError) -> UInt64 {
        let left = owed[Int(index)]
        let lines = min(castor_lines(left), tail - head, ring.pointee.mask + 1 - (head & ring.pointee.mask))
        let bytes = min(left, lines * 64)
        try lane.continuePayload(
            stream: ring.pointee.stream, UnsafeRawBufferPointer(start: castor_slot(ring, head), count: Int(bytes)))
        owed[Int(index)] = left - bytes
        return head + lines
    }

    /// A program's first event and later mappings of object files.
    private func namesObjects(_ entry: UnsafeMutablePointer<castor_entry>) -> Bool {
        entry.pointee.payload > 0
            && (entry.pointee.kind == CASTOR_EV_THREAD_START || entry.pointee.flags & CASTOR_MAP_BINARY != 0)
    }

    private func noteObjects(_ entry: UnsafeMutablePointer<castor_entry>, _ ring: Ring, _ line: UInt64) {
        var payload: [UInt8] = []
        for i in 0..<castor_lines(UInt64(entry.pointee.payload)) {
            payload += UnsafeRawBufferPointer(start: castor_slot(ring, line + i), count: 64)
        }
        payload.removeLast(payload.count - Int(entry.pointee.payload))
        notes.append(entry.pointee.kind == CASTOR_EV_THREAD_START ? .start(payload) : .mapped(payload))
    }

    // MARK: - What a thread left behind

    /// A row of operations on owned shards that nothing came after: others may have seen what it did.
    func appendRow(_ index: UInt32) throws(LogError) {
        let ring = segment.ring(index)
        guard ring.pointee.stream < CASTOR_OWNERS, !isDiscarding else { return }
        let progress = castor_progress_of(segment.base, ring.pointee.stream).pointee
        let isPublished = ring.pointee.tail * 64 + UInt64(ring.pointee.packed) > ring.pointee.owned_at
        if progress.count == progress.start || isPublished { return }
        var entry = castor_entry()
        entry.kind = CASTOR_EV_OWNED
        entry.shard = UInt32.max
        entry.object = progress.count
        entry.value = progress.count - progress.start
        try lane.append(stream: ring.pointee.stream, &entry, payload: UnsafeRawBufferPointer(start: nil, count: 0))
    }

    /// A call that began and will not return.
    func appendPending(_ index: UInt32) throws(LogError) {
        let ring = segment.ring(index)
        guard !isDiscarding, owed[Int(index)] == 0, ring.pointee.packed == 0, ring.pointee.pending == UInt32(truncatingIfNeeded: ring.pointee.tail) &+ 1 else {
            return
        }
        var entry = castor_slot(ring, ring.pointee.tail).pointee
        entry.flags = CASTOR_STARTED
        entry.payload = 0
        try lane.append(stream: ring.pointee.stream, &entry, payload: UnsafeRawBufferPointer(start: nil, count: 0))
    }
}
