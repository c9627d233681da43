/// Rows of operations on shards that a thread owns, which the log has as one event each (castor_abi.h, Owners): their ends in
/// recording, and what replay does about them. Their way through an operation is in Interpose/plane.c.
import CTSXGate
import CTSXShim

@inline(__always) @_noLocks func ownedBy(_ me: Thread) -> UnsafeMutablePointer<castor_owned> { castor_thread_owned(me) }

/// What a thread of this stream may own, and where its progress is kept.
@_noLocks func beginOwning(_ me: Thread) {
    let stream = me.pointee.stream
    let owns = stream < CASTOR_OWNERS && segment.pointee.options & CASTOR_OPT_NO_OWNERS == 0
    let owned = ownedBy(me)
    owned.pointee.progress = castor_progress_of(segment, stream)
    owned.pointee.owner = owns ? 0xe000 | UInt64(stream &+ 1) : UInt64(CASTOR_OWNS_NOTHING)
    owned.pointee.state = CASTOR_ROW_NONE
    owned.pointee.left = 0
}

// MARK: - Recording

extension UnsafeMutablePointer where Pointee == castor_ring {
    /// The thread does something else now: the log gets the row.
    @inline(never) @_noLocks func publishRow() {
        let owned = ownedBy(castor_me())
        let progress = owned.pointee.progress.unsafelyUnwrapped
        pointee.forks = owned.pointee.forks
        owned.pointee.state = CASTOR_ROW_NONE
        let (count, voided) = (progress.pointee.count, UInt16(owned.pointee.voided))
        owned.pointee.voided = 0
        if count == progress.pointee.start { return }
        guard beginLine(room: 32) else { return }
        let stamped = stampIsDue
        if stamped { leaveLine() }
        pointee.owned_at = pointee.tail &* 64 &+ UInt64(pointee.packed)
        let (hash, row) = (owned.pointee.hash | 1, count &- progress.pointee.start)
        if stamped {
            var e = attempt(CASTOR_EV_OWNED, voided, count, hash, row)
            publishStamped(&e)
        } else {
            castor_pack(self, CASTOR_SMALL_OWNED | voided, CASTOR_NO_SHARD, 0, count, 0, hash, row)
        }
        castor_store(castor_progress_start(progress), count)
        castor_store(castor_ring_owned_at(self), UInt64.max)
    }
}

// MARK: - Replay

@c @implementation @_noLocks
func castor_replay_row() -> Int32 {
    let me = castor_me()
    let ring = me.pointee.ring.unsafelyUnwrapped
    let owned = ownedBy(me)
    while true {
        let e = nextEntry(me)
        if e.pointee.kind != CASTOR_EV_OWNED { return 0 }
        let entry = e.pointee
        let progress = owned.pointee.progress.unsafelyUnwrapped
        castor_store(castor_progress_start(progress), entry.object &- entry.value)
        castor_store(castor_progress_end(progress), entry.object)
        owned.pointee.left = entry.value &- UInt64(entry.nr)
        owned.pointee.voided = UInt8(truncatingIfNeeded: entry.nr)
        owned.pointee.expected = entry.hash
        owned.pointee.hash = 0
        waitTurn(ring, entry)
        finishEvent(me, ring, entry)
        if owned.pointee.left > 0 { return 1 }
        endRow(owned, progress)
    }
}

@c @implementation @_noLocks
func castor_replayed_in_row() {
    let me = castor_me()
    let owned = ownedBy(me)
    let progress = owned.pointee.progress.unsafelyUnwrapped
    if owned.pointee.left > 0 { return wakeWaiters(progress) }
    let expected = owned.pointee.expected
    if expected != 0, expected != owned.pointee.hash | 1, !isLenient {
        diverge(
            CASTOR_DIVERGENCE_ARGUMENT, me, expected: row(progress, expected), actual: row(progress, owned.pointee.hash | 1),
            "what a row of operations on owned shards did")
    }
    endRow(owned, progress)
}

