/// Signals. Asynchronous ones are delivered at event boundaries, where replay can deliver them again; one that
/// interrupts a blocking call is delivered at once. Faults happen by themselves. The kernel delivers everything to
/// castor_signal_entry; the program's own view of its dispositions is kept in castor_tables.
import CTSXGate
import CTSXShim

private let sigsys: UInt64 = 31
private let sigsysBit: UInt64 = 1 << 30
private let flagInfo: UInt64 = 4
private let flagRestorer: UInt64 = 0x0400_0000
private let flagOnStack: UInt64 = 0x0800_0000
let flagDiscardChildren: UInt64 = 2  // SA_NOCLDWAIT
let childSignal: UInt64 = 17
private let flagReset: UInt64 = 0x8000_0000

@inline(__always) @_noLocks private func isFault(_ signal: UInt64) -> Bool {
    signal == 11 || signal == 7 || signal == 8 || signal == 4 || signal == 5
}

/// SIGCHLD, SIGCONT, SIGURG, SIGWINCH
@inline(__always) @_noLocks private func isIgnoredByDefault(_ signal: UInt64) -> Bool {
    signal == childSignal || signal == 18 || signal == 23 || signal == 28
}
/// SIGTSTP, SIGTTIN, SIGTTOU
@inline(__always) @_noLocks private func isStopByDefault(_ signal: UInt64) -> Bool { signal >= 20 && signal <= 22 }
/// The whole process, until it is continued.
@_noLocks private func stop(_ signal: UInt64) { kernel(SYS_tgkill, UInt64(process.pointee.pid), UInt64(castor_me().pointee.tid), 19) }

// MARK: - Dispositions and masks: the same in recording and replay

/// rt_sigaction: the program's action is kept, the kernel gets ours. SIGSYS belongs to the runtime.
@_noLocks func signalAction(_ f: Frame) -> Int64 {
    let signal = f.pointee.a0 & 0xffff_ffff
    if signal == 0 || signal > 64 || f.pointee.a3 != 8 { return -22 }
    if signal == UInt64(CASTOR_SIGCANCEL) { return 0 }  // libc's, answered by castor_cancel_self
    let kept = castor_action_at(signal)
    let before = kept.pointee
    if f.pointee.a1 != 0 {
        if signal == 9 || signal == 19 { return -22 }
        let wanted = memory(f.pointee.a1).assumingMemoryBound(to: castor_action.self).pointee
        if signal != sigsys {
            var ours = wanted
            ours.mask &= ~sigsysBit
            if signal == childSignal, isReplaying, !isStandby { ours.flags |= flagDiscardChildren }
            if wanted.handler > 1 || (wanted.handler == 0 && isFault(signal)) {
                ours.handler = castor_signal_entry_address()
                ours.flags = (ours.flags | flagInfo | flagRestorer) & ~flagReset  // castor_signal_entry resets it
                ours.restorer = castor_restorer_address()
                if wanted.handler == 0 { ours.flags |= flagOnStack }
            }
            // A signal may come at any moment, and what the kernel delivers to us must find its handler: a new one is
            // there before the kernel knows, an old one until the kernel has forgotten it.
            if wanted.handler > 1 { kept.pointee = wanted }
            let r = withUnsafeMutablePointer(to: &ours) { kernel(SYS_rt_sigaction, signal, address($0), 0, 8) }
            if r < 0 {
                kept.pointee = before
                return r
            }
        }
        kept.pointee = wanted
    }
    if f.pointee.a2 != 0 {
        let answer = memory(f.pointee.a2).assumingMemoryBound(to: castor_action.self)
        answer.pointee = before
        if f.pointee.a1 == 0, before.handler == 0, isRustAsking(signal) { answer.pointee.handler = 1 }
    }
    return 0
}

/// The first question of a Rust program about what happens at a bad address is its library's, before any thread is made.
/// The answer is that the signal is ignored, which for a fault means nothing; later answers are true.
@_noLocks private func isRustAsking(_ signal: UInt64) -> Bool {
    let bit = UInt32(1) << UInt32(truncatingIfNeeded: signal)
    guard signal == 11 || signal == 7, process.pointee.asked & bit == 0, process.pointee.multithreaded == 0 else {
        return false
    }
    process.pointee.asked |= bit
    return castor_is_rust() != 0
}

