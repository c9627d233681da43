/// The thread's walk along its stream.
import CTSXGate
import CTSXShim

@inline(__always) @_noLocks private func isOwnDoing(_ e: Entry) -> Bool {
    e.pointee.kind == CASTOR_EV_SYSCALL || e.pointee.kind == CASTOR_EV_SYMBOL || e.pointee.kind == CASTOR_EV_CLOCK
        || (e.pointee.kind >= CASTOR_EV_ATOMIC && e.pointee.kind != CASTOR_EV_TAKEN)  // or CASTOR_EV_LIVE
}

/// Whether a signal comes before this thread's next own event.
@inline(__always) @_noLocks func nextIsSignal(_ me: Thread) -> Bool {
    if me.pointee.owned.left != 0 || me.pointee.loads.repeats != 0 { return false }  // it comes after those
    let e = me.pointee.ring.unsafelyUnwrapped.peek()
    return isOwnDoing(e) ? false : settled(me).pointee.kind == CASTOR_EV_SIGNAL
}

/// The next entry that is no mere ordering point; the end of the stream parks the thread for good.
@inline(never) @_noLocks private func settled(_ me: Thread) -> Entry {
    let ring = me.pointee.ring.unsafelyUnwrapped
    while true {
        let e = ring.peek()
        switch e.pointee.kind {
        case CASTOR_EV_SYSCALL_BEGIN, CASTOR_EV_FORK_SEEN:
            let entry = e.pointee
            if isStandby, !awaitTurn(ring, entry) { continue }
            waitTurn(ring, entry)
            passTurn(entry.shard)
            finishEvent(me, ring, entry)
        case CASTOR_EV_TAKEN:
            let entry = e.pointee
            waitTurn(ring, entry)
            waitForOwner(ring, entry.value, slack: UInt64(CASTOR_OWNED_SLACK))
            passTurn(entry.shard)
            finishEvent(me, ring, entry)
        case CASTOR_EV_FORK_CUT: waitForCut(me, ring, e.pointee)
        case CASTOR_EV_UNSUPPORTED: finishEvent(me, ring, e.pointee)
        case CASTOR_EV_END: park(me)
        default: return e
        }
    }
}

/// The next entry that is this thread's own doing. Signals that come before it were delivered by castor_settle or by
/// the gate, whose frames can be unwound; here are only those that nobody expected.
@inline(__always) @_noLocks func nextEntry(_ me: Thread) -> Entry {
    if me.pointee.loads.repeats != 0 { fewerRepeats(me) }
    if me.pointee.owned.left != 0 { leavesRow(me) }
    let e = me.pointee.ring.unsafelyUnwrapped.peek()
    if isOwnDoing(e) { return e }
    while true {
        let e = settled(me)
        if e.pointee.kind != CASTOR_EV_SIGNAL { return e }
        castor_deliver()
    }
}

// MARK: - Polling

// A thread that polls a variable which castor does not see (an atomic of a program that was not recompiled), and
// takes a mutex between its looks, takes it more or less often on replay. An empty critical section has no effect of
// its own, so the thread is brought back in step instead of being called diverged; the counts are reported. Only
// mutexes that the recording shows polled, by many locks in a row, are treated so, and the next event must match all
// the same: a program that really goes another way is still found out.

@inline(never) @_noLocks private func isPolled(_ mutex: UInt64) -> Bool {
    let polled = castor_segment_polled(segment)
    var i = 0
    while i < Int(CASTOR_POLLED), case let known = castor_load(polled + i), known != 0 {
        if known == mutex { return true }
        i &+= 1
    }
    return false
}

@inline(__always) @_noLocks private func isMutexLock(_ kind: UInt16, _ nr: UInt16) -> Bool {
    kind == CASTOR_EV_SYMBOL && nr == CASTOR_SYM_pthread_mutex_lock
}

/// The entry for a call of this kind: recorded locks of one mutex that the thread did not take this time are passed
/// over when it has gone on to something other than a lock.
@inline(__always) @_noLocks func nextEntry(_ me: Thread, _ kind: UInt16, _ nr: UInt16) -> Entry {
    let e = nextEntry(me)
    if e.pointee.kind == kind && e.pointee.nr == nr { return e }
    if isMutexLock(e.pointee.kind, e.pointee.nr), !isMutexLock(kind, nr), e.pointee.result == 0,
        isPolled(e.pointee.object), !isLenient || isNextButPolls(me, e, kind, nr)
    {
        return passPolls(me, e)
    }
    if isReadyGuard(e) {
        passReadyGuard(me, e)
        return nextEntry(me)
    }
    return isLenient && passesOutput(me, e) ? nextEntry(me, kind, nr) : e
}

