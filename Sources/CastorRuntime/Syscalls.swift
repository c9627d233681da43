/// The instruction plane: every system call of the program comes through `castor_syscall_enter` and, when it was
/// made, `castor_syscall_exit`. The row in castor_syscalls.def decides; recording and replay of one policy stand
/// side by side.
import CTSXGate
import CTSXShim

/// `castor_frame.flags`
enum Mark {
    /// Not an event: libc's own futex, or a call that runs alike in recording and replay.
    static let silent: UInt32 = 1
    /// The child of this call starts a process of its own.
    static let forks: UInt32 = 2
    static let vforks: UInt32 = 4
    /// It makes a thread that pthread_create's wrapper does not know.
    static let threads: UInt32 = 8
    /// Begun on the short way (Usual.swift).
    static let usual: UInt32 = 16
    /// Not made: what it sends is held (HeldOutputs.swift).
    static let held: UInt32 = 32
    /// It sends by itself over a connection of which outputs may be held.
    static let writes: UInt32 = 64
}

@c @implementation @_noLocks
func castor_syscall_enter(_ f: Frame) -> Int32 {
    let me = castor_me()
    let row = castor_syscall_row_at(f.pointee.nr)
    f.pointee.shard = CASTOR_NO_SHARD
    f.pointee.version = 0
    f.pointee.saved_index = 7
    if row.pointee.usual != 0, recordUsual(me, f, row) { return CASTOR_EXECUTE }
    f.pointee.flags = Mark.silent
    let mode = castor_mode_now()
    if mode == CASTOR_MODE_OFF || me.pointee.ring == nil || me.pointee.vforked != 0 { return pass(me, f) }
    if f.pointee.nr == UInt64(SYS_futex), isLibcsOwn(f) {
        // A wake may be part of what is no event, such as unlocking a mutex: a handler that ran here would run later on replay.
        if wakes(f.pointee.a1) { return CASTOR_PASS }
        // Waiting inside an interposed function or a private lock of libc: order is recorded there.
        me.pointee.frame = f
        blockedInReal(me, true)
        return CASTOR_EXECUTE
    }
    if row.pointee.replay == CASTOR_REPLAY_NEVER { return pass(me, f) }
    if row.pointee.replay == CASTOR_REPLAY_SIGNAL, !isSignalEvent(me, f) { return pass(me, f) }
    if takesOurs(row, f) { return CASTOR_DONE }
    if me.pointee.creating != 0, row.pointee.replay == CASTOR_REPLAY_THREAD { return pass(me, f) }  // pthread_create's
    if mode == CASTOR_MODE_REPLAY { return enterAgain(me, f, row) }
    f.pointee.flags = 0
    if me.pointee.pending_signals != 0 { return CASTOR_DELIVER }
    if f.pointee.nr == UInt64(SYS_exit) { return leave(me) }
    return record(me, f, row)
}

/// The call in a replay, or the first one after a standby's log ends.
@inline(never) @_noLocks private func enterAgain(_ me: Thread, _ f: Frame, _ row: Row) -> Int32 {
    if isLenient, let action = lenientCall(me, f, row) { return action }
    f.pointee.flags = 0
    if nextIsSignal(me) { return CASTOR_DELIVER }
    if isStandby, castor_goes_live() != 0 { return castor_syscall_enter(f) }
    if f.pointee.nr == UInt64(SYS_exit) { return leave(me) }
    return replay(me, f, row)
}

@inline(never) @_noLocks private func leave(_ me: Thread) -> Int32 {
    leaveThread(me)
    return CASTOR_PASS
}

@c @implementation @_noLocks
func castor_syscall_exit(_ f: Frame) {
    let me = castor_me()
    me.pointee.frame = nil
    if f.pointee.flags == Mark.usual, recordUsualReturn(me, f) { return }
    leaveCall(me, f)
}

