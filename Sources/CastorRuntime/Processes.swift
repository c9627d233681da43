/// The calls that begin and end threads and processes, and those that the gate has to help along in every mode.
import CTSXGate
import CTSXShim

private let cloneVM: UInt64 = 0x100
private let cloneVfork: UInt64 = 0x4000
private let cloneThread: UInt64 = 0x10000
private let cloneTLS: UInt64 = 0x80000

/// `castor_frame.flags`: see Syscalls.swift.
private let silent: UInt32 = 1
private let forks: UInt32 = 2
private let vforks: UInt32 = 4
private let threads: UInt32 = 8
/// Signals are blocked until both sides of the fork have begun.
private let masked: UInt32 = 16

@inline(__always) @_noLocks private func cloneFlags(_ f: Frame) -> UInt64 {
    f.pointee.nr == UInt64(SYS_clone3) ? words(f.pointee.a0)[0] : f.pointee.a0
}

/// Calls outside recording and replay, and those that run alike in both: only what the gate needs is done.
@_noLocks func pass(_ me: Thread, _ f: Frame) -> Int32 {
    switch Int32(truncatingIfNeeded: f.pointee.nr) {
    case SYS_rt_sigreturn: return CASTOR_SIGRETURN
    case SYS_rt_sigaction:
        f.pointee.result = signalAction(f)
        return CASTOR_DONE
    case SYS_rt_sigprocmask:
        f.pointee.result = signalMask(f)
        return CASTOR_DONE
    case SYS_clone, SYS_clone3: return cloneMechanics(f)
    case SYS_vfork: return CASTOR_VFORK
    case SYS_fork:
        f.pointee.flags |= forks
        return CASTOR_EXECUTE
    case SYS_ppoll, SYS_epoll_pwait, SYS_epoll_pwait2, SYS_rt_sigsuspend, SYS_pselect6:
        stripMask(f)
        return CASTOR_EXECUTE
    default: break
    }
    if castor_syscall_row_at(f.pointee.nr).pointee.replay == CASTOR_REPLAY_NEVER {
        f.pointee.result = Errno.noSystemCall
        return CASTOR_DONE
    }
    return CASTOR_PASS
}

/// A child on a new stack comes back through the gate by four words at its stack's top. `stream` is the one that a
/// new thread is to attach to, when it is not pthread_create's.
@_noLocks private func cloneMechanics(_ f: Frame, stream: UInt32? = nil, borrows: Bool = false) -> Int32 {
    if f.pointee.nr == UInt64(SYS_clone3) {
        let args = words(f.pointee.a0)  // flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, …
        if args[5] != 0 {
            let top = args[5] &+ args[6] &- 32
            fillTop(f, top, stream, borrows)
            castor_copy(scratch(f), args, min(f.pointee.a1, 72))
            if f.pointee.a1 > 72 {  // set_tid and cgroup: pass the original, whose stack size is cut for the call
                args[6] &-= 32
                return CASTOR_CLONE
            }
            scratch(f)[6] &-= 32
            edit(f, 0, address(scratch(f)))
            f.pointee.saved_index = 0
            return CASTOR_CLONE
        }
        if args[0] & cloneVM != 0 { return CASTOR_VFORK }
    } else {
        if f.pointee.a1 != 0 {
            let top = f.pointee.a1 &- 32
            fillTop(f, top, stream, borrows)
            edit(f, 1, top)
            return CASTOR_CLONE
        }
        if f.pointee.a0 & cloneVM != 0 { return CASTOR_VFORK }
    }
    f.pointee.flags |= forks
    return CASTOR_EXECUTE
}

@_noLocks private func fillTop(_ f: Frame, _ top: UInt64, _ stream: UInt32?, _ borrows: Bool) {
    words(top)[0] = f.pointee.return_address
    words(top)[1] = f.pointee.a0
    words(top)[2] = stream.map { UInt64($0) &+ 1 } ?? 0
    words(top)[3] = UInt64(castor_me().pointee.stream) | (borrows ? 1 << 32 : 0)
}

let vforkMark = vforks
@_noLocks func vforkMechanics(_ f: Frame, stream: UInt32) -> Int32 {
    f.pointee.nr == UInt64(SYS_vfork) ? CASTOR_VFORK : cloneMechanics(f, stream: stream, borrows: true)
}

