/// Addresses of the recorded program that come back from the log, and what a replay of another build has in their place:
///
/// - what a program gives the kernel to be given back: the data word of an epoll_event, most often a pointer. The order of
///   the epoll sets, which is one order, keeps it right when a word is used again;
/// - guards of static variables, by the call that initialised the variable.
import CTSXGate
import CTSXShim

private typealias Token = (set: UInt64, recorded: UInt64, actual: UInt64)
private let slots: UInt64 = 1 << 20
private let guards: UInt64 = 1 << 33
/// So that a set is never 0.
private let isSet: UInt64 = 1 << 32
private let eventBytes: UInt64 = 12
private let remove: UInt64 = 2  // EPOLL_CTL_DEL

// MARK: - Events of epoll

/// Whether an epoll_ctl hands over an event, which is logged.
@inline(__always) @_noLocks func givesEvent(_ f: Frame) -> Bool {
    f.pointee.nr == UInt64(SYS_epoll_ctl) && f.pointee.a1 & 0xffff_ffff != remove && f.pointee.a3 != 0
}

/// The logged event of an epoll_ctl beside the program's own.
@_noLocks func keepToken(_ f: Frame, _ at: UInt64, _ reader: inout PayloadReader) {
    if !isLenient { return reader.take(0, eventBytes) }
    var event: (UInt32, UInt32, UInt32) = (0, 0, 0)
    guard reader.left >= eventBytes else { return }
    withUnsafeMutablePointer(to: &event) { reader.take(address($0), eventBytes) }
    keep(f.pointee.a0 & 0xffff_ffff | isSet, UInt64(event.1) | UInt64(event.2) << 32, word(at &+ 4))
}

/// Puts the program's own words into the events that a wait brings.
@_noLocks func exchangeTokens(_ f: Frame) {
    let nr = Int32(truncatingIfNeeded: f.pointee.nr)
    guard nr == SYS_epoll_wait || nr == SYS_epoll_pwait || nr == SYS_epoll_pwait2, f.pointee.result > 0 else { return }
    var i: UInt64 = 0
    while i < UInt64(f.pointee.result) {
        let at = f.pointee.a1 &+ i &* eventBytes &+ 4
        if let actual = kept(f.pointee.a0 & 0xffff_ffff | isSet, word(at)) {
            halves(at)[0] = UInt32(truncatingIfNeeded: actual)
            halves(at)[1] = UInt32(truncatingIfNeeded: actual >> 32)
        }
        i &+= 1
    }
}

@_noLocks private func word(_ at: UInt64) -> UInt64 { UInt64(halves(at)[0]) | UInt64(halves(at)[1]) << 32 }

// MARK: - Guards

/// Whether a recorded look at a guard is this one. Who initialises comes first in the order, so looks know it.
@_noLocks func isSameGuard(_ me: Thread, _ e: Entry, _ actual: UInt64) -> Bool {
    if e.pointee.object == actual { return true }
    if e.pointee.result != 0 {
        if castor_load32(halves(actual)) != 0 { return false }  // another thread is at it, or was
        keep(guards, e.pointee.object, actual)
        return true
    }
    waitTurn(me.pointee.ring.unsafelyUnwrapped, e.pointee)
    return kept(guards, e.pointee.object) == actual
}

// MARK: - The table

@_noLocks private func keep(_ set: UInt64, _ recorded: UInt64, _ actual: UInt64) {
    lockHeap()
    if let slot = slot(set, recorded) { slot.pointee = (set, recorded, actual) }
    unlockHeap()
}
@_noLocks private func kept(_ set: UInt64, _ recorded: UInt64) -> UInt64? {
    lockHeap()
    defer { unlockHeap() }
    guard let slot = slot(set, recorded), slot.pointee.set != 0 else { return nil }
    return slot.pointee.actual
}

/// The token's place, or the free one where it belongs; nil when there is no room.
@_noLocks private func slot(_ set: UInt64, _ recorded: UInt64) -> UnsafeMutablePointer<Token>? {
    if process.pointee.tokens == 0 {
        let r = kernel(SYS_mmap, 0, slots &* UInt64(MemoryLayout<Token>.stride), 3, 0x4022, UInt64.max, 0)  // MAP_NORESERVE
        if r < 0 { return nil }
        process.pointee.tokens = UInt64(r)
    }
    let table = memory(process.pointee.tokens).assumingMemoryBound(to: Token.self)
    let hash = (recorded ^ set << 48) &* 0x9e37_79b9_7f4a_7c15
    var i: UInt64 = 0
    while i < slots {
        let slot = table + Int((hash >> 40 &+ i) & (slots &- 1))
        if slot.pointee.set == 0 || (slot.pointee.set == set && slot.pointee.recorded == recorded) { return slot }
        i &+= 1
    }
    return nil
}
