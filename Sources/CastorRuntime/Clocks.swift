/// The vDSO's clocks: called millions of times a second, so their event carries the values in its one line.
import CTSXGate
import CTSXShim

/// `nr` is the system call that the vDSO function stands for. For time(), `a1` receives the value.
@c @implementation @_noLocks
func castor_clock(_ nr: UInt32, _ a0: UInt64, _ a1: UInt64) -> Int32 {
    let me = castor_me()
    guard castor_mode_now() != CASTOR_MODE_OFF, let ring = me.pointee.ring, me.pointee.vforked == 0 else {
        return Int32(truncatingIfNeeded: real(nr, a0, a1))
    }
    if isReplaying { return replay(me, ring, nr, a0, a1) }
    me.pointee.vforked = 1  // a system call that the vDSO falls back to is part of this event
    let result = real(nr, a0, a1)
    me.pointee.vforked = 0
    guard ring.makeRoom(small: result == 0 ? 32 : 40) else { return Int32(truncatingIfNeeded: result) }
    let (value, hash) = result >= 0 ? taken(nr, a0, a1) : (0, 0)
    if ring.stampIsDue {
        var e = attempt(CASTOR_EV_CLOCK, UInt16(truncatingIfNeeded: nr), object(nr, a0), hash, value)
        e.result = result
        ring.publishStamped(&e)
    } else {
        castor_pack(
            ring, CASTOR_SMALL_CLOCK | UInt16(truncatingIfNeeded: nr), CASTOR_NO_SHARD, 0, object(nr, a0),
            UInt64(bitPattern: result), hash, value)
    }
    return Int32(truncatingIfNeeded: result)
}

@_noLocks private func replay(_ me: Thread, _ ring: Ring, _ nr: UInt32, _ a0: UInt64, _ a1: UInt64) -> Int32 {
    if !replays(me) { return castor_clock(nr, a0, a1) }
    let e = nextEntry(me, CASTOR_EV_CLOCK, UInt16(truncatingIfNeeded: nr))
    let object = object(nr, a0)
    if e.pointee.kind != CASTOR_EV_CLOCK || UInt32(e.pointee.nr) != nr {
        diverge(
            CASTOR_DIVERGENCE_EVENT, me, expected: e.pointee,
            actual: attempt(CASTOR_EV_CLOCK, UInt16(truncatingIfNeeded: nr), object), "event")
    }
    if e.pointee.object != object {
        diverge(
            CASTOR_DIVERGENCE_ARGUMENT, me, expected: e.pointee,
            actual: attempt(CASTOR_EV_CLOCK, UInt16(truncatingIfNeeded: nr), object), "clock")
    }
    let entry = e.pointee
    waitTurn(ring, entry)
    if entry.result >= 0 { give(nr, a0, a1, entry) }
    finishEvent(me, ring, entry)
    return Int32(truncatingIfNeeded: entry.result)
}

@inline(__always) @_noLocks private func object(_ nr: UInt32, _ a0: UInt64) -> UInt64 {
    nr == UInt32(SYS_clock_gettime) || nr == UInt32(SYS_clock_getres) ? clockWithoutId(a0) : 0
}

/// The clock of a process or thread has its id in the upper bits: it only names.
@inline(__always) @_noLocks func clockWithoutId(_ clock: UInt64) -> UInt64 {
    clock & 0x8000_0000 == 0 ? clock : clock & 7 | 0xffff_fff8
}

@_noLocks private func real(_ nr: UInt32, _ a0: UInt64, _ a1: UInt64) -> Int64 {
    let p = process
    switch Int32(nr) {
    case SYS_clock_gettime: return castor_call2(p.pointee.vdso_clock_gettime, a0, a1)
    case SYS_gettimeofday: return castor_call2(p.pointee.vdso_gettimeofday, a0, a1)
    case SYS_clock_getres: return castor_call2(p.pointee.vdso_clock_getres, a0, a1)
    case SYS_getcpu: return castor_call2(p.pointee.vdso_getcpu, a0, a1)
    default:
        words(a1)[0] = UInt64(bitPattern: castor_call2(p.pointee.vdso_time, 0, 0))
        return 0
    }
}

/// What is in the program's memory, for the entry's value and hash.
@inline(__always) @_noLocks private func taken(_ nr: UInt32, _ a0: UInt64, _ a1: UInt64) -> (UInt64, UInt64) {
    switch Int32(nr) {
    case SYS_clock_gettime, SYS_clock_getres: return a1 != 0 ? (words(a1)[0], words(a1)[1]) : (0, 0)
    case SYS_gettimeofday: return a0 != 0 ? (words(a0)[0], words(a0)[1]) : (0, 0)
    case SYS_getcpu: return (a0 != 0 ? UInt64(halves(a0)[0]) : 0, a1 != 0 ? UInt64(halves(a1)[0]) : 0)
    default: return (words(a1)[0], 0)
    }
}

/// From the entry into the program's memory.
@inline(__always) @_noLocks private func give(_ nr: UInt32, _ a0: UInt64, _ a1: UInt64, _ e: castor_entry) {
    switch Int32(nr) {
    case SYS_clock_gettime, SYS_clock_getres:
        if a1 != 0 { (words(a1)[0], words(a1)[1]) = (e.value, e.hash) }
    case SYS_gettimeofday:
        if a0 != 0 { (words(a0)[0], words(a0)[1]) = (e.value, e.hash) }
        if a1 != 0 { words(a1)[0] = 0 }  // struct timezone: always zero on Linux with vDSO clocks
    case SYS_getcpu:
        if a0 != 0 { halves(a0)[0] = UInt32(truncatingIfNeeded: e.value) }
        if a1 != 0 { halves(a1)[0] = UInt32(truncatingIfNeeded: e.hash) }
    default: words(a1)[0] = e.value
    }
}
