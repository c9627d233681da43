/// Order: a version for every shard of objects, kept in the shared segment and logged with the event (the scheme
/// that was measured cheapest and right: a bare time stamp counter inside a lock gave wrong orders).
///
/// Recording takes the next version where an event's effect is fixed. Replay lets an event go when its shard has
/// come to the logged version. In total order an event also waits until no other thread has an older one before it,
/// by the places that the agent gave all events; a thread that waits for a lock or for a version is passed over, because the
/// log does not know when locks were released, and so neither does its linear extension.
import CTSXGate
import CTSXShim

/// Shard of an object known by its address: neighbours within 16 bytes share one.
@inline(__always) @_noLocks func shard(of object: UInt64) -> UInt32 {
    let hash = (object >> 4) &* 0x9e37_79b9_7f4a_7c15
    return CASTOR_SHARD_FIRST
        &+ UInt32(truncatingIfNeeded: ((hash >> 32) &* UInt64(CASTOR_SHARD_ATOMICS &- CASTOR_SHARD_FIRST)) >> 32)
}

// MARK: - Recording

@inline(__always) @_noLocks func takeVersion(_ shard: UInt32) -> UInt64 {
    isAlone ? castor_fetch_add_alone(castor_version(segment, shard), 1) : takeVersion(amongOthers: shard)
}
@inline(__always) @_noLocks func takeVersion(amongOthers shard: UInt32) -> UInt64 {
    let word = castor_version(segment, shard)
    return process.pointee.has_rtm != 0 ? castor_rtm_take(word) : castor_fetch_add(word, 1)
}

/// The program has had one thread so far, which would be the one to make another.
@inline(__always) var isAlone: Bool { segment.pointee.next_stream == 1 }

/// A stamp now and then places the stream in time: see CASTOR_STAMP_EVERY. Versions are the order.
@inline(__always) @_noLocks func hintOfTime(_ ring: Ring) -> UInt64 {
    castor_stamp_is_due(ring, CASTOR_STAMP_EVERY_CALL) != 0 ? castor_stamp(ring) : 0
}

// MARK: - Replay

/// Waits until it is this entry's turn.
@inline(__always) @_noLocks func waitTurn(_ ring: Ring, _ entry: castor_entry) {
    if isTotal { waitUntilFirst(ring, entry.stamp) }
    if entry.shard == CASTOR_NO_SHARD { return }
    if castor_load(castor_version(segment, entry.shard)) < entry.version {
        sleepForTurn(ring, entry.shard, entry.version)
    }
}

/// A standby's: false when it goes live instead, and the event did not happen. Its ring is empty then.
@inline(__always) @_noLocks func awaitTurn(_ ring: Ring, _ entry: castor_entry) -> Bool {
    if entry.shard == CASTOR_NO_SHARD || castor_load(castor_version(segment, entry.shard)) >= entry.version { return true }
    return sleepForTurn(orLive: ring, entry.shard, entry.version)
}

@inline(never) @_noLocks private func sleepForTurn(orLive ring: Ring, _ shard: UInt32, _ version: UInt64) -> Bool {
    ring.pointee.wait_shard = shard
    ring.pointee.wait_version = version
    ring.pointee.waiting = CASTOR_WAIT_TURN
    defer { ring.pointee.waiting = CASTOR_RUNNING }
    return waitFor(castor_version(segment, shard), version, castor_waiters(segment, shard), orLive: true)
}

/// The event's effect is done: the next one on the shard may go.
@inline(__always) @_noLocks func passTurn(_ shard: UInt32) {
    if shard == CASTOR_NO_SHARD { return }
    let word = castor_version(segment, shard)
    let next = castor_fetch_add(word, 1) &+ 1
    if castor_load32(castor_waiters(segment, shard)) != 0 { wake(word, next) }
}

@inline(never) @_noLocks private func wake(_ word: UnsafeMutablePointer<UInt64>, _ next: UInt64) {
    kernel(SYS_futex, address(word), Futex.wakeBits, Futex.everyone, 0, 0, UInt64(bit(next)))
}
/// Waiters for different versions sleep on different bits, so that a turn passed wakes few of them.
@inline(__always) @_noLocks private func bit(_ version: UInt64) -> UInt32 {
    1 << UInt32(truncatingIfNeeded: version & 31)
}

@inline(never) @_noLocks private func sleepForTurn(_ ring: Ring, _ shard: UInt32, _ version: UInt64) {
    ring.pointee.wait_shard = shard
    ring.pointee.wait_version = version
    ring.pointee.waiting = CASTOR_WAIT_TURN
    if isTotal { passTotal() }
    _ = waitFor(castor_version(segment, shard), version, castor_waiters(segment, shard), orLive: false)
    ring.pointee.waiting = CASTOR_RUNNING
}

