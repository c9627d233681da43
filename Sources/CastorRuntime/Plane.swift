/// The compiler plane beside its hot path (Interpose/plane.c): replay, what is rare in recording, and the events that are
/// not atomics.
import CTSXGate
import CTSXShim

// MARK: - Recording

/// An event boundary that is not quite plain: see `makeRoom`.
@c @implementation @_noLocks
func castor_make_room(_ ring: Ring, _ length: UInt32) -> Int32 { ring.makeRoom(small: length) && isRecording ? 1 : 0 }

@c @implementation @_noLocks
func castor_publish_stamped(_ ring: Ring, _ entry: UnsafePointer<castor_entry>) { ring.publishStamped(entry) }

extension UnsafeMutablePointer where Pointee == castor_ring {
    /// The thread has read the same values over and over and does something else now: the log gets the count.
    @inline(never) @_noLocks func publishRepeats() {
        let loads = castor_thread_loads(castor_me())
        pointee.forks = loads.pointee.forks
        let (period, repeats) = (loads.pointee.period, loads.pointee.repeats)
        (loads.pointee.period, loads.pointee.repeats) = (0, 0)
        guard hasRoom() else { return }
        next.pointee = attempt(CASTOR_EV_REPEAT, 0, UInt64(period), 0, repeats)
        publishEvent()
    }
}

@c @implementation @_noLocks
func castor_record_region(_ object: UInt64) {
    let region = castor_thread_region(castor_me())
    guard isRecording, let ring = castor_me().pointee.ring, ring.hasRoom() else { return }
    ring.next.pointee = attempt(CASTOR_EV_ATOMIC, CASTOR_OP_REGION &* 8, object)
    ring.next.pointee.shard = region.pointee.shard
    ring.next.pointee.version = castor_word_version(region.pointee.found)
    ring.next.pointee.stamp = castor_rdtsc()
    ring.next.pointee.payload = UInt32(truncatingIfNeeded: region.pointee.length)
    if region.pointee.length == 0 { return ring.publishEvent() }
    var writer = PayloadWriter(ring)
    writer.put(address(castor_region_bytes(region)), region.pointee.length)
    writer.finish()
}

/// A fault in the middle of an operation: what it held is free again, as if it had not begun. The log has nothing of it.
@_noLocks func leaveByFault(_ me: Thread, _ ring: Ring) {
    let region = castor_thread_region(me)
    if region.pointee.entered != 0 {
        region.pointee.entered = 0
        me.pointee.ordered = region.pointee.ordered
    }
    let shard = castor_load32(castor_ring_held(ring))
    if shard == 0 { return }
    let owned = ownedBy(me)
    if owned.pointee.inside != 0 { (owned.pointee.inside, owned.pointee.voided) = (0, 1) }
    let word = castor_version(segment, shard)
    castor_store(word, castor_load(word) & ~CASTOR_WORD_LOCKS)
    castor_store32(castor_ring_held(ring), 0)
}

// MARK: - Values

/// The counter, the processor's identity, a random number: what one instruction made.
@c @implementation @_noLocks
func castor_value(_ value: UInt64) -> UInt64 {
    let me = castor_me()
    guard castor_mode_now() != CASTOR_MODE_OFF, let ring = me.pointee.ring, me.pointee.vforked == 0 else {
        return value
    }
    if isReplaying {
        let e = nextEntry(me)
        if e.pointee.kind != CASTOR_EV_VALUE {
            diverge(
                CASTOR_DIVERGENCE_EVENT, me, expected: e.pointee, actual: attempt(CASTOR_EV_VALUE, 0), "event")
        }
        let entry = e.pointee
        waitTurn(ring, entry)
        finishEvent(me, ring, entry)
        return UInt64(bitPattern: entry.result)
    }
    guard ring.makeRoom(small: 24) else { return value }
    if ring.stampIsDue {
        var e = attempt(CASTOR_EV_VALUE, 0)
        e.result = Int64(bitPattern: value)
        ring.publishStamped(&e)
    } else {
        castor_pack(ring, CASTOR_SMALL_VALUE_EVENT, CASTOR_NO_SHARD, 0, 0, value, 0, 0)
    }
    return value
}

// MARK: - Polls

/// Polls are counted, and a signal that is handled at one is logged with the count: replay handles it at the same one.
/// Non-zero: signals are due.
@c @implementation @_noLocks
func castor_poll() -> Int32 {
    let me = castor_me()
    me.pointee.polls &+= 1
    if me.pointee.pending_signals == 0, !isReplaying { return 0 }
    guard let ring = me.pointee.ring, castor_mode_now() != CASTOR_MODE_OFF else { return 0 }
    if isReplaying {
        if me.pointee.poll_head != ring.pointee.head {
            let e = ring.peek()
            me.pointee.poll_head = ring.pointee.head
            me.pointee.poll_next = e.pointee.kind == CASTOR_EV_POLL ? e.pointee.value : UInt64.max
        }
        if me.pointee.polls != me.pointee.poll_next { return 0 }
        finishEvent(me, ring, ring.peek().pointee)
        return 1
    }
    guard ring.makeRoom() else { return 1 }
    ring.next.pointee = attempt(CASTOR_EV_POLL, 0, 0, 0, me.pointee.polls)
    ring.publishEvent()
    return 1
}

// MARK: - Replay

