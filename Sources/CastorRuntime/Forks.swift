/// What a forked child finds of the other threads' work is a copy of memory at one moment, so a fork of several
/// threads is a cut through all streams of its process: each of the others does before it exactly what it did in the
/// recording.
///
/// Recording: no thread passes an event boundary while one forks. Those that are inside a call stand still; their
/// positions go into the log (CASTOR_EV_FORK_CUT), and the first event that each logs afterwards says that it comes after
/// the fork (CASTOR_EV_FORK_SEEN). A thread that computes is given
/// time to come to its next event, then taken as it is.
///
/// Replay: the thread that forks waits until the others have come to their positions.
import CTSXGate
import CTSXShim

private let membarrierExpedited: UInt64 = 8
private let membarrierRegister: UInt64 = 16
/// SIG_SETMASK
private let setMask: UInt64 = 2
/// What a thread that computes is given: processor time of its own, for on a busy machine it may not run at all for long;
/// and time altogether, for it may be stopped.
private let patienceOfThread: UInt64 = 2_000_000
private let patienceOfAll: UInt64 = 2_000_000_000
private let monotonicClock: UInt64 = 1

@inline(__always) var forksWord: UnsafeMutablePointer<UInt32> { castor_process_forks(process) }

// MARK: - Recording

/// Before the system call.
@_noLocks func beginCut(_ me: Thread, _ f: Frame) {
    let ring = me.pointee.ring.unsafelyUnwrapped
    if castor_load32(liveWord) < 2 { return }
    recordBegin(me, f)  // the place of the fork itself comes after the cut: others inside the cut may have taken one
    ring.pointee.forks = castor_fetch_add32(forksWord, 1) &+ 1
    // Whoever has not seen the new count has not left its last call either; nobody pays for a fence but forks.
    if kernel(SYS_membarrier, membarrierExpedited) < 0 {
        kernel(SYS_membarrier, membarrierRegister)
        kernel(SYS_membarrier, membarrierExpedited)
    }
    logCut(ring)
    f.pointee.shard = CASTOR_SHARD_PROCESS
    f.pointee.version = takeVersion(CASTOR_SHARD_PROCESS)
}

/// Waits until a thread stands still, or has used up its patience.
@_noLocks private func waitUntilQuiet(_ other: Ring, end: UInt64) {
    let clock = cpuClock(of: other.pointee.tid)
    let start = read(clock: clock)
    while !isQuiet(other), isLive(other), read(clock: clock) &- start < patienceOfThread,
        read(clock: monotonicClock) < end
    {
        doze()
    }
}

/// MAKE_THREAD_CPUCLOCK: scheduled time of a thread.
@inline(__always) @_noLocks private func cpuClock(of tid: UInt32) -> UInt64 { UInt64(~tid) << 3 | 6 }
/// Nanoseconds, 0 for the clock of a thread that has ended.
@_noLocks private func read(clock: UInt64) -> UInt64 {
    var time: (UInt64, UInt64) = (0, 0)
    withUnsafeMutablePointer(to: &time) { _ = kernel(SYS_clock_gettime, clock & 0xffff_ffff, address($0)) }
    return time.0 &* 1_000_000_000 &+ time.1
}
@_noLocks private func doze() {
    var time: (UInt64, UInt64) = (0, 50_000)
    withUnsafeMutablePointer(to: &time) { _ = kernel(SYS_nanosleep, address($0)) }
}

/// A place for every ring that is in use, though some belong to no other thread of this process: threads begin and end
/// meanwhile, and the length of the payload has to be known first.
@_noLocks private func logCut(_ own: Ring) {
    let end = read(clock: monotonicClock) &+ patienceOfAll
    let used = castor_load32(castor_segment_rings_used(segment))
    guard own.hasRoom() else { return }
    let e = own.next
    e.pointee = attempt(CASTOR_EV_FORK_CUT, 0)
    e.pointee.stamp = castor_rdtsc()
    e.pointee.payload = used &* UInt32(MemoryLayout<castor_place>.stride)
    var writer = PayloadWriter(own)
    var i: UInt32 = 0
    while i < used {
        let ring = castor_ring_at(segment, i)
        i &+= 1
        var place = castor_place(stream: CASTOR_NO_SHARD, quiet: 0, events: 0, owned: 0)
        if ring != own, ring.pointee.pid == process.pointee.pid, isLive(ring) {
            if !isQuiet(ring) { waitUntilQuiet(ring, end: end) }
            let progress = castor_progress_of(segment, ring.pointee.stream)
            place = castor_place(
                stream: ring.pointee.stream, quiet: isQuiet(ring) ? 1 : 0, events: ring.pointee.events,
                owned: castor_load(castor_progress_count(progress)))
        }
        withUnsafeMutablePointer(to: &place) { writer.put(address($0), UInt64(MemoryLayout<castor_place>.stride)) }
    }
    writer.finish()
}

@inline(__always) @_noLocks private func isLive(_ ring: Ring) -> Bool {
    castor_load32(castor_ring_state(ring)) == CASTOR_RING_LIVE
}
@inline(__always) @_noLocks private func isQuiet(_ ring: Ring) -> Bool {
    castor_load32(castor_ring_waiting(ring)) != CASTOR_RUNNING
}

