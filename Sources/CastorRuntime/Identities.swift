/// After a take-over the program knows its processes and threads by the ids that the primary's kernel gave them; this kernel has
/// given others. Calls that take ids get the kernel's, calls that tell them tell the program's. An id that neither side of the table has
/// is the same for both: what was made since.
///
/// Not translated: the sender in a signal's siginfo, owners of PI futexes, names in /proc.
import CTSXGate
import CTSXShim

enum Identities {
    // MARK: - The table

    /// A thread has begun, on a standby or after it went live. The newest stand for ids that were given twice; those of threads that are still
    /// there are kept.
    @_noLocks static func note(recorded: UInt32, real: UInt32) {
        var place: UInt32
        var tries = 0
        repeat {
            place = castor_fetch_add32(castor_segment_identities_noted(segment), 1)
            tries += 1
        } while place >= CASTOR_IDENTITIES && tries < 1000 && isThere(castor_load(castor_identity_at(segment, place % CASTOR_IDENTITIES)))
        castor_store(castor_identity_at(segment, place % CASTOR_IDENTITIES), UInt64(recorded) << 32 | UInt64(real))
    }
    /// A process was made again: the program knows it, though its own first event may not be in the log of a primary that has died.
    @_noLocks static func noteChild(recorded: Int64, real: Int64) {
        guard isStandby, isReplaying, recorded > 0, real > 0 else { return }
        if find(UInt64(real), shift: 0).map({ $0 >> 32 }) == UInt64(recorded) { return }
        note(recorded: UInt32(truncatingIfNeeded: recorded), real: UInt32(truncatingIfNeeded: real))
    }
    @_noLocks private static func isThere(_ pair: UInt64) -> Bool {
        pair != 0 && kernel(SYS_tkill, pair & 0xffff_ffff, 0) != Errno.noSuchProcess
    }

    @_noLocks static func real(_ recorded: UInt64) -> UInt64 { find(recorded, shift: 32).map { $0 & 0xffff_ffff } ?? recorded }
    @_noLocks static func recorded(_ real: UInt64) -> UInt64 { find(real, shift: 0).map { $0 >> 32 } ?? real }

    @_noLocks private static func find(_ id: UInt64, shift: UInt64) -> UInt64? {
        let noted = castor_load32(castor_segment_identities_noted(segment))
        var back: UInt32 = 1
        while back <= min(noted, CASTOR_IDENTITIES) {
            let pair = castor_load(castor_identity_at(segment, (noted &- back) % CASTOR_IDENTITIES))
            if pair >> shift & 0xffff_ffff == id { return pair }
            back &+= 1
        }
        return nil
    }

    // MARK: - Calls

    /// Which arguments of a call are ids.
    private struct Arguments {
        var first = false
        var second = false
        /// The first one may name a group of processes.
        var isGroup = false

        @_noLocks init(of f: Frame) {
            switch Int32(truncatingIfNeeded: f.pointee.nr) {
            case SYS_kill, SYS_wait4: isGroup = true
            case SYS_tkill, SYS_rt_sigqueueinfo, SYS_getpgid, SYS_getsid, SYS_prlimit64, SYS_pidfd_open, SYS_sched_setaffinity,
                SYS_sched_getaffinity, SYS_sched_setscheduler, SYS_sched_getscheduler, SYS_sched_setparam, SYS_sched_getparam,
                SYS_sched_setattr, SYS_sched_getattr:
                first = true
            case SYS_tgkill, SYS_rt_tgsigqueueinfo, SYS_setpgid: (first, second) = (true, true)
            case SYS_setpriority, SYS_getpriority: second = true
            case SYS_waitid: second = f.pointee.a0 & 0xffff_ffff != 3  // P_PIDFD
            default: break
            }
        }
        var isAny: Bool { @_noLocks get { first || second || isGroup } }

        /// The first two arguments for this kernel.
        @_noLocks func real(_ f: Frame) -> (UInt64, UInt64) {
            var (a0, a1) = (f.pointee.a0, f.pointee.a1)
            if first { a0 = Identities.real(a0 & 0xffff_ffff) }
            if second { a1 = Identities.real(a1 & 0xffff_ffff) }
            if isGroup { a0 = group(a0) }
            return (a0, a1)
        }
    }

