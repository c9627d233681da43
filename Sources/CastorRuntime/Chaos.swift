/// The chaos mode (`castor record --chaos`): scheduling that brings out rare interleavings. Each thread is in a mood, which
/// changes now and then; a mood makes it run on, give way, or stand still before it takes a lock or makes a system call:
/// between two critical sections rather than in one, where it would only hold up all others.
///
/// What matters of a stop is where it is and how far the others get meanwhile, so it is measured in their events, not in
/// time: the same at every speed of the program. Preferred places are those where a thread comes back to something shared
/// that it has let go shortly before: what it has found out there may no longer be true (a check and its use, a pointer
/// kept across an unlock, a value read and written back).
import CTSXGate
import CTSXShim

private enum Mood {
    static let undisturbed: UInt32 = 0
    /// Gives way at every second event.
    static let polite: UInt32 = 1
    /// Sleeps up to 1 ms at one event in 64.
    static let sleepy: UInt32 = 2
    /// Stands still again and again until the others have got far. At most three in four of a process's threads at a time.
    static let halting: UInt32 = 3
    /// Shares one processor with all others in this mood.
    static let crowded: UInt32 = 4

    @inline(__always) @_noLocks static func drawn(_ r: UInt64) -> UInt32 {
        switch r & 31 {
        case 0: polite
        case 1: sleepy
        case 2: crowded
        case 3..<7: undisturbed
        default: halting
        }
    }
}

/// Where a thread is to be stopped: the higher, the rarer.
private enum Place {
    static let anywhere: UInt32 = 0
    /// Before it takes something that goes from thread to thread.
    static let shared: UInt32 = 1
    /// Before it takes once more what it took shortly before, in the same piece of business: since it last asked for input.
    static let again: UInt32 = 2

    @inline(__always) @_noLocks static func drawn(_ r: UInt64) -> UInt32 {
        switch r & 7 {
        case 0: anywhere
        case 1: shared
        default: again
        }
    }
}

@inline(__always) @_noLocks private func draw(_ me: Thread) -> UInt64 {
    var x = me.pointee.unrest.chance
    if x == 0 {
        x =
            UInt64(segment.pointee.chaos) &* 0x9e37_79b9_7f4a_7c15 ^ (UInt64(me.pointee.stream) &+ 1)
            &* 0xd6e8_feb8_6659_fd93
    }
    x ^= x << 13
    x ^= x >> 7
    x ^= x << 17
    me.pointee.unrest.chance = x
    return (x &* 0x2545_f491_4f6c_dd1d) >> 16  // the shift binds tighter than the product
}

@c @implementation @_noLocks
func castor_disturb(_ object: UInt64) {
    let me = castor_me()
    guard isRecording, me.pointee.ring != nil, me.pointee.disturbed & Disturbance.chaos != 0 else { return }
    _ = castor_fetch_add32(castor_segment_progress(segment), 1)
    if me.pointee.unrest.busy == 0 {
        me.pointee.unrest.busy = 1
        _ = castor_fetch_add32(castor_process_busy(process), 1)
    }
    let place = place(me, object)
    let r = draw(me)
    // A mood lasts 1024 events on average.
    if r & 1023 == 0 { change(me, r >> 10) }
    switch me.pointee.mood {
    case Mood.polite: if r & 1024 != 0 { kernel(SYS_sched_yield) }
    case Mood.sleepy: if r >> 10 & 63 == 0 { sleep(r >> 16 & 1023) }
    case Mood.halting: halt(me, at: place)
    default: break
    }
    if object & CASTOR_MAY_REST != 0 { rest(me) }
}

/// The thread waits for input from here on, or ends.
@inline(__always) @_noLocks func rest(_ me: Thread) {
    if me.pointee.unrest.busy == 0 { return }
    me.pointee.unrest.busy = 0
    _ = castor_fetch_add32(castor_process_busy(process), UInt32.max)
}

@_noLocks private func change(_ me: Thread, _ r: UInt64) {
    let before = me.pointee.mood
    me.pointee.mood = Mood.drawn(r)
    if me.pointee.mood == Mood.crowded { confine(me, to: 1) } else if before == Mood.crowded { confine(me, to: 0) }
}

/// Notes who takes the object. Several threads may write into one entry at once: a wrong one costs a good place, no more.
@inline(__always) @_noLocks private func place(_ me: Thread, _ taken: UInt64) -> UInt32 {
    if taken == 0 { return Place.anywhere }
    let object = taken & ~CASTOR_MAY_REST
    let unrest = castor_thread_unrest(me)
    let recent = castor_unrest_recent(unrest)
    if object == 0 {
        for i in 0..<Int(CASTOR_RECENT) { recent[i] = 0 }
        return Place.anywhere
    }
    // Address, how much it goes from hand to hand (4 bits), who took it last (12 bits).
    let entry = castor_process_takers(process) + Int(truncatingIfNeeded: (object &* 0x9e37_79b9_7f4a_7c15) >> 54)
    let found = castor_load(entry)
    let stream = UInt64(me.pointee.stream) & 0xfff
    var hands: UInt64 = 0
    if found >> 16 == object {
        hands = found >> 12 & 15
        if found & 0xfff != stream { hands = min(15, hands &+ 6) } else if hands > 0 { hands &-= 1 }
    }
    castor_store(entry, object << 16 | hands << 12 | stream)
    if hands == 0 { return Place.anywhere }
    for i in 0..<Int(CASTOR_RECENT) where recent[i] == object { return Place.again }
    recent[Int(unrest.pointee.recent_next % CASTOR_RECENT)] = object
    unrest.pointee.recent_next &+= 1
    return Place.shared
}