@inline(__always) @_noLocks private func expect(
    _ me: Thread, _ kind: UInt16, _ nr: UInt16, _ object: UInt64, _ operands: UInt64?
) -> castor_entry {
    let e = isLenient ? nextEntry(me, kind, nr) : nextEntry(me)
    if e.pointee.kind != kind || e.pointee.nr != nr || isOther(e.pointee.object, object)
        || isOther(e.pointee.value, operands ?? e.pointee.value)
    {
        differ(me, e.pointee, attempt(kind, nr, object, 0, operands ?? 0))
    }
    return e.pointee
}
@inline(never) @_noLocks private func differ(_ me: Thread, _ expected: castor_entry, _ actual: castor_entry) {
    if expected.kind != actual.kind || expected.nr != actual.nr {
        diverge(CASTOR_DIVERGENCE_EVENT, me, expected: expected, actual: actual, "event")
    }
    diverge(
        CASTOR_DIVERGENCE_ARGUMENT, me, expected: expected, actual: actual,
        expected.object != actual.object ? "address" : "value")
}

/// Waits for the recorded operation's turn. Gives its shard and, in `old`, what it returned.
@c @implementation @_noLocks
func castor_replay_write(_ nr: UInt16, _ object: UInt64, _ operands: UInt64, _ old: UnsafeMutablePointer<UInt64>)
    -> UInt32
{
    let me = castor_me()
    let ring = me.pointee.ring.unsafelyUnwrapped
    let entry = expect(me, CASTOR_EV_ATOMIC, nr, object, operands)
    waitTurn(ring, entry)
    finishEvent(me, ring, entry)
    old[0] = UInt64(bitPattern: entry.result)
    old[1] = entry.hash
    if isLenient { lenientValue(nr, object, old) }
    return entry.shard
}
@c @implementation @_noLocks
func castor_replayed_write(_ shard: UInt32) { passTurn(shard) }

@c @implementation @_noLocks
func castor_replay_load(_ nr: UInt16, _ object: UInt64, _ value: UnsafeMutablePointer<UInt64>) {
    let me = castor_me()
    let ring = me.pointee.ring.unsafelyUnwrapped
    let loads = castor_thread_loads(me)
    if loads.pointee.repeats == 0, case let e = nextEntry(me), e.pointee.kind == CASTOR_EV_REPEAT {
        (loads.pointee.period, loads.pointee.repeats, loads.pointee.done) = (
            UInt32(truncatingIfNeeded: e.pointee.object), e.pointee.value, 0
        )
        finishEvent(me, ring, e.pointee)
    }
    if loads.pointee.repeats != 0 {
        let seen = castor_loads_repeated(loads)
        if isOther(seen.pointee.address, object) || seen.pointee.nr != nr {
            differ(me, asLoad(seen.pointee), attempt(CASTOR_EV_LOAD, nr, object))
        }
        (value[0], value[1]) = (seen.pointee.low, seen.pointee.high)
        if isLenient { lenientValue(nr, object, value) }
        loads.pointee.done &+= 1
        if loads.pointee.done == loads.pointee.repeats { loads.pointee.repeats = 0 }
        return
    }
    let entry = expect(me, CASTOR_EV_LOAD, nr, object, nil)
    waitTurn(ring, entry)
    waitForOwner(ring, entry.value, slack: 0)
    finishEvent(me, ring, entry)
    (value[0], value[1]) = (UInt64(bitPattern: entry.result), entry.hash)
    castor_loads_next(loads).pointee = castor_load_seen(
        address: object, version: entry.version, low: value[0], high: value[1], writes: 0, nr: nr, pad: (0, 0, 0))
    loads.pointee.count &+= 1
    if isLenient { lenientValue(nr, object, value) }
}

@_noLocks private func asLoad(_ seen: castor_load_seen) -> castor_entry {
    var e = attempt(CASTOR_EV_LOAD, seen.nr, seen.address, seen.high)
    e.result = Int64(bitPattern: seen.low)
    return e
}

/// Something other than a load while the log has more repeated ones.
@inline(never) @_noLocks func fewerRepeats(_ me: Thread) {
    let seen = castor_loads_repeated(castor_thread_loads(me))
    diverge(
        CASTOR_DIVERGENCE_EVENT, me, expected: asLoad(seen.pointee), actual: attempt(CASTOR_EV_NONE, 0),
        "fewer loads in a row than were recorded")
}

/// Waits for the region's turn. What it wrote is kept for `__castor_region_output`. A region that faulted is not in the log:
/// the first time one is missing that is assumed; if it ends all the same this is asked again.
@c @implementation @_noLocks
func castor_replay_region(_ object: UInt64) -> UInt32 {
    let me = castor_me()
    let ring = me.pointee.ring.unsafelyUnwrapped
    let region = castor_thread_region(me)
    let e = nextEntry(me)
    if e.pointee.kind != CASTOR_EV_ATOMIC || e.pointee.nr != CASTOR_OP_REGION &* 8, region.pointee.faulted == 0 {
        region.pointee.faulted = 1
        region.pointee.kept = 0
        return CASTOR_NO_SHARD
    }
    let entry = expect(me, CASTOR_EV_ATOMIC, CASTOR_OP_REGION &* 8, object, 0)
    waitTurn(ring, entry)
    region.pointee.kept = UInt64(entry.payload)
    if entry.payload == 0 {
        finishEvent(me, ring, entry)
    } else {
        var reader = PayloadReader(ring, entry)
        reader.take(address(castor_region_bytes(region)), UInt64(CASTOR_REGION_BYTES))
        reader.finish()
        if isTotal { passTotal() }
    }
    return entry.shard
}