/// Dispositions and masks are events: a signal that arrives before one changes is handled before. Not so what libc
/// does for itself: in pthread_create, and in the first pthread_cancel of any thread.
@_noLocks func isSignalEvent(_ me: Thread, _ f: Frame) -> Bool {
    if me.pointee.creating != 0 { return false }
    return f.pointee.nr == UInt64(SYS_rt_sigprocmask)
        || (f.pointee.nr == UInt64(SYS_rt_sigaction) && f.pointee.a0 & 0xffff_ffff != UInt64(CASTOR_SIGCANCEL))
}

/// rt_sigprocmask outside recording, and on replay: with SIGSYS never blocked.
@_noLocks func signalMask(_ f: Frame) -> Int64 {
    f.pointee.saved_index = 7
    stripMask(f)
    let r = kernel(SYS_rt_sigprocmask, f.pointee.a0, f.pointee.a1, f.pointee.a2, f.pointee.a3)
    restoreEdited(f)
    return r
}

/// Calls that wait with a mask of their own must not block SIGSYS either.
@_noLocks func stripMask(_ f: Frame) {
    let index: Int
    switch Int32(truncatingIfNeeded: f.pointee.nr) {
    case SYS_ppoll: index = 3
    case SYS_epoll_pwait, SYS_epoll_pwait2: index = 4
    case SYS_rt_sigsuspend: index = 0
    case SYS_rt_sigprocmask:
        if f.pointee.a0 == 1 { return }  // SIG_UNBLOCK
        index = 1
    case SYS_pselect6:
        let pair = f.pointee.a5  // {sigset pointer, its size}
        if pair != 0, words(pair)[0] != 0, words(words(pair)[0])[0] & sigsysBit != 0 {
            scratch(f)[4] = words(words(pair)[0])[0] & ~sigsysBit
            scratch(f)[2] = address(scratch(f) + 4)
            scratch(f)[3] = words(pair)[1]
            edit(f, 5, address(scratch(f) + 2))
        }
        return
    default: return
    }
    let at = argument(f, index)
    if at != 0, words(at)[0] & sigsysBit != 0 {
        scratch(f)[2] = words(at)[0] & ~sigsysBit
        edit(f, index, address(scratch(f) + 2))
    }
}
/// Changes an argument for the kernel; the gate's exit puts it back.
@_noLocks func edit(_ f: Frame, _ index: Int, _ value: UInt64) {
    if f.pointee.saved_index != UInt64(index) {
        f.pointee.saved_index = UInt64(index)
        f.pointee.saved_value = argument(f, index)
    }
    words(address(f) &+ 16)[index] = value
}

/// Calls whose output may lie where their input was: the input is hashed after the call, so it is kept.
@_noLocks func keepInput(_ f: Frame) {
    let (index, size): (Int, UInt64)
    switch Int32(truncatingIfNeeded: f.pointee.nr) {
    case SYS_rt_sigprocmask: (index, size) = (1, 8)
    case SYS_rt_sigaction: (index, size) = (1, 32)
    default: return
    }
    let at = argument(f, index)
    if at == 0 || (at != argument(f, index &+ 1) && f.pointee.nr != UInt64(SYS_rt_sigprocmask)) { return }
    castor_copy(scratch(f) + 5, memory(at), size)
    edit(f, index, address(scratch(f) + 5))
}
/// For the time of hashing; false when the call was none of those.
@inline(__always) @_noLocks func useKeptInput(_ f: Frame) -> Bool {
    guard f.pointee.nr == UInt64(SYS_rt_sigprocmask) else { return false }
    words(address(f) &+ 16)[Int(f.pointee.saved_index)] = address(scratch(f) + 5)
    return true
}
@inline(__always) @_noLocks func restoreEdited(_ f: Frame) {
    if f.pointee.saved_index < 6 { words(address(f) &+ 16)[Int(f.pointee.saved_index)] = f.pointee.saved_value }
    f.pointee.saved_index = 7
}

// MARK: - Arrival