/// A thread that did not come from our pthread_create: from a library that found libc's own, or from clone() itself.
@_noLocks private func makeThread(_ me: Thread, _ f: Frame, stream: UInt32) -> Int32 {
    process.pointee.multithreaded = 1
    me.pointee.ordered = 1
    _ = castor_fetch_add32(liveWord, 1)
    scratch(f)[9] = UInt64(stream)
    f.pointee.flags |= threads
    return cloneMechanics(f, stream: stream)
}

// MARK: - Recording

@_noLocks func recordThread(_ me: Thread, _ f: Frame, _ row: Row) -> Int32 {
    let ring = me.pointee.ring.unsafelyUnwrapped
    switch Int32(truncatingIfNeeded: f.pointee.nr) {
    case SYS_exit_group:  // never returns: its entry is published as begun
        ring.publishEvent()
        return CASTOR_PASS
    case SYS_clone, SYS_clone3, SYS_fork, SYS_vfork: return recordFork(me, f, row)
    case SYS_execve, SYS_execveat: return recordExec(me, f)
    default: return CASTOR_EXECUTE
    }
}

@_noLocks private func recordFork(_ me: Thread, _ f: Frame, _ row: Row) -> Int32 {
    let isVfork = f.pointee.nr == UInt64(SYS_vfork)
    let flags = f.pointee.nr == UInt64(SYS_fork) || isVfork ? 0 : cloneFlags(f)
    if flags & cloneThread != 0 {
        if flags & cloneTLS == 0 {
            recordBegin(me, f)
            tellUnsupported(me, f, row)
            f.pointee.flags = silent
            return pass(me, f)
        }
        return makeThread(me, f, stream: castor_fetch_add32(castor_segment_next_stream(segment), 1))
    }
    if isVfork || flags & cloneVM != 0 {
        if isVfork || flags & cloneVfork != 0, me.pointee.vfork_depth < UInt32(CASTOR_VFORKS) {
            return lend(me, f, row, child: castor_fetch_add32(castor_segment_next_stream(segment), 1), result: 0)
        }
        recordBegin(me, f)
        tellUnsupported(me, f, row)
        f.pointee.flags |= vforks
        scratch(f)[9] = 0
        me.pointee.vforked = 1
        let action = pass(me, f)
        f.pointee.flags &= ~silent
        return action
    }
    prepareFork(me)
    scratch(f)[9] = UInt64(
        castor_fetch_add32(
            castor_segment_next_stream(segment), 1))
    f.pointee.flags |= forks | masked
    blockSignals(f)
    beginCut(me, f)
    Connections.bequeath(me.pointee.stream)  // what others have opened before they stood still, too
    return CASTOR_EXECUTE
}

@_noLocks private func prepareFork(_ me: Thread) {
    process.pointee.multithreaded = 1  // shared mappings may now have two sides
    me.pointee.ordered = 1
    lockHeap()
}

/// Tells the agent of a child, so that recording does not end before the child has begun.
@_noLocks func announce(_ child: Int64) {
    guard isRecording, child > 0 else { return }
    let newborn = castor_segment_newborn(segment)
    while true {
        var i = 0
        while i < Int(CASTOR_NEWBORN) {
            if castor_cas32(newborn + i, 0, UInt32(truncatingIfNeeded: child)) != 0 { return }
            i &+= 1
        }
        if castor_load32(stoppedWord) != 0 || agentIsGone() { return }
        wakeAgent()
        sleepOn(address(newborn), castor_load32(newborn), milliseconds: 1)
    }
}

