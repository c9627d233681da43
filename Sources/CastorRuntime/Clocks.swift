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
    guard ring.makeRoom() else { return Int32(truncatingIfNeeded: result) }
    let e = ring.next
    e.pointee.kind = CASTOR_EV_CLOCK
    e.pointee.nr = UInt16(truncatingIfNeeded: nr)
    e.pointee.shard = CASTOR_NO_SHARD
    e.pointee.version = 0
    e.pointee.stamp = hintOfTime(ring)
    e.pointee.result = result
    e.pointee.object = object(nr, a0)
    e.pointee.hash = 0
    e.pointee.value = 0
    if result >= 0 { take(nr, a0, a1, e) }
    e.pointee.payload = 0
    e.pointee.flags = 0
    ring.publishEvent()
    return Int32(truncatingIfNeeded: result)
}

@_noLocks private func replay(_ me: Thread, _ ring: Ring, _ nr: UInt32, _ a0: UInt64, _ a1: UInt64) -> Int32 {
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

/// From the program's memory into the entry.
@inline(__always) @_noLocks private func take(_ nr: UInt32, _ a0: UInt64, _ a1: UInt64, _ e: Entry) {
    switch Int32(nr) {
    case SYS_clock_gettime, SYS_clock_getres:
        if a1 != 0 { (e.pointee.value, e.pointee.hash) = (words(a1)[0], words(a1)[1]) }
    case SYS_gettimeofday:
        if a0 != 0 { (e.pointee.value, e.pointee.hash) = (words(a0)[0], words(a0)[1]) }
    case SYS_getcpu:
        if a0 != 0 { e.pointee.value = UInt64(halves(a0)[0]) }
        if a1 != 0 { e.pointee.hash = UInt64(halves(a1)[0]) }
    default: e.pointee.value = words(a1)[0]
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