@c @implementation @_noLocks
func castor_signal_arrived(_ signal: Int32, _ info: UnsafeRawPointer, _ at: UInt64, _ inWindow: UInt64, _ ip: UInt64)
    -> Int32
{
    let me = castor_me()
    let number = UInt64(signal)
    let code = info.load(fromByteOffset: 8, as: Int32.self)
    let handler = castor_action_at(number).pointee.handler
    if isFault(number), code > 0 {
        if let ring = me.pointee.ring { leaveByFault(me, ring) }
        if handler > 1 { return CASTOR_SIGNAL_HANDLED }
        fault(me, number, at, ip)
        if number == 5, !isBreakpoint(code, ip) { die(number) }
        return CASTOR_SIGNAL_FATAL
    }
    if handler == 1 { return CASTOR_SIGNAL_DROPPED }
    if handler == 0 {  // SIGSYS, or another thread has just taken the handler away: what the kernel would do
        if !isIgnoredByDefault(number) { isStopByDefault(number) ? stop(number) : die(number) }
        return CASTOR_SIGNAL_DROPPED
    }
    // A child of vfork borrows this thread; its clocks only look so.
    if castor_mode_now() == CASTOR_MODE_OFF || (me.pointee.vforked != 0 && me.pointee.vfork_depth != 0) {
        return CASTOR_SIGNAL_HANDLED
    }
    if code == -1, info.load(fromByteOffset: 24, as: UInt64.self) == UInt64(CASTOR_REMINDER) {
        return takesReminder(me, inWindow, ip) ? CASTOR_SIGNAL_OVERDUE : CASTOR_SIGNAL_DROPPED
    }
    let isRaised =
        UInt64(me.pointee.delivering) == number && code == -1
        && info.load(fromByteOffset: 24, as: UInt64.self) == CASTOR_RAISED
    if isReplaying, !isRaised { return CASTOR_SIGNAL_DROPPED }  // from outside the recording
    guard isRaised || (inWindow != 0 && !forks(me)), let ring = me.pointee.ring else { return CASTOR_SIGNAL_DEFERRED }
    if isRaised {
        me.pointee.delivering = 0
        if let original = me.pointee.info { castor_copy(memory(address(info)), original, 128) }
        if isReplaying { return CASTOR_SIGNAL_HANDLED }
    }
    castor_signal_due()
    ring.pointee.waiting = CASTOR_RUNNING
    guard ring.makeRoom() else { return CASTOR_SIGNAL_HANDLED }
    let e = ring.next
    e.pointee = attempt(CASTOR_EV_SIGNAL, UInt16(truncatingIfNeeded: number))
    e.pointee.shard = CASTOR_SHARD_PROCESS  // after the call that sent it
    e.pointee.version = takeVersion(CASTOR_SHARD_PROCESS)
    e.pointee.stamp = castor_rdtsc()
    e.pointee.payload = 128
    e.pointee.flags = me.pointee.overdue != 0 ? CASTOR_INTERNAL | CASTOR_OVERDUE : CASTOR_INTERNAL
    var writer = PayloadWriter(ring)
    writer.put(address(info), 128)
    writer.finish()
    return CASTOR_SIGNAL_HANDLED
}

/// Whether the thread is in code of the program, where handlers may run that no event boundary has let in. Replay: in
/// the same computation, as far as the log knows.
@_noLocks private func takesReminder(_ me: Thread, _ inWindow: UInt64, _ ip: UInt64) -> Bool {
    let p = process
    guard let ring = me.pointee.ring, inWindow == 0, !(ip >= p.pointee.libc_start && ip < p.pointee.libc_end),
        !(ip >= p.pointee.loader_start && ip < p.pointee.loader_end),
        !(ip >= p.pointee.runtime_start && ip < p.pointee.runtime_end), me.pointee.delivering == 0
    else { return false }
    if isRecording { return me.pointee.pending_signals != 0 }
    let head = castor_load(castor_ring_head(ring))
    guard castor_load(castor_ring_tail(ring)) > head, ownedBy(me).pointee.left == 0 else { return false }
    let e = castor_slot(ring, head)
    return e.pointee.kind == CASTOR_EV_SIGNAL && e.pointee.flags & CASTOR_OVERDUE != 0
}

