/// Threads and processes: who has which stream, which stack, and how each of them ends.
import CTSXGate
import CTSXShim

// MARK: - Rings

/// Claims a free ring for a stream, or nil when all are taken.
@_noLocks func claimRing(_ stream: UInt32, _ me: Thread, parent: UInt32) -> Ring? {
    let s = segment
    var i: UInt32 = 0
    while i < s.pointee.ring_count {
        let ring = castor_ring_at(s, i)
        let state = castor_ring_state(ring)
        if castor_load32(state) == CASTOR_RING_FREE, castor_cas32(state, CASTOR_RING_FREE, CASTOR_RING_CLAIMED) != 0 {
            ring.pointee.mask = UInt64(s.pointee.ring_slots) &- 1
            ring.pointee.kick = 0  // the first event tells the agent of the ring
            ring.pointee.cached_head = 0
            ring.pointee.pending = 0
            ring.pointee.packed = 0
            ring.pointee.stamped = 0
            ring.pointee.stream = stream
            ring.pointee.pid = me.pointee.pid
            ring.pointee.tid = me.pointee.tid
            ring.pointee.parent = parent
            ring.pointee.waiting = CASTOR_RUNNING
            ring.pointee.forks = 0  // a thread that begins after a fork says so, for it may have been made before
            ring.pointee.events = 0
            ring.pointee.owned_at = UInt64.max
            let used = castor_segment_rings_used(s)
            while true {
                let now = castor_load32(used)
                if now > i { break }
                if castor_cas32(used, now, i &+ 1) != 0 {
                    if i & 63 == 63 { wakeAgent() }  // threads come and go faster than it frees their rings
                    break
                }
            }
            // MADV_POPULATE_WRITE: the first lap must not pay a page fault for every 64 events. A part of the ring is
            // enough for short-lived threads.
            kernel(SYS_madvise, address(ring) &+ UInt64(CASTOR_RING_HEADER), 0x20000, 23)
            castor_store32(state, CASTOR_RING_LIVE)
            return ring
        }
        i &+= 1
    }
    return nil
}

/// Gives the calling thread its stream; its first entry is CASTOR_EV_THREAD_START, whose payload describes the program
/// if it has just been executed.
@_noLocks func attach(
    _ stream: UInt32, parent: UInt32, routine: UInt64 = 0, image: UnsafePointer<castor_image>? = nil
) {
    let me = castor_me()
    me.pointee.pid = UInt32(truncatingIfNeeded: kernel(SYS_getpid))
    me.pointee.tid = UInt32(truncatingIfNeeded: kernel(SYS_gettid))
    me.pointee.stream = stream
    beginOwning(me)
    guard let ring = claimRing(stream, me, parent: parent) else {
        if castor_exchange32(stoppedWord, CASTOR_STOP_RINGS) == 0 { say("castor: too many threads at once; they cannot all be recorded") }
        goOnUnrecorded()
        return
    }
    if castor_mode_now() == CASTOR_MODE_OFF { castor_mode_set(segment.pointee.mode) }
    if isRecording {
        me.pointee.ring = ring
        me.pointee.disturbed = Disturbance.ofNewThread()
        // An older one of the number may be there.
        if me.pointee.disturbed & Disturbance.identities != 0 { Identities.note(recorded: me.pointee.tid, real: me.pointee.tid) }
        recordStart(me, ring, parent: parent, routine, image)
    } else {
        me.pointee.ring = ring
        noteBeginning(of: stream)
        let e = ring.peek()
        if e.pointee.kind == CASTOR_EV_LIVE {
            _ = castor_goes_live()
            return recordStart(me, ring, parent: parent, routine, image)
        }
        if e.pointee.kind == CASTOR_EV_END { park(me) }
        if e.pointee.kind != CASTOR_EV_THREAD_START || (e.pointee.object != routine && !isLenient) {
            diverge(
                CASTOR_DIVERGENCE_EVENT, me, expected: e.pointee, actual: attempt(CASTOR_EV_THREAD_START, 0, routine),
                "the start of a thread")
        }
        let entry = e.pointee
        if isStandby { Identities.note(recorded: UInt32(truncatingIfNeeded: entry.result), real: me.pointee.tid) }
        waitTurn(ring, entry)
        var reader = PayloadReader(ring, entry)
        if let image { load(image, &reader) }
        reader.finish()
        if isTotal { passTotal() }
        if stream == segment.pointee.debug_stream { awaitDebugger(me) }
    }
}