/// After the system call, on both sides of it.
@_noLocks func endCut(_ me: Thread, _ f: Frame) {
    if f.pointee.result == 0 {  // the child: alone, its ring still its parent's
        castor_store32(forksWord, 0)
        return
    }
    let now = castor_fetch_add32(forksWord, 1) &+ 1
    if let ring = me.pointee.ring { ring.pointee.forks = now }
    wakeAll(address(forksWord))
}

// MARK: - Signals

/// No signal arrives between the decision to fork and the first event of both sides: it would be handled in one of them,
/// and the log could not say which. Nor may a handler run inside a cut, where it might wait for a thread that waits for
/// the cut's end. The frame keeps the mask.
@_noLocks func blockSignals(_ f: Frame) {
    var all = UInt64.max
    withUnsafeMutablePointer(to: &all) {
        _ = kernel(SYS_rt_sigprocmask, setMask, address($0), address(scratch(f) + 6), 8)
    }
}
@_noLocks func unblockSignals(_ f: Frame) { kernel(SYS_rt_sigprocmask, setMask, address(scratch(f) + 6), 0, 8) }

extension UnsafeMutablePointer where Pointee == castor_ring {
    /// The thread has left its call. It says so before it looks at the count of forks: one that forks counts before it looks
    /// who stands still (with a memory barrier of all threads in between), so that one of the two sees the other.
    @inline(__always) @_noLocks func resume() { castor_store32(castor_ring_waiting(self), CASTOR_RUNNING) }

    /// Another thread forks or has forked since this stream's last event.
    @inline(never) @_noLocks func noticeFork() -> Bool {
        pointee.waiting = CASTOR_WAIT_TURN
        var now = castor_load32(forksWord)
        while now & 1 != 0 {
            sleepOn(address(forksWord), now, milliseconds: 100)
            now = castor_load32(forksWord)
        }
        pointee.waiting = CASTOR_RUNNING
        pointee.forks = now
        guard hasRoom() else { return false }
        let e = next
        e.pointee = attempt(CASTOR_EV_FORK_SEEN, 0)
        e.pointee.shard = CASTOR_SHARD_PROCESS
        e.pointee.version = takeVersion(CASTOR_SHARD_PROCESS)
        e.pointee.stamp = castor_rdtsc()
        publishEvent()
        return hasRoom()
    }
}

// MARK: - Replay

/// The next event is the cut of a fork: waits until the other threads stand where they stood.
@inline(never) @_noLocks func waitForCut(_ me: Thread, _ ring: Ring, _ entry: castor_entry) {
    waitTurn(ring, entry)
    blockedInReal(me, true)
    var reader = PayloadReader(ring, entry)
    var left = entry.payload / UInt32(MemoryLayout<castor_place>.stride)
    while left > 0 {
        left &-= 1
        var place = castor_place()
        withUnsafeMutablePointer(to: &place) { reader.take(address($0), UInt64(MemoryLayout<castor_place>.stride)) }
        while place.stream != CASTOR_NO_SHARD, !hasArrived(place) { doze() }
    }
    blockedInReal(me, false)
    reader.finish()
    if isTotal { passTotal() }
}

@_noLocks private func hasArrived(_ place: castor_place) -> Bool {
    var i: UInt32 = 0
    let used = castor_load32(castor_segment_rings_used(segment))
    while i < used {
        let r = castor_ring_at(segment, i)
        i &+= 1
        guard r.pointee.stream == place.stream, isLive(r) else { continue }
        // Where it is before what it does there: a thread says that it runs before it leaves an event.
        let head = castor_load(castor_ring_head(r))
        let isAtFork =
            castor_load(castor_ring_tail(r)) > head && castor_slot(r, head).pointee.kind == CASTOR_EV_FORK_SEEN
        let events = castor_load(castor_ring_events(r))
        let doing = castor_load32(castor_ring_waiting(r))
        if doing == CASTOR_PARKED || doing == CASTOR_WAIT_OTHERS { return true }
        let owned = castor_load(castor_progress_count(castor_progress_of(segment, place.stream)))
        if events < place.events || owned < place.owned { return false }
        if place.quiet == 0 { return true }
        if doing == CASTOR_WAIT_REAL { return events > place.events }  // in a call that never returned
        // A standby's log may not have its next event yet, which says that it comes after the fork.
        if isStandby, doing == CASTOR_WAIT_FEED, castor_load(castor_ring_tail(r)) == head { return true }
        return doing == CASTOR_WAIT_TURN && isAtFork
    }
    return hasEnded(place.stream)  // it was about to end when the recorded one forked
}

// Threads that have ended have no ring any more; nor have those that are still to begin.

@inline(__always) @_noLocks private func endedWord(_ stream: UInt32) -> UnsafeMutablePointer<UInt32> {
    castor_segment_ended(segment) + Int(stream % CASTOR_ENDED / 32)
}
@_noLocks private func hasEnded(_ stream: UInt32) -> Bool { castor_load32(endedWord(stream)) >> (stream & 31) & 1 != 0 }
@_noLocks func noteEnd(of stream: UInt32) { _ = castor_fetch_or32(endedWord(stream), 1 << (stream & 31)) }
@_noLocks func noteBeginning(of stream: UInt32) { _ = castor_fetch_and32(endedWord(stream), ~(1 << (stream & 31))) }