@inline(never) @_noLocks private func leaveCall(_ me: Thread, _ f: Frame) {
    if f.pointee.saved_index != 7, f.pointee.flags & Mark.silent != 0 || !useKeptInput(f) { restoreEdited(f) }
    if f.pointee.flags & Mark.forks != 0 {
        leaveFork(me, f)
        if f.pointee.result == 0 { return }
    }
    if f.pointee.flags & Mark.vforks != 0 {
        if me.pointee.vforked != 0 { me.pointee.vforked = 0 } else { giveBack(me, f.pointee.result) }
    }
    if f.pointee.flags & Mark.silent != 0 {
        if f.pointee.nr == UInt64(SYS_futex) { blockedInReal(me, false) }
        return
    }
    let row = castor_syscall_row_at(f.pointee.nr)
    if f.pointee.nr == UInt64(SYS_execve) || f.pointee.nr == UInt64(SYS_execveat) { execFailed(me) }
    if isRecording { recordReturn(me, f, row) }
    if f.pointee.saved_index != 7 {
        restoreEdited(f)
        if f.pointee.nr == UInt64(SYS_rt_sigprocmask) { castor_mask_changed() }
    }
    if isReplaying, f.pointee.flags & (Mark.forks | Mark.threads | Mark.vforks) != 0 { replayForkReturn(me, f) }
}

/// Calls that open, duplicate or close several; a plain close takes effect before it starts.
@inline(__always) @_noLocks private func changesDescriptors(_ row: Row, _ f: Frame) -> Bool {
    (row.pointee.descriptors != CASTOR_FD_NONE && row.pointee.descriptors != CASTOR_FD_CLOSES)
        || f.pointee.nr == UInt64(SYS_close_range)
}

/// The segment's descriptor is not the program's: what is done with it, or what would put another in its place, fails
/// alike in recording and replay, and a range goes around it.
@inline(__always) @_noLocks private func takesOurs(_ row: Row, _ f: Frame) -> Bool {
    let ours = UInt64(UInt32(bitPattern: process.pointee.segment_fd))
    if row.pointee.args.0.role == CASTOR_ARG_FD, f.pointee.a0 & 0xffff_ffff == ours { return refuse(f) }
    switch Int32(truncatingIfNeeded: f.pointee.nr) {
    case SYS_dup2, SYS_dup3: return f.pointee.a1 & 0xffff_ffff == ours ? refuse(f) : false
    case SYS_prctl:  // Syscall User Dispatch is the gate's
        if f.pointee.a0 & 0xffff_ffff != 59 { return false }
        f.pointee.result = Errno.invalid
        return true
    case SYS_close_range:
        let (first, last) = (f.pointee.a0 & 0xffff_ffff, f.pointee.a1 & 0xffff_ffff)
        if first > ours || last < ours || f.pointee.a2 & 4 != 0 || isReplaying { return false }
        if last == ours {
            if first < ours { edit(f, 1, ours &- 1) }
        } else {
            if first < ours { kernel(SYS_close_range, first, ours &- 1, f.pointee.a2) }
            edit(f, 0, ours &+ 1)
        }
        return false
    default: return false
    }
}
@_noLocks private func refuse(_ f: Frame) -> Bool {
    f.pointee.result = Errno.badDescriptor
    return true
}

/// Whether a futex operation only wakes: FUTEX_WAKE, REQUEUE, CMP_REQUEUE, WAKE_OP, UNLOCK_PI, WAKE_BITSET.
@inline(__always) @_noLocks private func wakes(_ operation: UInt64) -> Bool {
    0b100_1111_1010 >> (operation & 127) & 1 != 0 && operation & 127 != 6 && operation & 127 != 9
}

/// A futex call from libc or the loader, except through syscall(), which carries the program's own.
@inline(__always) @_noLocks private func isLibcsOwn(_ f: Frame) -> Bool {
    let p = process
    let site = f.pointee.site
    if site >= p.pointee.libc_start && site < p.pointee.libc_end {
        return !(site >= p.pointee.syscall_start && site < p.pointee.syscall_end)
    }
    return site >= p.pointee.loader_start && site < p.pointee.loader_end
}

// MARK: - Recording

@inline(__always) @_noLocks func shard(_ row: Row, _ f: Frame) -> UInt32 {
    switch row.pointee.object {
    case CASTOR_OBJ_FD0: return Descriptors.shard(f.pointee.a0)
    case CASTOR_OBJ_IPC: return CASTOR_SHARD_IPC
    case CASTOR_OBJ_FILES: return CASTOR_SHARD_FILES
    case CASTOR_OBJ_MEMORY: return CASTOR_SHARD_MEMORY
    case CASTOR_OBJ_PROCESS: return CASTOR_SHARD_PROCESS
    case CASTOR_OBJ_ADDRESS0: return CastorRuntime.shard(of: f.pointee.a0)
    default: return CASTOR_NO_SHARD
    }
}

@inline(__always) @_noLocks private func asksForInput(_ row: Row) -> Bool {
    row.pointee.order == CASTOR_ORDER_AFTER
        && (row.pointee.object == CASTOR_OBJ_FD0 || row.pointee.object == CASTOR_OBJ_IPC)
}