@_noLocks private func recordStart(
    _ me: Thread, _ ring: Ring, parent: UInt32, _ routine: UInt64, _ image: UnsafePointer<castor_image>?
) {
    guard ring.hasRoom() else { return }
    let e = ring.next
    let isKnown = castor_load32(castor_segment_identities_noted(segment)) != 0  // to the program, by other ids
    let (pid, tid) = (UInt64(me.pointee.pid), UInt64(me.pointee.tid))
    e.pointee = attempt(CASTOR_EV_THREAD_START, 0, routine, isKnown ? Identities.recorded(pid) : pid, UInt64(parent))
    e.pointee.result = Int64(isKnown ? Identities.recorded(tid) : tid)
    e.pointee.stamp = castor_rdtsc()
    e.pointee.payload = UInt32(truncatingIfNeeded: image.map { payloadLength($0) } ?? 0)
    var writer = PayloadWriter(ring)
    if let image { store(image, &writer) }
    writer.finish()
}

// MARK: - Programs that have just been executed

@_noLocks private func payloadLength(_ image: UnsafePointer<castor_image>) -> UInt64 {
    16 &+ 16 &+ UInt64(image.pointee.name_length) &+ UInt64(image.pointee.words_length)
        &+ UInt64(image.pointee.maps_length)
}
@_noLocks private func store(_ image: UnsafePointer<castor_image>, _ writer: inout PayloadWriter) {
    var lengths: (UInt32, UInt32, UInt32, UInt32) = (
        16, image.pointee.name_length, image.pointee.words_length, image.pointee.maps_length
    )
    withUnsafeMutablePointer(to: &lengths) { writer.put(address($0), 16) }
    writer.put(address(UnsafeRawPointer(image.pointee.random)), 16)
    writer.put(address(UnsafeRawPointer(image.pointee.name)), UInt64(lengths.1))
    writer.put(address(UnsafeRawPointer(image.pointee.words)), UInt64(lengths.2))
    writer.put(address(UnsafeRawPointer(image.pointee.maps)), UInt64(lengths.3))
}
/// Replay: puts back what the kernel chose. The name is of the same length, for everything below it on the stack has to be
/// where it was.
@_noLocks private func load(_ image: UnsafePointer<castor_image>, _ reader: inout PayloadReader) {
    var lengths: (UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0)
    withUnsafeMutablePointer(to: &lengths) { reader.take(address($0), 16) }
    reader.take(address(UnsafeRawPointer(image.pointee.random)), 16)
    reader.take(
        lengths.1 == image.pointee.name_length ? address(UnsafeRawPointer(image.pointee.name)) : 0, UInt64(lengths.1))
}

@c @implementation @_noLocks
func castor_attach_image(_ image: UnsafePointer<castor_image>) {
    let p = process
    p.pointee.pid = UInt32(truncatingIfNeeded: kernel(SYS_getpid))
    p.pointee.live = 1
    var limit: (UInt64, UInt64) = (0, 0)
    withUnsafeMutablePointer(to: &limit) { _ = kernel(SYS_prlimit64, 0, 3, 0, address($0)) }
    p.pointee.default_stack = limit.0 > 1 << 40 ? 2 << 20 : (limit.0 &+ 4095) & ~4095
    if image.pointee.stream == 0 {
        Descriptors.start()
        segment.pointee.main_pid = p.pointee.pid
    } else {
        closeOldRings(image)
        Connections.begin()
    }
    attach(image.pointee.stream, parent: image.pointee.parent, image: image)
    if isReplaying, !isStandby { discardChildren() }
}

/// The streams of the program that this one has replaced end here. A vfork child's ring is given back by its parent.
@_noLocks private func closeOldRings(_ image: UnsafePointer<castor_image>) {
    var i: UInt32 = 0
    while i < segment.pointee.rings_used {
        let r = castor_ring_at(segment, i)
        if r.pointee.pid == process.pointee.pid, castor_load32(castor_ring_state(r)) == CASTOR_RING_LIVE,
            image.pointee.borrowed == 0 || r.pointee.stream != image.pointee.parent
        {
            castor_store32(castor_ring_state(r), CASTOR_RING_DONE)
            r.callAgent()
        }
        i &+= 1
    }
}

/// Replay: nobody waits for the children that are made again, so the kernel shall not keep them (SA_NOCLDWAIT).
@_noLocks private func discardChildren() {
    var action = castor_action()
    withUnsafeMutablePointer(to: &action) { p in
        kernel(SYS_rt_sigaction, childSignal, 0, address(p), 8)
        p.pointee.flags |= flagDiscardChildren
        kernel(SYS_rt_sigaction, childSignal, address(p), 0, 8)
    }
}

/// Replay: the user wants to look at this process from its start. gdb sets the word when it is there.
@inline(never) @_noLocks private func awaitDebugger(_ me: Thread) {
    process.pointee.debugged = 1
    castor_store32(castor_segment_debug_pid(segment), me.pointee.pid)
    castor_await_debugger()
}

// MARK: - Creation