/// A recorded look at a static variable's guard that found it ready: this time the compiler's own look did.
@inline(__always) @_noLocks private func isReadyGuard(_ e: Entry) -> Bool {
    e.pointee.kind == CASTOR_EV_SYMBOL && e.pointee.nr == CASTOR_SYM_cxa_guard && e.pointee.result == 0
}
@inline(never) @_noLocks func passReadyGuard(_ me: Thread, _ first: Entry) {
    let ring = me.pointee.ring.unsafelyUnwrapped
    var e = first
    while isReadyGuard(e) {
        let entry = e.pointee
        waitTurn(ring, entry)
        finishEvent(me, ring, entry)
        passTurn(entry.shard)
        e = nextEntry(me)
    }
}

/// Replay of another build: a call that is not in the log is no sign that a thread polls less. Nor may output be, which
/// is added and left out.
@inline(never) @_noLocks private func isNextButPolls(_ me: Thread, _ first: Entry, _ kind: UInt16, _ nr: UInt16) -> Bool {
    if kind == CASTOR_EV_SYMBOL, nr == CASTOR_SYM_stdio { return false }
    let ring = me.pointee.ring.unsafelyUnwrapped
    var line = ring.pointee.head
    let tail = castor_load(castor_ring_tail(ring))
    while line < tail {
        let e = castor_slot(ring, line)
        if !isMutexLock(e.pointee.kind, e.pointee.nr) || e.pointee.object != first.pointee.object || e.pointee.result != 0 {
            return e.pointee.kind == kind && e.pointee.nr == nr
        }
        line &+= 1
    }
    return false
}

@inline(never) @_noLocks private func passPolls(_ me: Thread, _ first: Entry) -> Entry {
    let ring = me.pointee.ring.unsafelyUnwrapped
    let mutex = first.pointee.object
    var e = first
    while isMutexLock(e.pointee.kind, e.pointee.nr), e.pointee.object == mutex, e.pointee.result == 0 {
        let entry = e.pointee
        waitTurn(ring, entry)
        finishEvent(me, ring, entry)
        passTurn(entry.shard)
        _ = castor_fetch_add(castor_segment_polls_passed(segment), 1)
        e = nextEntry(me)
    }
    return e
}

/// Whether a mutex lock that the log does not have is a polling thread's further look: the log goes on with something
/// other than a lock. What it waits for may take longer than it did, but not for ever.
@inline(__always) @_noLocks func isExtraPoll(_ me: Thread, _ e: Entry, _ id: UInt16, _ mutex: UInt64) -> Bool {
    guard id == CASTOR_SYM_pthread_mutex_lock, !isMutexLock(e.pointee.kind, e.pointee.nr), isPolled(mutex) else {
        return false
    }
    _ = castor_fetch_add(castor_segment_polls_added(segment), 1)
    return looksOn(me)
}

/// A minute and a million looks after its last event a thread is taken to wait in vain.
@_noLocks private func looksOn(_ me: Thread) -> Bool {
    let place = me.pointee.ring.unsafelyUnwrapped.pointee.events
    if me.pointee.looks_place != place { (me.pointee.looks_place, me.pointee.looks) = (place, 0) }
    me.pointee.looks &+= 1
    if me.pointee.looks & 0xfffff != 0 { return true }
    let time = now()
    if me.pointee.looks == 0x100000 { me.pointee.looks_since = time }
    return time &- me.pointee.looks_since < 60_000_000_000
}

// MARK: - Consuming

/// Gives an entry and its payload back to the agent.
@inline(__always) @_noLocks func finishEvent(_ me: Thread, _ ring: Ring, _ entry: castor_entry) {
    if entry.payload == 0 {
        ring.pointee.events &+= 1
        ring.consume(upTo: ring.pointee.head &+ 1)
    } else {
        var reader = PayloadReader(ring, entry)
        reader.finish()
    }
    if isTotal { passTotal() }
}

/// The recording of this thread ends here.
@inline(never) @_noLocks func park(_ me: Thread) {
    let ring = me.pointee.ring.unsafelyUnwrapped
    ring.pointee.waiting = CASTOR_PARKED
    if isTotal { passTotal() }
    if me.pointee.borrowing != 0 { kernel(SYS_exit_group, 0) }  // its parent goes on
    let parked = castor_fetch_add32(parkedWord, 1) &+ 1
    wakeAll(address(parkedWord))
    if parked >= process.pointee.live { endOfRecording(me) }
    waitForComputing(me)
    endOfRecording(me)
}

/// Waits until the other threads are at their ends, too. One that was computing when the program was killed makes no
/// event any more: it is there when it has no recorded one left for a while. Whoever looks at it with a debugger has time.
@inline(never) @_noLocks private func waitForComputing(_ me: Thread) {
    if isDebugged || segment.pointee.options & CASTOR_OPT_PATIENT != 0 { pauseForever() }
    var quiet = 0
    while quiet < 3 {
        let parked = castor_load32(parkedWord)
        sleepOn(address(parkedWord), parked, milliseconds: 1000)
        quiet = castor_load32(parkedWord) == parked && onlyComputing(me) ? quiet &+ 1 : 0
    }
}