/// A fork is not interrupted: a signal that comes in it may be its child's, which replay makes only afterwards.
@_noLocks private func forks(_ me: Thread) -> Bool {
    guard let frame = me.pointee.frame else { return false }
    return castor_syscall_row_at(frame.pointee.nr).pointee.replay == CASTOR_REPLAY_THREAD
}

/// The events of a handler follow the ordering point of the call that it interrupts.
@c @implementation @_noLocks
func castor_signal_due() {
    let me = castor_me()
    if let frame = me.pointee.frame { recordBegin(me, frame) }
    me.pointee.frame = nil
}

@c @implementation @_noLocks
func castor_signal_returned(_ frame: Frame?) { castor_me().pointee.frame = frame }

@c @implementation @_noLocks
func castor_next_is_signal() -> Int32 { nextIsSignal(castor_me()) ? 1 : 0 }

@c @implementation @_noLocks
func castor_take_recorded(_ info: UnsafeMutableRawPointer) -> UInt32 {
    let me = castor_me()
    let ring = me.pointee.ring.unsafelyUnwrapped
    let e = ring.peek()
    guard e.pointee.kind == CASTOR_EV_SIGNAL else { return 0 }
    let entry = e.pointee
    waitTurn(ring, entry)
    var reader = PayloadReader(ring, entry)
    reader.take(address(info), 128)
    reader.finish()
    if isTotal { passTotal() }
    passTurn(entry.shard)
    return UInt32(entry.nr)
}

// MARK: - Faults

/// A fault that the program does not handle: the last event of its stream, then the kernel's default action on the
/// same instruction.
@_noLocks private func fault(_ me: Thread, _ signal: UInt64, _ at: UInt64, _ ip: UInt64) {
    if isRecording, me.pointee.vforked == 0 { leaveDeathToFirst(me) }
    if let ring = me.pointee.ring, isRecording, me.pointee.vforked == 0, ring.makeRoom() {
        let e = ring.next
        e.pointee = attempt(CASTOR_EV_FATAL, UInt16(truncatingIfNeeded: signal), at, 0, ip)
        e.pointee.stamp = castor_rdtsc()
        ring.publishEvent()
    }
    if let ring = me.pointee.ring, isReplaying, me.pointee.vforked == 0 {
        while isLenient, passesOutput(me, ring.peek()) {}
        let e = ring.peek()
        if e.pointee.kind == CASTOR_EV_END { park(me) }  // the recording ended before this thread came so far
        if e.pointee.kind != CASTOR_EV_FATAL || UInt64(e.pointee.nr) != signal {
            diverge(
                CASTOR_DIVERGENCE_EVENT, me, expected: e.pointee,
                actual: attempt(CASTOR_EV_FATAL, UInt16(truncatingIfNeeded: signal), at, 0, ip),
                "a fault that was not recorded")
        }
        waitForOthers(me)
        markFinished()
        castor_fault_reached()
    }
}

/// A trap comes after its instruction, so that returning would go on behind it. The one that can be tried again is int3,
/// for which the kernel's code is SI_KERNEL; the others are of debuggers and single steps.
@_noLocks private func isBreakpoint(_ code: Int32, _ ip: UInt64) -> Bool {
    code == 0x80 && memory(ip &- 1).load(as: UInt8.self) == 0xcc
}

/// When several threads fault at once, the one that the log names is the one that the process dies of: the others wait for
/// the kernel to end them, and their streams end before their faults. The first gives those a moment to come here that have
/// faulted and are still in the kernel: once it dies there, the kernel runs no handler for them, and might end the process
/// by one of theirs. A child that was forked has a claim of its own. Should the first be saved after all, by a handler that
/// another thread installs, nobody waits for ever.
@_noLocks private func leaveDeathToFirst(_ me: Thread) {
    let claim = castor_process_dying(process)
    let before = castor_load32(claim)
    let isFirst = before != me.pointee.pid && castor_cas32(claim, before, me.pointee.pid) != 0
    sleepOn(address(claim), me.pointee.pid, milliseconds: isFirst ? 10 : 1000)
}