@inline(__always) @_noLocks private func record(_ me: Thread, _ f: Frame, _ row: Row) -> Int32 {
    let ring = me.pointee.ring.unsafelyUnwrapped
    if me.pointee.disturbed != 0 { castor_disturb(asksForInput(row) ? CASTOR_MAY_REST : 0) }
    guard ring.makeRoom() else {
        f.pointee.flags = Mark.silent
        return pass(me, f)
    }
    if row.pointee.support == CASTOR_SUPPORT_UNSUPPORTED || row.pointee.name == nil { tellUnsupported(me, f, row) }
    if me.pointee.writing != 0 { Descriptors.leaveOutput(me) }  // its last write was cancelled
    if row.pointee.replay == CASTOR_REPLAY_OUTPUT, !isAlone {
        let kind = Descriptors.kind(f.pointee.a0)
        if DescriptorKind.isStandard(kind) { Descriptors.enterOutput(me, kind) }
    }
    if row.pointee.order == CASTOR_ORDER_BEFORE || row.pointee.order == CASTOR_ORDER_BOTH {
        f.pointee.shard = shard(row, f)
        if f.pointee.shard != CASTOR_NO_SHARD { f.pointee.version = takeVersion(f.pointee.shard) }
        if row.pointee.order == CASTOR_ORDER_BOTH {
            recordBegin(me, f)
            _ = ring.makeRoom()
        }
    }
    if me.pointee.disturbed & Disturbance.commit != 0, leadsOut(f), !HeldOutputs.takes(me, f), !commit(me, f) {
        f.pointee.flags = Mark.silent
        return pass(me, f)
    }
    // The header goes into the next slot before the call, so that a program killed inside it leaves word of it.
    let e = ring.next
    e.pointee.kind = CASTOR_EV_SYSCALL
    e.pointee.nr = UInt16(truncatingIfNeeded: f.pointee.nr)
    e.pointee.shard = f.pointee.shard
    e.pointee.version = f.pointee.version
    e.pointee.stamp = 0
    e.pointee.result = 0
    e.pointee.object = row.pointee.args.0.role == CASTOR_ARG_IGNORE ? 0 : f.pointee.a0
    e.pointee.hash = 0
    e.pointee.value = 0
    e.pointee.payload = 0
    e.pointee.flags = CASTOR_STARTED
    ring.pointee.pending = UInt32(truncatingIfNeeded: ring.pointee.tail) &+ 1
    keepLengths(row, f)
    if row.pointee.descriptors == CASTOR_FD_CLOSES { Descriptors.closed(f.pointee.a0 & 0xffff_ffff) }
    if copiesToOutput(f) { edit(f, 5, UInt64.max) }
    me.pointee.frame = f
    if row.pointee.replay == CASTOR_REPLAY_THREAD { return recordThread(me, f, row) }
    if f.pointee.nr == UInt64(SYS_rt_sigaction) {
        me.pointee.frame = nil
        keepInput(f)
        f.pointee.result = signalAction(f)
        recordReturn(me, f, row)
        restoreEdited(f)
        return CASTOR_DONE
    }
    keepInput(f)
    stripMask(f)
    if f.pointee.flags & Mark.held != 0 || (me.pointee.disturbed & Disturbance.skip != 0 && Connections.skip(f)) {
        me.pointee.frame = nil
        recordReturn(me, f, row)
        if f.pointee.flags & Mark.held != 0 { HeldOutputs.publish(ring) }
        return CASTOR_DONE
    }
    if me.pointee.disturbed & Disturbance.identities != 0 { Identities.enter(f, isLibcsOwn: isLibcsOwn(f)) }
    if me.pointee.disturbed & Disturbance.commit != 0, me.pointee.borrowing == 0, f.pointee.nr == UInt64(SYS_epoll_ctl) { Connections.watch(f) }
    ring.pointee.waiting = CASTOR_IN_CALL
    return CASTOR_EXECUTE
}

/// What the kernel copies to the standard output or error would not be in the log. With flags that it does not know it
/// refuses (EINVAL), and programs then copy by reading and writing.
@inline(__always) @_noLocks private func copiesToOutput(_ f: Frame) -> Bool {
    (f.pointee.nr == UInt64(SYS_copy_file_range) || f.pointee.nr == UInt64(SYS_splice))
        && DescriptorKind.isStandard(Descriptors.kind(f.pointee.a2))
}