/// The row that is being done, as the log has it.
@_noLocks private func row(_ progress: UnsafeMutablePointer<castor_progress>, _ hash: UInt64) -> castor_entry {
    attempt(CASTOR_EV_OWNED, 0, progress.pointee.end, hash, progress.pointee.end &- progress.pointee.start)
}

/// All that was counted is done, or was never done.
@_noLocks private func endRow(
    _ owned: UnsafeMutablePointer<castor_owned>, _ progress: UnsafeMutablePointer<castor_progress>
) {
    if owned.pointee.voided != 0 { _ = castor_fetch_add(castor_progress_count(progress), 1) }
    owned.pointee.voided = 0
    castor_fence()
    wakeWaiters(progress)
}

@_noLocks private func wakeWaiters(_ progress: UnsafeMutablePointer<castor_progress>) {
    if castor_load32(castor_progress_waiters(progress)) == 0 { return }
    let count = castor_load(castor_progress_count(progress))
    if count < castor_load(castor_progress_wanted(progress)), count != progress.pointee.end { return }
    castor_store(castor_progress_wanted(progress), UInt64.max)
    wakeAll(address(castor_progress_count(progress)))
}

/// Something other than an operation of the row while there is more of it.
@inline(never) @_noLocks func leavesRow(_ me: Thread) {
    let owned = ownedBy(me)
    diverge(
        CASTOR_DIVERGENCE_EVENT, me, expected: row(owned.pointee.progress.unsafelyUnwrapped, owned.pointee.expected), actual: attempt(CASTOR_EV_NONE, 0),
        "fewer operations in a row than were recorded")
}

/// Waits until a shard's owner has come to a place. Who takes the shard away also waits for `slack` more of the row in
/// which the place is, as far as it goes.
@inline(__always) @_noLocks func waitForOwner(_ ring: Ring, _ place: UInt64, slack: UInt64) {
    if place == 0 { return }
    let stream = UInt32(truncatingIfNeeded: place >> UInt64(CASTOR_WORD_BITS)) &- 1
    let count = place & (1 << UInt64(CASTOR_WORD_BITS) &- 1)
    let progress = castor_progress_of(segment, stream)
    if wanted(progress, count, slack) != nil { sleepForOwner(ring, stream, progress, count, slack) }
}

/// The count that is still to be waited for.
@inline(__always) @_noLocks private func wanted(
    _ progress: UnsafeMutablePointer<castor_progress>, _ count: UInt64, _ slack: UInt64
) -> UInt64? {
    let now = castor_load(castor_progress_count(progress))
    if now < count { return count }
    if slack == 0 || castor_load(castor_progress_start(progress)) >= count { return nil }
    let enough = min(count &+ slack, castor_load(castor_progress_end(progress)))
    return now < enough ? enough : nil
}

@inline(never) @_noLocks private func sleepForOwner(
    _ ring: Ring, _ stream: UInt32, _ progress: UnsafeMutablePointer<castor_progress>, _ count: UInt64, _ slack: UInt64
) {
    var spins = 0
    while spins < 100 {
        if wanted(progress, count, slack) == nil { return }
        castor_pause()
        spins &+= 1
    }
    ring.pointee.wait_shard = CASTOR_SHARDS &+ stream
    ring.pointee.wait_version = count
    ring.pointee.waiting = CASTOR_WAIT_TURN
    if isTotal { passTotal() }
    _ = castor_fetch_add32(castor_progress_waiters(progress), 1)
    while true {
        let now = castor_load(castor_progress_count(progress))
        guard let least = wanted(progress, count, slack) else { break }
        while case let other = castor_load(castor_progress_wanted(progress)), least < other {
            if castor_cas64(castor_progress_wanted(progress), other, least) != 0 { break }
        }
        // Now and then it looks again: another waiter may have been woken in its place.
        sleepOn(
            address(castor_progress_count(progress)), UInt32(truncatingIfNeeded: now), milliseconds: 10)
    }
    _ = castor_fetch_add32(castor_progress_waiters(progress), 0xffff_ffff)
    ring.pointee.waiting = CASTOR_RUNNING
}