/// Counts down to the next stop, which comes when the thread is at a place of the kind that was drawn, or after 64 events
/// in vain.
@inline(__always) @_noLocks private func halt(_ me: Thread, at place: UInt32) {
    let unrest = castor_thread_unrest(me)
    unrest.pointee.due &-= 1
    if unrest.pointee.due > 0 || (place < unrest.pointee.place && unrest.pointee.due > -64) { return }
    let r = draw(me)
    unrest.pointee.due = 1 &+ Int32(truncatingIfNeeded: (r >> 8) % (1 << (r & 3)))
    unrest.pointee.place = Place.drawn(r >> 16)
    stop(me, draw(me))
    if r >> 20 & 7 == 0 { change(me, r >> 24) }
}

/// Until the others have made 16 to 16384 events, few being as likely as many, but for no longer than 1 to 256 ms, and only
/// while they make any: when all wait, for those that stand still or for what comes from outside, one of these goes on.
@_noLocks private func stop(_ me: Thread, _ r: UInt64) {
    let stopped = castor_process_stopped(process)
    if castor_fetch_add32(stopped, 1) < max(1, castor_load32(liveWord) * 3 / 4) { wait(me, r) }
    _ = castor_fetch_add32(stopped, UInt32.max)
}

private var othersWork: Bool {
    @_noLocks get {
        Int32(bitPattern: castor_load32(castor_process_busy(process)) &- castor_load32(castor_process_stopped(process))) > 0
    }
}

@_noLocks private func wait(_ me: Thread, _ r: UInt64) {
    let progress = castor_segment_progress(segment)
    let pace = UInt64(me.pointee.unrest.pace)
    let least: UInt64 = 16 << (r % 10)
    let events = UInt32(truncatingIfNeeded: least &+ (r >> 8) % least)
    let limit: UInt64 = 1_000_000 << (r >> 40 & 7)
    // How long a silence shows that all others wait depends on how often they make an event. A thread that was at work may
    // compute, or have lost its processor: it is given more time.
    let silence = pace == 0 ? 1_000_000 : min(max(pace << (2 &+ (r >> 45 & 3)), 50_000), 100_000_000)
    let begin = castor_load32(progress)
    let start = now()
    var last = begin
    var moved = start
    while me.pointee.pending_signals == 0 {
        sleep(50)
        let seen = castor_load32(progress)
        let time = now()
        if seen != last {
            last = seen
            moved = time
        } else if time &- moved > (othersWork ? silence << 4 : silence), castor_cas32(progress, seen, seen &+ 1) != 0 {
            // The others that stand still see this as an event. To stop again soon would be as vain.
            me.pointee.unrest.due = 4 &+ Int32(truncatingIfNeeded: (r >> 32) % 28)
            break
        }
        if seen &- begin >= events || time &- start > limit { break }
    }
    let made = UInt64(last &- begin)
    if made > 0 {
        me.pointee.unrest.pace = UInt32(truncatingIfNeeded: max(1, min((moved &- start) / made, 10_000_000)))
    }
}

/// What a thread makes, another thread or a program in its place, inherits its processors, but not its mood.
@inline(__always) @_noLocks func leaveCrowd(_ me: Thread) {
    if me.pointee.mood != Mood.crowded { return }
    me.pointee.mood = Mood.undisturbed
    confine(me, to: 0)
}

/// To the first processor, or to all that the process had at its start.
@_noLocks private func confine(_ me: Thread, to: UInt64) {
    if process.pointee.processors.0 == 0 {
        kernel(SYS_sched_getaffinity, 0, 128, address(castor_process_processors(process)))
    }
    let all = castor_process_processors(process)
    if to == 0 {
        kernel(SYS_sched_setaffinity, 0, 128, address(all))
        return
    }
    var i = 0
    while i < 15, all[i] == 0 { i &+= 1 }
    var one: InlineArray<16, UInt64> = .init(repeating: 0)
    one[i] = all[i] & (0 &- all[i])
    withUnsafeMutablePointer(to: &one) { _ = kernel(SYS_sched_setaffinity, 0, 128, address($0)) }
}

@_noLocks private func sleep(_ microseconds: UInt64) {
    var time: (UInt64, UInt64) = (0, microseconds &* 1000)
    withUnsafeMutablePointer(to: &time) { _ = kernel(SYS_nanosleep, address($0)) }
}