/// Both sides of a fork, before either goes on.
@_noLocks func leaveFork(_ me: Thread, _ f: Frame) {
    let attached = me.pointee.ring != nil && castor_mode_now() != CASTOR_MODE_OFF && me.pointee.vforked == 0
    if attached { unlockHeap() }
    if process.pointee.forks & 1 != 0 { endCut(me, f) }
    if f.pointee.result != 0 {
        if attached, isReplaying { Identities.noteChild(recorded: Int64(bitPattern: scratch(f)[8]), real: f.pointee.result) }
        if attached { Connections.inherit(me.pointee.stream, child: UInt32(truncatingIfNeeded: max(f.pointee.result, 0))) }
        announce(f.pointee.result)
        if f.pointee.flags & masked != 0 { unblockSignals(f) }
        return
    }
    castor_arm()
    guard attached else { return }
    let p = process
    Connections.descend()
    p.pointee.pid = UInt32(truncatingIfNeeded: kernel(SYS_getpid))
    Connections.inherit(me.pointee.stream, child: p.pointee.pid)
    if isReplaying { Identities.noteChild(recorded: Int64(bitPattern: scratch(f)[8]), real: Int64(p.pointee.pid)) }
    p.pointee.live = 1
    p.pointee.parked = 0
    p.pointee.stopped = 0
    p.pointee.busy = me.pointee.unrest.busy
    p.pointee.stack_lock = 0
    me.pointee.ring = nil
    me.pointee.slot = 0
    castor_forget_pending()
    attach(UInt32(truncatingIfNeeded: scratch(f)[9]), parent: me.pointee.stream)
    if f.pointee.flags & masked != 0 { unblockSignals(f) }
}

@c @implementation @_noLocks
func castor_child_started(_ top: UnsafePointer<UInt64>) {
    castor_arm()
    let stream = UInt32(truncatingIfNeeded: top[2])
    if stream == 0 || castor_mode_now() == CASTOR_MODE_OFF { return }
    let me = castor_me()
    if top[3] >> 32 != 0 { return borrow(me) }
    me.pointee.ordered = 1
    attach(stream &- 1, parent: UInt32(truncatingIfNeeded: top[3]))
}

// MARK: - Replay

@_noLocks func replayThread(_ me: Thread, _ f: Frame, _ row: Row, _ entry: castor_entry) -> Int32 {
    let ring = me.pointee.ring.unsafelyUnwrapped
    switch Int32(truncatingIfNeeded: f.pointee.nr) {
    case SYS_exit_group:
        waitForOthers(me)
        Connections.leave()
        markFinished()
        return CASTOR_PASS
    case SYS_clone, SYS_clone3, SYS_fork, SYS_vfork:
        let flags = f.pointee.nr == UInt64(SYS_fork) || f.pointee.nr == UInt64(SYS_vfork) ? 0 : cloneFlags(f)
        let child = entry.value
        if entry.flags & CASTOR_STARTED != 0 { park(me) }
        if flags & cloneThread != 0, flags & cloneTLS != 0, entry.result >= 0 {
            finishEvent(me, ring, entry)
            let action = makeThread(me, f, stream: UInt32(truncatingIfNeeded: child))
            f.pointee.result = entry.result
            f.pointee.version = UInt64(bitPattern: entry.result)
            f.pointee.shard = entry.shard
            return action
        }
        if entry.result < 0 || (flags & cloneVM != 0 && child == 0) {
            finishEvent(me, ring, entry)
            passTurn(entry.shard)
            return CASTOR_DONE
        }
        if f.pointee.nr == UInt64(SYS_vfork) || flags & cloneVM != 0 {
            finishEvent(me, ring, entry)
            passTurn(entry.shard)  // the child's events follow it, and the parent comes back only after them
            return lend(me, f, row, child: UInt32(truncatingIfNeeded: child), result: entry.result)
        }
        finishEvent(me, ring, entry)
        prepareFork(me)
        Connections.bequeath(me.pointee.stream)
        scratch(f)[9] = child
        scratch(f)[8] = UInt64(bitPattern: entry.result)
        scratch(f)[7] = UInt64(entry.shard)
        f.pointee.flags = forks
        return CASTOR_EXECUTE
    default:
        finishEvent(me, ring, entry)
        passTurn(entry.shard)
        return CASTOR_DONE
    }
}

/// The parent's side of a thread or fork that was made again.
@_noLocks func replayForkReturn(_ me: Thread, _ f: Frame) {
    if f.pointee.flags & vforks != 0 {
        f.pointee.result = castor_lender_at(me, me.pointee.vfork_depth).pointee.result
        return
    }
    if f.pointee.flags & threads != 0 {
        f.pointee.result = Int64(bitPattern: f.pointee.version)
        passTurn(f.pointee.shard)
        return
    }
    f.pointee.result = Int64(bitPattern: scratch(f)[8])
    passTurn(UInt32(truncatingIfNeeded: scratch(f)[7]))
}