// MARK: - Total order

@inline(__always) var isTotal: Bool { segment.pointee.order == CASTOR_ORDER_TOTAL }

/// The ring, other than `own`, of the thread whose next event comes first, among threads that can go on. With it the
/// event's place, or the first that it can have when it has not been fed yet.
@_noLocks private func first(besides own: Ring?) -> (ring: Ring?, place: UInt64) {
    var best: Ring?
    var place = UInt64.max
    var i: UInt32 = 0
    let used = castor_load32(castor_segment_rings_used(segment))
    while i < used {
        let r = castor_ring_at(segment, i)
        i &+= 1
        if r == own || castor_load32(castor_ring_state(r)) != CASTOR_RING_LIVE { continue }
        let doing = castor_load32(castor_ring_waiting(r))
        if doing == CASTOR_WAIT_TURN, r.pointee.wait_shard != CASTOR_NO_SHARD { continue }
        if doing == CASTOR_WAIT_REAL || doing == CASTOR_PARKED || doing == CASTOR_WAIT_OTHERS { continue }
        let least = castor_load(castor_ring_not_before(r))  // before the tail: it holds for what is fed after it was told
        let head = castor_load(castor_ring_head(r))
        if castor_load(castor_ring_tail(r)) <= head {
            if least < place { (best, place) = (r, least) }
            continue
        }
        let e = castor_slot(r, head)
        if e.pointee.kind == CASTOR_EV_END { continue }
        if e.pointee.stamp < place { (best, place) = (r, e.pointee.stamp) }
    }
    return (best, place)
}

@inline(never) @_noLocks private func waitUntilFirst(_ ring: Ring, _ place: UInt64) {
    var spins = 0
    var patience = 3
    var awaited: (ring: Ring?, head: UInt64) = (nil, 0)
    ring.pointee.wait_shard = CASTOR_NO_SHARD
    ring.pointee.wait_version = place
    ring.pointee.waiting = CASTOR_WAIT_TURN
    while true {
        let turn = UInt32(truncatingIfNeeded: castor_load(castor_segment_turn(segment)))
        let other = first(besides: ring)
        if other.ring == nil || other.place > place { break }
        spins &+= 1
        if spins < 20 {
            castor_pause()
        } else {
            // A running thread that does not come to its event may itself wait for this one, by polling.
            let head = other.ring.map { castor_load(castor_ring_head($0)) } ?? 0
            patience = awaited.ring == other.ring && awaited.head == head ? patience &- 1 : 3
            awaited = (other.ring, head)
            if patience == 0 { break }
            sleepOn(
                address(castor_segment_turn(segment)), turn, milliseconds: 0, microseconds: 300,
                bits: bit(UInt64(ring.pointee.stream)))
        }
    }
    ring.pointee.waiting = CASTOR_RUNNING
}

/// This thread is past its event, or out of the way: whoever comes first now is woken.
@_noLocks func passTotal() {
    _ = castor_fetch_add(castor_segment_turn(segment), 1)
    guard let next = first(besides: nil).ring, castor_load32(castor_ring_waiting(next)) == CASTOR_WAIT_TURN else {
        return
    }
    kernel(
        SYS_futex, address(castor_segment_turn(segment)), Futex.wakeBits, Futex.everyone, 0, 0,
        UInt64(bit(UInt64(next.pointee.stream))))
}

/// The thread is about to sleep in the kernel inside a real lock, or has come back.
@_noLocks func blockedInReal(_ me: Thread, _ blocked: Bool) {
    guard let ring = me.pointee.ring else { return }
    castor_store32(castor_ring_waiting(ring), blocked ? CASTOR_WAIT_REAL : CASTOR_RUNNING)
    if blocked, isTotal { passTotal() }
}

/// Spins briefly, then sleeps until `word` has come to `value`. Only a load may find it further on. False: the standby goes live.
@_noLocks private func waitFor(
    _ word: UnsafeMutablePointer<UInt64>, _ value: UInt64, _ waiters: UnsafeMutablePointer<UInt32>, orLive: Bool
) -> Bool {
    var spins = 0
    while spins < 100 {
        if castor_load(word) >= value { return true }
        castor_pause()
        spins &+= 1
    }
    _ = castor_fetch_add32(waiters, 1)
    defer { _ = castor_fetch_add32(waiters, 0xffff_ffff) }
    while true {
        let now = castor_load(word)
        if now >= value { return true }
        if orLive, castor_load32(castor_segment_live(segment)) != 0 { return false }
        sleepOn(address(word), UInt32(truncatingIfNeeded: now), milliseconds: orLive ? 20 : 1000, bits: bit(value))
    }
}