/// Whether every other thread of this process is parked, or runs and has come to its last event.
@_noLocks private func onlyComputing(_ me: Thread) -> Bool {
    var i: UInt32 = 0
    while i < segment.pointee.rings_used {
        let r = castor_ring_at(segment, i)
        i &+= 1
        if r == me.pointee.ring || r.pointee.pid != process.pointee.pid { continue }
        if castor_load32(castor_ring_state(r)) != CASTOR_RING_LIVE { continue }
        let doing = castor_load32(castor_ring_waiting(r))
        if doing == CASTOR_PARKED { continue }
        let head = castor_load(castor_ring_head(r))
        if doing != CASTOR_RUNNING || castor_load(castor_ring_tail(r)) <= head { return false }
        if castor_slot(r, head).pointee.kind != CASTOR_EV_END { return false }
    }
    return true
}

@inline(__always) var parkedWord: UnsafeMutablePointer<UInt32> {
    castor_process_parked(process)
}
@inline(__always) var liveWord: UnsafeMutablePointer<UInt32> {
    castor_process_live(process)
}

/// Waits until every other thread has replayed all it has, because this one is about to end the process. A thread
/// that only computes never comes to an end; five seconds in which nothing moves are taken for that.
@inline(never) @_noLocks func waitForOthers(_ me: Thread) {
    if me.pointee.borrowing != 0 { return }
    let ring = me.pointee.ring.unsafelyUnwrapped
    ring.pointee.waiting = CASTOR_WAIT_OTHERS
    if isTotal { passTotal() }
    var quiet = 0
    while quiet < 5 {
        let parked = castor_load32(parkedWord)
        if parked &+ 1 >= castor_load32(liveWord) { break }
        sleepOn(address(parkedWord), parked, milliseconds: 1000)
        quiet = castor_load32(parkedWord) == parked && !anyoneWaits(me) ? quiet &+ 1 : 0
    }
    ring.pointee.waiting = CASTOR_RUNNING
}

/// Whether another thread of this process still waits for its turn or for the agent.
@_noLocks private func anyoneWaits(_ me: Thread) -> Bool {
    var i: UInt32 = 0
    while i < segment.pointee.rings_used {
        let r = castor_ring_at(segment, i)
        if r != me.pointee.ring, r.pointee.pid == process.pointee.pid, r.pointee.state == CASTOR_RING_LIVE,
            r.pointee.waiting == CASTOR_WAIT_TURN || r.pointee.waiting == CASTOR_WAIT_FEED
        {
            return true
        }
        i &+= 1
    }
    return false
}

/// Every thread is at the end of its stream and none of them ended the process: the program was killed, or the log
/// stops here.
@_noLocks func endOfRecording(_ me: Thread) {
    markFinished()
    if isDebugged {
        say("castor: the recording ends here")
        kernel(SYS_tgkill, UInt64(me.pointee.pid), UInt64(me.pointee.tid), 5)
    }
    if !isMainProcess { kernel(SYS_exit_group, 0) }
    let signal = UInt64(segment.pointee.final_signal)
    if signal == 0 { kernel(SYS_exit_group, UInt64(segment.pointee.final_code)) }
    die(signal)
}

/// The process that castor started, whatever it has executed since.
@inline(__always) var isMainProcess: Bool { castor_me().pointee.pid == segment.pointee.main_pid }
/// A debugger started this process or has attached to it.
@inline(__always) var isDebugged: Bool {
    process.pointee.debugged != 0 || (segment.pointee.options & CASTOR_OPT_DEBUGGER != 0 && isMainProcess)
}

/// Replay has come to where the recording ends.
@_noLocks func markFinished() {
    if isMainProcess { castor_store32(castor_segment_finished(segment), 1) }
}

/// Ends this process by a signal, whatever its disposition and mask.
@_noLocks func die(_ signal: UInt64) {
    if isReplaying { Connections.leave() }
    var none = castor_action()
    withUnsafeMutablePointer(to: &none) { kernel(SYS_rt_sigaction, signal, address($0), 0, 8) }
    var mask: UInt64 = 1 << (signal &- 1)
    withUnsafeMutablePointer(to: &mask) { kernel(SYS_rt_sigprocmask, 1, address($0), 0, 8) }
    // Asked for: a child that has just been forked may not have noted them yet.
    let pid = UInt64(bitPattern: kernel(SYS_getpid))
    kernel(SYS_tgkill, pid, UInt64(bitPattern: kernel(SYS_gettid)), signal)
    kernel(SYS_kill, pid, 9)
}