/// Publishes the ordering point of a call that has not returned, so that events before its return may follow it.
@_noLocks func recordBegin(_ me: Thread, _ f: Frame) {
    guard f.pointee.shard != CASTOR_NO_SHARD, let ring = me.pointee.ring else { return }
    ring.publishCounted()
    guard ring.hasRoom() else { return }
    let e = ring.next
    e.pointee = attempt(CASTOR_EV_SYSCALL_BEGIN, UInt16(truncatingIfNeeded: f.pointee.nr), f.pointee.a0)
    e.pointee.shard = f.pointee.shard
    e.pointee.version = f.pointee.version
    e.pointee.stamp = castor_rdtsc()
    f.pointee.shard = CASTOR_NO_SHARD
    ring.publishEvent()
}

@inline(__always) @_noLocks private func recordReturn(_ me: Thread, _ f: Frame, _ row: Row) {
    let ring = me.pointee.ring.unsafelyUnwrapped
    ring.resume()
    if me.pointee.disturbed & Disturbance.identities != 0 { Identities.leave(f) }
    if me.pointee.writing != 0 { Descriptors.leaveOutput(me) }  // first: others wait for it even if recording has ended
    ring.publishCounted()
    if ring.pointee.forks != castor_load32(forksWord) { recordBegin(me, f) }  // its place is one from before the fork
    guard ring.makeRoom() else { return }
    let changes = changesDescriptors(row, f)
    if changes, me.pointee.ordered != 0 {
        Descriptors.recordReuse(me, row, f)
        guard ring.hasRoom() else { return }
    }
    if row.pointee.order == CASTOR_ORDER_AFTER || row.pointee.order == CASTOR_ORDER_BOTH {
        f.pointee.shard = shard(row, f)
        if f.pointee.shard != CASTOR_NO_SHARD { f.pointee.version = takeVersion(f.pointee.shard) }
    }
    if row.pointee.object == CASTOR_OBJ_FD0, Descriptors.kind(f.pointee.a0) == DescriptorKind.mapped {
        if row.pointee.order == CASTOR_ORDER_BEFORE, f.pointee.result > 0 { forgetSharedContent() }
    }
    if changes, accepts(f), castor_load32(castor_segment_backlog(segment)) != 0 { Connections.takeFromBacklog(f) }
    let inputs = Inputs(row, f, result: f.pointee.result)
    var mapping = Mapping()
    if f.pointee.nr == UInt64(SYS_mmap) { mapping = Mapping(recording: f) }
    if f.pointee.nr == UInt64(SYS_shmat) { mapping = Mapping(attaching: f) }
    var measure = Port(measuring: ring)
    visitOutputs(row, f, &measure)
    let keepsConnections = me.pointee.disturbed & Disturbance.commit != 0 && me.pointee.borrowing == 0
    let isConnection = keepsConnections && accepts(f) && Connections.readOut(f)
    let description = isConnection ? UInt64(MemoryLayout<castor_tcp>.size) : 0
    let payload = measure.total &+ mapping.length &+ description
    let e = ring.next
    e.pointee.kind = CASTOR_EV_SYSCALL
    e.pointee.nr = UInt16(truncatingIfNeeded: f.pointee.nr)
    e.pointee.shard = f.pointee.shard
    e.pointee.version = f.pointee.version
    e.pointee.stamp = hintOfTime(ring)
    e.pointee.result = f.pointee.result
    e.pointee.object = inputs.object
    e.pointee.hash = inputs.hash
    e.pointee.value = f.pointee.flags & (Mark.forks | Mark.vforks | Mark.threads) != 0 ? scratch(f)[9] : inputs.value
    e.pointee.payload = UInt32(truncatingIfNeeded: payload)
    e.pointee.flags = isConnection ? CASTOR_CONNECTION : mapping.flags
    if payload == 0 {
        ring.publishEvent()
    } else {
        var store = Port(storing: ring)
        visitOutputs(row, f, &store)
        mapping.store(&store.writer)
        store.writer.put(address(Connections.description(f)), description)
        store.writer.finish()
    }
    if changes { Descriptors.apply(row, f) }
    if keepsConnections {
        Connections.count(f)
        if f.pointee.flags & Mark.writes != 0 { Connections.endWriting(f) }
        Connections.follow(row, f)
        if isConnection { Connections.open(f) }
    }
    if f.pointee.nr == UInt64(SYS_mmap) { mapped(f, file: f.pointee.a4 & 0xffff_ffff) }
}

