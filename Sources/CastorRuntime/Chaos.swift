/// The chaos mode (`castor record --chaos`): scheduling that brings out rare interleavings. Each thread is in a mood, which
/// changes now and then; a mood makes it run on, give way, or stand still before it takes a lock or makes a system call:
/// between two critical sections rather than in one, where it would only hold up all others.
import CTSXGate
import CTSXShim

private enum Mood {
    static let undisturbed: UInt32 = 0
    /// Gives way at every second event.
    static let polite: UInt32 = 1
    /// Sleeps up to 1 ms at one event in 64.
    static let sleepy: UInt32 = 2
    /// Stands still once, for 1 to 256 ms, short stops being as likely as long ones. At most half of a process's threads at
    /// a time, for the others are to get far meanwhile.
    static let stopped: UInt32 = 3
    /// Shares one processor with all others in this mood.
    static let crowded: UInt32 = 4

    /// Most threads run on most of the time, or nothing would be rare any more.
    @inline(__always) @_noLocks static func drawn(_ r: UInt64) -> UInt32 {
        switch r & 15 {
        case 0, 1, 2: stopped
        case 3: polite
        case 4: sleepy
        case 5: crowded
        default: undisturbed
        }
    }
}

@inline(__always) @_noLocks private func draw(_ me: Thread) -> UInt64 {
    var x = me.pointee.chance
    if x == 0 {
        x =
            UInt64(segment.pointee.chaos) &* 0x9e37_79b9_7f4a_7c15 ^ (UInt64(me.pointee.stream) &+ 1)
            &* 0xd6e8_feb8_6659_fd93
    }
    x ^= x << 13
    x ^= x >> 7
    x ^= x << 17
    me.pointee.chance = x
    return x &* 0x2545_f491_4f6c_dd1d >> 16
}

@c @implementation @_noLocks
func castor_disturb() {
    let me = castor_me()
    guard isRecording, me.pointee.ring != nil else { return }
    let r = draw(me)
    // A mood lasts 1024 events on average, a stop a single one.
    if r & 1023 == 0 || me.pointee.mood == Mood.stopped { change(me, r >> 10) }
    switch me.pointee.mood {
    case Mood.polite: if r & 1024 != 0 { kernel(SYS_sched_yield) }
    case Mood.sleepy: if r >> 10 & 63 == 0 { sleep(r >> 16 & 1023) }
    case Mood.stopped: stop((1000 << (r >> 16 & 7)) &+ (r >> 20) % (1000 << (r >> 16 & 7)))
    default: break
    }
}

@_noLocks private func change(_ me: Thread, _ r: UInt64) {
    let before = me.pointee.mood
    me.pointee.mood = before == Mood.stopped ? Mood.undisturbed : Mood.drawn(r)
    if me.pointee.mood == Mood.crowded { confine(me, to: 1) } else if before == Mood.crowded { confine(me, to: 0) }
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

@_noLocks private func stop(_ microseconds: UInt64) {
    let stopped = castor_process_stopped(process)
    if castor_fetch_add32(stopped, 1) < max(1, castor_load32(liveWord) / 2) { sleep(microseconds) }
    _ = castor_fetch_add32(stopped, UInt32.max)
}
@_noLocks private func sleep(_ microseconds: UInt64) {
    var time: (UInt64, UInt64) = (0, microseconds &* 1000)
    withUnsafeMutablePointer(to: &time) { _ = kernel(SYS_nanosleep, address($0)) }
}