    /// Before the call is made. The arguments are put back by `leave`, before the event is written.
    /// `isLibcsOwn`: the library knows its threads by the ids that this kernel has given; only the calling thread's it asks for, right
    /// before it uses it (gettid, getpid, tgkill).
    @inline(never) @_noLocks static func enter(_ f: Frame, isLibcsOwn: Bool) {
        let me = castor_me()
        let isRaising = me.pointee.is_raising != 0
        if f.pointee.nr != UInt64(SYS_getpid) { me.pointee.is_raising = f.pointee.nr == UInt64(SYS_gettid) && isLibcsOwn ? 1 : 0 }
        if takesHeader(f) { halves(f.pointee.a0)[1] = UInt32(truncatingIfNeeded: real(UInt64(halves(f.pointee.a0)[1]))) }
        var ids = Arguments(of: f)
        if !ids.isAny { return }
        scratch(f)[0] = f.pointee.a0
        scratch(f)[1] = f.pointee.a1
        // The two may be the same number for different threads.
        if f.pointee.nr == UInt64(SYS_tgkill), isLibcsOwn, !isRaising,
            kernel(SYS_tgkill, real(f.pointee.a0 & 0xffff_ffff), f.pointee.a1, 0) != Errno.noSuchProcess
        {
            ids.second = false
        }
        (f.pointee.a0, f.pointee.a1) = ids.real(f)
    }

    /// After it.
    @inline(never) @_noLocks static func leave(_ f: Frame) {
        if Arguments(of: f).isAny {
            f.pointee.a0 = scratch(f)[0]
            f.pointee.a1 = scratch(f)[1]
        }
        if takesHeader(f) { halves(f.pointee.a0)[1] = UInt32(truncatingIfNeeded: recorded(UInt64(halves(f.pointee.a0)[1]))) }
        if f.pointee.result < 0 { return }
        switch Int32(truncatingIfNeeded: f.pointee.nr) {
        case SYS_getpid, SYS_gettid, SYS_getppid, SYS_getpgrp, SYS_getpgid, SYS_getsid, SYS_wait4:
            f.pointee.result = Int64(recorded(UInt64(f.pointee.result)))
        case SYS_waitid where f.pointee.a2 != 0:  // siginfo_t: si_pid at 12
            let id = halves(f.pointee.a2 &+ 12)
            id[0] = UInt32(recorded(UInt64(id[0])))
        default: break
        }
    }

    /// struct __user_cap_header_struct, with an id behind its version.
    @_noLocks private static func takesHeader(_ f: Frame) -> Bool {
        (f.pointee.nr == UInt64(SYS_capset) || f.pointee.nr == UInt64(SYS_capget)) && f.pointee.a0 != 0
    }

    /// An id, or, below -1, that of a group's first process.
    @_noLocks private static func group(_ argument: UInt64) -> UInt64 {
        let id = Int32(truncatingIfNeeded: argument)
        if id > 0 { return real(UInt64(id)) }
        return id < -1 ? UInt64(bitPattern: -Int64(real(UInt64(-Int64(id))))) : argument
    }

    // MARK: - Replay on a standby

    /// A call that is made again.
    @inline(never) @_noLocks static func repeated(_ f: Frame) -> Int64 {
        let nr = Int32(truncatingIfNeeded: f.pointee.nr)
        var header: UInt64 = 0
        var (a0, a1) = Arguments(of: f).real(f)
        return withUnsafeMutablePointer(to: &header) { header in
            if takesHeader(f) {
                (a0, a1) = (address(header), f.pointee.a1)
                header.pointee = words(f.pointee.a0)[0] & 0xffff_ffff | real(words(f.pointee.a0)[0] >> 32) << 32
            }
            return kernel(nr, a0, a1, f.pointee.a2, f.pointee.a3, f.pointee.a4, f.pointee.a5)
        }
    }

    /// A child was waited for, which the kernel here keeps until somebody does. Its own replay ends soon, if it has not.
    @_noLocks static func reap(_ f: Frame, _ entry: castor_entry) {
        let isWaitID = f.pointee.nr == UInt64(SYS_waitid)
        var id: UInt64
        if isWaitID {
            guard f.pointee.a2 != 0, f.pointee.a3 & 0x100_0000 == 0 else { return }  // WNOWAIT
            let info = halves(f.pointee.a2)
            guard info[0] != 0, info[2] <= 3 else { return }  // si_signo; si_code: CLD_EXITED, CLD_KILLED, CLD_DUMPED
            id = UInt64(info[3])
        } else {
            guard entry.result > 0 else { return }
            if f.pointee.a1 != 0, case let status = halves(f.pointee.a1)[0], status & 0xff == 0x7f || status == 0xffff { return }
            id = UInt64(entry.result)
        }
        id = real(id)
        var tries = 0
        while tries < 2000, kernel(SYS_wait4, id, 0, 1, 0) == 0 {  // WNOHANG
            // It has no more events: it was killed, or executed what is not recorded.
            if tries == 200 { kernel(SYS_kill, id, 9) }
            sleepOn(address(castor_segment_identities_noted(segment)), castor_load32(castor_segment_identities_noted(segment)), milliseconds: 1)
            tries += 1
        }
    }
}