/// Says a call's name and note, once for each process, and puts a mark into the log, each time.
@inline(never) @_noLocks func tellUnsupported(_ me: Thread, _ f: Frame, _ row: Row) {
    let count = castor_segment_unsupported(segment)
    _ = castor_fetch_add32(count, 1)
    let ring = me.pointee.ring.unsafelyUnwrapped
    let e = ring.next
    e.pointee = attempt(CASTOR_EV_UNSUPPORTED, UInt16(truncatingIfNeeded: f.pointee.nr), f.pointee.a0)
    e.pointee.stamp = castor_rdtsc()
    ring.publishEvent()
    _ = ring.makeRoom()
    let word = castor_process_said(process)
    let bit = f.pointee.nr & 511
    if word[Int(bit >> 6)] >> (bit & 63) & 1 != 0 { return }
    word[Int(bit >> 6)] |= 1 << (bit & 63)
    if let name = row.pointee.name {
        say("castor: not supported: ", name)
        if let note = row.pointee.note { say("castor:   ", note) }
    } else {
        say("castor: not supported: a system call newer than this castor")
    }
}

// MARK: - Replay

/// For a call that stands for the recorded one.
@inline(never) @_noLocks func replayInstead(_ me: Thread, _ f: Frame) -> Int32 {
    replay(me, f, castor_syscall_row_at(f.pointee.nr))
}

@inline(__always) @_noLocks private func replay(_ me: Thread, _ f: Frame, _ row: Row) -> Int32 {
    let ring = me.pointee.ring.unsafelyUnwrapped
    var e = nextEntry(me, CASTOR_EV_SYSCALL, UInt16(truncatingIfNeeded: f.pointee.nr))
    if e.pointee.kind == CASTOR_EV_EXEC, UInt64(e.pointee.nr) == f.pointee.nr {
        if let action = replayExec(me, f, e.pointee) { return action }
        e = nextEntry(me)
    }
    if isLenient, row.pointee.replay == CASTOR_REPLAY_OUTPUT {
        guard let counterpart = lenientWrite(me, f, row, e) else { return CASTOR_DONE }
        e = counterpart
    }
    if e.pointee.kind != CASTOR_EV_SYSCALL || e.pointee.nr != UInt16(truncatingIfNeeded: f.pointee.nr) {
        diverge(
            CASTOR_DIVERGENCE_EVENT, me, expected: e.pointee,
            actual: attempt(
                CASTOR_EV_SYSCALL, UInt16(truncatingIfNeeded: f.pointee.nr), f.pointee.a0, f.pointee.a1, f.pointee.a2),
            frame: f, "event")
    }
    let entry = e.pointee
    if entry.flags & CASTOR_STARTED != 0 { return replayUnfinished(me, f, row, entry) }
    keepLengths(row, f)
    let inputs = Inputs(row, f, result: entry.result)
    if inputs.object != entry.object || inputs.hash != entry.hash
        || (inputs.value != entry.value && row.pointee.replay != CASTOR_REPLAY_THREAD),
        !isLenient || differsLeniently(me, f, row, entry, inputs)
    {
        let actual = attempt(
            CASTOR_EV_SYSCALL, UInt16(truncatingIfNeeded: f.pointee.nr), inputs.object, inputs.hash, inputs.value)
        diverge(CASTOR_DIVERGENCE_ARGUMENT, me, expected: entry, actual: actual, frame: f, "arguments")
    }
    if row.pointee.descriptors == CASTOR_FD_CLOSES { Descriptors.closed(f.pointee.a0 & 0xffff_ffff) }
    waitTurn(ring, entry)
    f.pointee.result = isLenient ? lenientResult(f, row, entry) : entry.result
    if row.pointee.replay == CASTOR_REPLAY_SIGNAL {
        _ = f.pointee.nr == UInt64(SYS_rt_sigaction) ? signalAction(f) : signalMask(f)
    }
    switch row.pointee.replay {
    case CASTOR_REPLAY_THREAD: return replayThread(me, f, row, entry)
    case CASTOR_REPLAY_MAP: replayMapping(me, f, entry)
    case CASTOR_REPLAY_EXECUTE:
        executeAgain(me, f, entry)
        finishEvent(me, ring, entry)
    default:
        if row.pointee.replay == CASTOR_REPLAY_OUTPUT { showOutput(f, row) }
        if f.pointee.nr == UInt64(SYS_prlimit64) || f.pointee.nr == UInt64(SYS_setrlimit) { limitStack(f) }
        if entry.payload == 0 {
            finishEvent(me, ring, entry)
        } else {
            var port = Port(loading: ring, entry)
            visitOutputs(row, f, &port)
            if isStandby, entry.flags & CASTOR_CONNECTION != 0 {
                port.reader.take(address(Connections.description(f)), UInt64(MemoryLayout<castor_tcp>.size))
            }
            port.reader.finish()
            if isLenient { exchangeTokens(f) }
            if isTotal { passTotal() }
        }
    }
    if isStandby { makeAgain(me, f, row, entry) }
    passTurn(entry.shard)
    if changesDescriptors(row, f) { Descriptors.apply(row, f) }
    if isStandby, me.pointee.borrowing == 0 {
        Connections.follow(row, f)
        if entry.flags & CASTOR_CONNECTION != 0, accepts(f) { Connections.open(f) }
    }
    return CASTOR_DONE
}