@_noLocks private func lockStacks() {
    let word = castor_process_stack_lock(process)
    while castor_exchange32(word, 1) != 0 { kernel(SYS_sched_yield) }
}
@_noLocks private func unlockStacks() {
    let word = castor_process_stack_lock(process)
    castor_store32(word, 0)
}

/// Nobody runs on the stack any more.
@_noLocks private func isVacant(_ s: UnsafeMutablePointer<castor_stack>) -> Bool {
    s.pointee.state == CASTOR_STACK_FREE
        || (s.pointee.state == CASTOR_STACK_EXITED && s.pointee.released != 0
            && kernel(SYS_tgkill, UInt64(process.pointee.pid), UInt64(s.pointee.tid), 0) == Errno.noSuchProcess)
}

/// The stack of slot `i`, mapped with `total` bytes of which the lowest `guardBytes` cannot be touched.
@_noLocks private func mapStack(_ i: UInt32, _ total: UInt64, _ guardBytes: UInt64) -> UInt64 {
    let s = castor_stack_at(i)
    let at = process.pointee.stack_region &+ UInt64(i) &* CASTOR_STACK_STRIDE
    if s.pointee.size != total {
        if s.pointee.size != 0 { kernel(SYS_munmap, at, s.pointee.size) }
        // MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK | MAP_FIXED
        kernel(SYS_mmap, at, total, 3, 0x2 | 0x20 | 0x4000 | 0x20000 | 0x10, UInt64.max, 0)
        s.pointee.size = total
    } else {
        kernel(SYS_mprotect, at, total, 3)
    }
    if guardBytes > 0 { kernel(SYS_mprotect, at, guardBytes, 0) }
    return at &+ guardBytes
}

@c @implementation @_noLocks
func castor_thread_prepare(_ info: UnsafeMutablePointer<castor_start_info>, _ size: UInt64, _ guardBytes: UInt64) {
    let me = castor_me()
    let ring = me.pointee.ring.unsafelyUnwrapped
    leaveCrowd(me)
    process.pointee.multithreaded = 1
    me.pointee.ordered = 1
    _ = castor_fetch_add32(liveWord, 1)
    let wanted = size == 0 ? process.pointee.default_stack : (size &+ 4095) & ~4095
    let total = isLenient ? min(wanted &+ guardBytes, CASTOR_STACK_STRIDE &- 0x10000) : wanted &+ guardBytes
    let ownStack = size == UInt64.max || total > CASTOR_STACK_STRIDE &- 0x10000
    info.pointee.parent = me.pointee.stream
    var slot: UInt32 = 0
    if replays(me) {
        var turn = castor_turn()
        let routine = UInt64(UInt(bitPattern: unsafeBitCast(info.pointee.routine, to: UnsafeRawPointer.self)))
        castor_symbol_replay(&turn, CASTOR_SYM_pthread_create, routine)
        info.pointee.stream = UInt32(truncatingIfNeeded: turn.value)
        slot = UInt32(truncatingIfNeeded: turn.value >> 32)
        if slot != 0 {
            waitForStack(slot, me)
            lockStacks()
            take(slot, info, total, guardBytes)
            unlockStacks()
        }
        castor_symbol_replayed(&turn)
    } else {
        info.pointee.stream = castor_fetch_add32(
            castor_segment_next_stream(segment), 1)
        guard ring.makeRoom() else { return }
        lockStacks()
        let version = takeVersion(CASTOR_SHARD_PROCESS)
        if !ownStack {
            var i: UInt32 = 0
            while i < process.pointee.stack_high,
                !(castor_stack_at(i).pointee.size == total && isVacant(castor_stack_at(i)))
            {
                i &+= 1
            }
            slot = i &+ 1
            take(slot, info, total, guardBytes)
        }
        unlockStacks()
        let e = ring.next
        e.pointee = attempt(CASTOR_EV_SYMBOL, CASTOR_SYM_pthread_create)
        e.pointee.object = UInt64(UInt(bitPattern: unsafeBitCast(info.pointee.routine, to: UnsafeRawPointer.self)))
        e.pointee.shard = CASTOR_SHARD_PROCESS
        e.pointee.version = version
        e.pointee.stamp = castor_rdtsc()
        e.pointee.value = UInt64(info.pointee.stream) | UInt64(slot) << 32
        ring.publishEvent()
    }
    me.pointee.creating = 1
}

/// Replay: the thread that had the recorded stack before must be gone.
@_noLocks private func waitForStack(_ slot: UInt32, _ me: Thread) {
    if slot > process.pointee.stack_high || isVacant(castor_stack_at(slot &- 1)) { return }
    blockedInReal(me, true)
    while !isVacant(castor_stack_at(slot &- 1)) { kernel(SYS_sched_yield) }
    blockedInReal(me, false)
}

