/// The symbol plane: pthread synchronisation and ordered calls, recorded and replayed. The wrappers (C) own the
/// frames on the stack while a call blocks; these functions run before and after it.
import CTSXGate
import CTSXShim

@c @implementation @_noLocks
func castor_symbol_record(_ id: UInt16, _ object: UInt64, _ result: Int64, _ value: UInt64, _ ordered: Int32) {
    guard isRecording, let ring = castor_me().pointee.ring else { return }
    let at = shard(ofSymbol: id, object)
    guard ring.makeRoom(small: 16 &+ (result != 0 ? 8 : 0) &+ (value != 0 ? 8 : 0)) else { return }
    let version = ordered != 0 ? takeVersion(amongOthers: at) : 0  // a program with one thread has no such events
    if !ring.stampIsDue, version >> 32 == 0 {
        return castor_pack(
            ring, CASTOR_SMALL_SYMBOL | id, ordered != 0 ? at : CASTOR_NO_SHARD, version, object, UInt64(bitPattern: result), 0, value)
    }
    var e = attempt(CASTOR_EV_SYMBOL, id, object, 0, value)
    if ordered != 0 { (e.shard, e.version) = (at, version) }
    e.result = result
    ring.publishStamped(&e)
}

@c @implementation @_noLocks
func castor_symbol_replay(_ turn: UnsafeMutablePointer<castor_turn>, _ id: UInt16, _ object: UInt64) {
    let me = castor_me()
    guard let entry = replay(me, turn, id, object) else { return }
    finishEvent(me, me.pointee.ring.unsafelyUnwrapped, entry)
}

/// Waits for the turn of a recorded call, whose event is not finished yet; nil when there is none.
@inline(__always) @_noLocks private func replay(_ me: Thread, _ turn: UnsafeMutablePointer<castor_turn>, _ id: UInt16, _ object: UInt64)
    -> castor_entry?
{
    var e = nextEntry(me, CASTOR_EV_SYMBOL, id)
    let none = castor_turn(result: 0, value: 0, shard: CASTOR_NO_SHARD, id: id, is_open: 0, object: object)
    if isLenient {
        guard let counterpart = lenientSymbol(me, id, object, e) else {
            turn.pointee = none
            return nil
        }
        e = counterpart
    }
    if e.pointee.kind != CASTOR_EV_SYMBOL || e.pointee.nr != id {
        if isExtraPoll(me, e, id, object) {
            turn.pointee = none
            return nil
        }
        diverge(
            CASTOR_DIVERGENCE_EVENT, me, expected: e.pointee, actual: attempt(CASTOR_EV_SYMBOL, id, object), "event")
    }
    if isOther(e.pointee.object, object) {
        diverge(
            CASTOR_DIVERGENCE_ARGUMENT, me, expected: e.pointee, actual: attempt(CASTOR_EV_SYMBOL, id, object),
            "address")
    }
    let entry = e.pointee
    turn.pointee = castor_turn(
        result: entry.result, value: entry.value, shard: entry.shard, id: id, is_open: 0, object: object)
    waitTurn(me.pointee.ring.unsafelyUnwrapped, entry)
    return entry
}

@c @implementation @_noLocks
func castor_symbol_replayed(_ turn: UnsafeMutablePointer<castor_turn>) {
    passTurn(turn.pointee.shard)
}

@c @implementation @_noLocks
func castor_symbol_acquire(_ turn: UnsafeMutablePointer<castor_turn>, _ id: UInt16, _ object: UInt64) {
    let me = castor_me()
    guard let entry = replay(me, turn, id, object) else { return }
    if isStandby { turn.pointee.is_open = 1 } else { finishEvent(me, me.pointee.ring.unsafelyUnwrapped, entry) }
}

@c @implementation @_noLocks
func castor_symbol_acquired(_ turn: UnsafeMutablePointer<castor_turn>) {
    if turn.pointee.is_open != 0, !closes(turn) { return }
    passTurn(turn.pointee.shard)
}

/// Whether the event was done. Not when the standby went live while this thread waited for the lock: who had it unlocked it live, by
/// a way that is not in the log, and so nothing that came after it is.
@inline(never) @_noLocks private func closes(_ turn: UnsafeMutablePointer<castor_turn>) -> Bool {
    if castor_load32(castor_segment_live(segment)) == 0 {
        let me = castor_me()
        let ring = me.pointee.ring.unsafelyUnwrapped
        finishEvent(me, ring, ring.peek().pointee)
        return true
    }
    _ = castor_goes_live()
    castor_symbol_record(
        turn.pointee.id, turn.pointee.object, turn.pointee.result, turn.pointee.value, turn.pointee.shard != CASTOR_NO_SHARD ? 1 : 0)
    return false
}

@c @implementation @_noLocks
func castor_blocked(_ blocked: Int32) { blockedInReal(castor_me(), blocked != 0) }

@c @implementation @_noLocks
func castor_next_is(_ id: UInt16) -> Int32 {
    let me = castor_me()
    var e = nextEntry(me)
    while isLenient, e.pointee.kind != CASTOR_EV_SYMBOL || e.pointee.nr != id, passesOutput(me, e) { e = nextEntry(me) }
    return e.pointee.kind == CASTOR_EV_SYMBOL && e.pointee.nr == id ? 1 : 0
}

@c @implementation @_noLocks
func castor_next_guard(_ guardAddress: UInt64) -> Int32 {
    let me = castor_me()
    while true {
        castor_settle()
        let e = nextEntry(me)
        guard e.pointee.kind == CASTOR_EV_SYMBOL, e.pointee.nr == CASTOR_SYM_cxa_guard else { return 0 }
        if isLenient ? isSameGuard(me, e, guardAddress) : e.pointee.object == guardAddress { return 1 }
        if e.pointee.result != 0 { return 0 }
        passReadyGuard(me, e)
    }
}

@c @implementation @_noLocks
func castor_next_result() -> Int64 { nextEntry(castor_me()).pointee.result }

@inline(__always) @_noLocks private func shard(ofSymbol id: UInt16, _ object: UInt64) -> UInt32 {
    if id >= CASTOR_SYM_malloc_refill && id <= CASTOR_SYM_free_large { return CASTOR_SHARD_HEAP }
    return isShared(id, object) ? CASTOR_SHARD_SHARED : shard(of: object)
}

/// Whether the object may lie at other addresses too, in other processes or mappings (PTHREAD_PROCESS_SHARED): glibc
/// notes it in a mutex' kind, in a lock's `__shared`, in a semaphore's `private`.
@inline(__always) @_noLocks private func isShared(_ id: UInt16, _ object: UInt64) -> Bool {
    if id > CASTOR_SYM_sem_getvalue { return false }
    if id <= CASTOR_SYM_pthread_cond_clockwait { return halves(object)[4] & 128 != 0 }
    if id <= CASTOR_SYM_pthread_rwlock_clockwrlock { return halves(object)[7] & 0xff != 0 }
    return id >= CASTOR_SYM_sem_wait && halves(object)[2] != 0
}