@inline(__always) @_noLocks private func accepts(_ f: Frame) -> Bool {
    f.pointee.nr == UInt64(SYS_accept) || f.pointee.nr == UInt64(SYS_accept4)
}

/// Calls that change this process alone run again; the result must be the recorded one.
@_noLocks private func executeAgain(_ me: Thread, _ f: Frame, _ entry: castor_entry) {
    if entry.result < 0 { return }  // it changed nothing
    let result = kernel(
        Int32(truncatingIfNeeded: f.pointee.nr), f.pointee.a0, f.pointee.a1, f.pointee.a2, f.pointee.a3, f.pointee.a4,
        f.pointee.a5)
    // Advice changes how fast memory is, but for what it throws away (MADV_DONTNEED).
    if result < 0, f.pointee.nr != UInt64(SYS_madvise) || f.pointee.a2 == 4 {
        var actual = attempt(CASTOR_EV_SYSCALL, entry.nr, entry.object, entry.hash, entry.value)
        actual.result = result
        diverge(CASTOR_DIVERGENCE_ARGUMENT, me, expected: entry, actual: actual, frame: f, "result")
    }
}

/// Writes to the standard output and error are shown again.
@_noLocks func showOutput(_ f: Frame, _ row: Row) {
    let kind = Descriptors.kind(f.pointee.a0)
    guard f.pointee.result > 0, DescriptorKind.isStandard(kind), !isMute() else { return }
    let to: UInt64 = kind == DescriptorKind.standardOutput ? 1 : 2
    if row.pointee.args.1.role == CASTOR_ARG_IN {
        show(to, f.pointee.a1, UInt64(f.pointee.result))
    } else if row.pointee.args.1.role == CASTOR_ARG_IN_IOV {
        var left = UInt64(f.pointee.result)
        var i: UInt64 = 0
        while left > 0, i < f.pointee.a2 {
            let v = words(f.pointee.a1 &+ i &* 16)
            let n = min(v[1], left)
            show(to, v[0], n)
            left &-= n
            i &+= 1
        }
    }
}
@_noLocks func show(_ to: UInt64, _ at: UInt64, _ length: UInt64) {
    var done: UInt64 = 0
    while done < length {
        let n = kernel(SYS_write, to, at &+ done, length &- done)
        if n == Errno.interrupted || n == -11 { continue }
        if n <= 0 { return }
        done &+= UInt64(n)
    }
}

/// The recorded call never returned: this is where its thread was when the program ended.
@inline(never) @_noLocks private func replayUnfinished(_ me: Thread, _ f: Frame, _ row: Row, _ entry: castor_entry)
    -> Int32
{
    let ring = me.pointee.ring.unsafelyUnwrapped
    waitTurn(ring, entry)
    passTurn(entry.shard)
    finishEvent(me, ring, entry)
    if row.pointee.replay == CASTOR_REPLAY_KILL, segment.pointee.final_signal != 0, endsProcess(f) {
        waitForOthers(me)
        markFinished()
        die(signalSent(f))
    }
    if row.pointee.replay == CASTOR_REPLAY_THREAD { return replayThread(me, f, row, entry) }
    park(me)
    return CASTOR_DONE
}
/// Whether the signal it sends is the one that the program died of.
@_noLocks private func endsProcess(_ f: Frame) -> Bool { signalSent(f) == UInt64(segment.pointee.final_signal) }

@_noLocks private func signalSent(_ f: Frame) -> UInt64 {
    let isThird = f.pointee.nr == UInt64(SYS_tgkill) || f.pointee.nr == UInt64(SYS_rt_tgsigqueueinfo)
    return isThird ? f.pointee.a2 : f.pointee.a1
}