/// Marks slot number `slot` (from 1) as used and gives its stack to the new thread.
@_noLocks private func take(
    _ slot: UInt32, _ info: UnsafeMutablePointer<castor_start_info>, _ total: UInt64, _ guardBytes: UInt64
) {
    if slot > process.pointee.stack_high { process.pointee.stack_high = slot }
    let s = castor_stack_at(slot &- 1)
    s.pointee.state = CASTOR_STACK_USED
    s.pointee.released = UInt8(truncatingIfNeeded: info.pointee.detached)
    s.pointee.detached = UInt8(truncatingIfNeeded: info.pointee.detached)
    s.pointee.ending = 0
    s.pointee.tid = 0
    info.pointee.slot = slot
    info.pointee.stack = mapStack(slot &- 1, total, guardBytes)
    info.pointee.size = total &- guardBytes
}

@c @implementation @_noLocks
func castor_thread_created(_ info: UnsafeMutablePointer<castor_start_info>, _ result: Int32) -> Int32 {
    let me = castor_me()
    me.pointee.creating = 0
    let failed = Int64(result)
    if replays(me) {
        var turn = castor_turn()
        castor_symbol_replay(&turn, CASTOR_SYM_pthread_create, 0)
        castor_symbol_replayed(&turn)
        if turn.result != failed {
            diverge(
                CASTOR_DIVERGENCE_ARGUMENT, me, expected: castor_entry(),
                actual: attempt(CASTOR_EV_SYMBOL, CASTOR_SYM_pthread_create),
                "pthread_create succeeded in one of recording and replay only")
        }
    } else {
        castor_symbol_record(CASTOR_SYM_pthread_create, 0, failed, 0, 0)
    }
    if result != 0 {
        _ = castor_fetch_add32(liveWord, UInt32.max)
        if info.pointee.slot != 0 { castor_stack_at(info.pointee.slot &- 1).pointee.state = CASTOR_STACK_FREE }
    }
    return result
}

@c @implementation @_noLocks
func castor_thread_attach(_ info: UnsafePointer<castor_start_info>) {
    let me = castor_me()
    me.pointee.ordered = 1
    me.pointee.slot = info.pointee.slot
    attach(
        info.pointee.stream, parent: info.pointee.parent,
        routine: UInt64(UInt(bitPattern: unsafeBitCast(info.pointee.routine, to: UnsafeRawPointer.self))))
    if me.pointee.slot != 0 { castor_stack_at(me.pointee.slot &- 1).pointee.tid = me.pointee.tid }
}

@c @implementation @_noLocks
func castor_thread_released(_ thread: UInt64) {
    guard thread >= process.pointee.stack_region else { return }
    let i = (thread &- process.pointee.stack_region) / CASTOR_STACK_STRIDE
    if i < UInt64(CASTOR_STACKS) { castor_stack_at(UInt32(i)).pointee.released = 1 }
}

// MARK: - Ends

/// The thread is about to make its last system call.
@_noLocks func leaveThread(_ me: Thread) {
    if me.pointee.writing != 0 { Descriptors.leaveOutput(me) }
    flushCaches(me)
    let ring = me.pointee.ring.unsafelyUnwrapped
    if isReplaying, isStandby { _ = castor_goes_live() }
    if isRecording {
        guard ring.makeRoom() else { return }
        let e = ring.next
        e.pointee = attempt(CASTOR_EV_THREAD_EXIT, 0)
        e.pointee.stamp = castor_rdtsc()
        ring.publishEvent()
    } else if isReplaying {
        while true {
            let e = ring.peek()
            if e.pointee.kind == CASTOR_EV_SIGNAL {
                castor_deliver()
            } else if e.pointee.kind == CASTOR_EV_END {
                park(me)
            } else if e.pointee.kind == CASTOR_EV_THREAD_EXIT {
                let entry = e.pointee
                waitTurn(ring, entry)
                finishEvent(me, ring, entry)
                break
            } else if isLenient, passesOutput(me, e) {
                continue
            } else {
                diverge(
                    CASTOR_DIVERGENCE_EVENT, me, expected: e.pointee, actual: attempt(CASTOR_EV_THREAD_EXIT, 0),
                    "the end of the thread")
            }
        }
    }
    if me.pointee.slot != 0 { castor_stack_at(me.pointee.slot &- 1).pointee.state = CASTOR_STACK_EXITED }
    me.pointee.ring = nil
    if isReplaying { noteEnd(of: me.pointee.stream) }
    castor_store32(castor_ring_state(ring), CASTOR_RING_DONE)
    ring.callAgent()
    rest(me)
    let live = castor_fetch_add32(liveWord, UInt32.max) &- 1
    if isReplaying {
        wakeAll(address(parkedWord))
        if live > 0, castor_load32(parkedWord) >= live { endOfRecording(me) }
    }
}
