/// Every policy that a row of castor_syscalls.def names has its code, and every call the code knows has its row.
import CTSXGate
import CTSXShim
import Glibc
import Testing

@Suite struct TableTests {
    /// The calls with a replay policy.
    func calls(_ policy: UInt8) -> Set<Int32> {
        Set((0..<Int32(CASTOR_SYSCALLS)).filter { row($0).replay == policy && row($0).name != nil })
    }
    func row(_ nr: Int32) -> castor_syscall_row { castor_syscall_row_at(UInt64(nr)).pointee }
    func roles(_ nr: Int32) -> [castor_argument] {
        (0..<Int64(row(nr).count)).map { castor_row_argument(castor_syscall_row_at(UInt64(nr)), $0) }
    }
    func name(_ nr: Int32) -> String { row(nr).name.map { String(cString: $0) } ?? "\(nr)" }
    var rows: [Int32] { (0..<Int32(CASTOR_SYSCALLS)).filter { row($0).name != nil } }

    @Test func policiesHaveTheirCalls() {
        // Processes.swift: recordThread and replayThread; SYS_exit is Threads.swift's.
        #expect(calls(CASTOR_REPLAY_THREAD) == [SYS_clone, SYS_clone3, SYS_fork, SYS_vfork, SYS_execve, SYS_execveat, SYS_exit, SYS_exit_group])
        // Memory.swift: replayMapping
        #expect(calls(CASTOR_REPLAY_MAP) == [SYS_mmap, SYS_mremap, SYS_brk, SYS_shmat, SYS_shmdt])
        // Signals.swift by way of pass(); the kernel's alternate stack needs no help.
        #expect(
            calls(CASTOR_REPLAY_SIGNAL) == [SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_sigaltstack])
        #expect(
            calls(CASTOR_REPLAY_KILL)
                == [SYS_kill, SYS_tkill, SYS_tgkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo, SYS_pidfd_send_signal])
    }

    /// Signals.swift strips SIGSYS from the masks of these calls, whose arguments it knows by place.
    @Test func masksAreWhereTheyAreLookedFor() {
        for (nr, place) in [(SYS_ppoll, 3), (SYS_epoll_pwait, 4), (SYS_epoll_pwait2, 4), (SYS_rt_sigsuspend, 0)] {
            #expect(roles(nr)[place].role == CASTOR_ARG_IN_FIXED && roles(nr)[place].size == 8, "\(name(nr))")
        }
    }

    /// showOutput takes the bytes from argument 1.
    @Test func shownOutputIsInArgumentOne() {
        #expect(calls(CASTOR_REPLAY_OUTPUT).isSuperset(of: [SYS_write, SYS_writev]))
        for nr in calls(CASTOR_REPLAY_OUTPUT) {
            let role = roles(nr)[1].role
            #expect(role == CASTOR_ARG_IN || role == CASTOR_ARG_IN_IOV, "\(name(nr))")
        }
    }

    /// Calls that run again on replay discard what the log has for their outputs.
    @Test func callsThatRunAgainHaveNoOutputsInTheLog() {
        for nr in calls(CASTOR_REPLAY_EXECUTE) where nr != SYS_arch_prctl {
            #expect(roles(nr).allSatisfy { $0.role <= CASTOR_ARG_FD }, "\(name(nr))")
            #expect(row(nr).descriptors == CASTOR_FD_NONE, "\(name(nr))")
        }
    }

    @Test func rolesHaveNoMoreThanSixArguments() {
        for nr in rows { #expect(row(nr).count <= 6 && roles(nr).allSatisfy { $0.aux < 6 }, "\(name(nr))") }
    }

    /// keepLengths has one place per call for the length that the kernel overwrites.
    @Test func oneKeptLengthPerCall() {
        for nr in rows {
            let kept = roles(nr).filter { $0.role == CASTOR_ARG_OUT_SOCKLEN || $0.role == CASTOR_ARG_OUT_MSG }
            #expect(kept.count <= 1, "\(name(nr))")
        }
    }

    /// The masks that the walks over the arguments go by say what the roles say.
    @Test func masksFollowTheRoles() {
        let neither: Set<UInt8> = [CASTOR_ARG_IGNORE, CASTOR_ARG_LENGTH]
        let compared: Set<UInt8> = [
            CASTOR_ARG_VALUE, CASTOR_ARG_FD, CASTOR_ARG_PATH, CASTOR_ARG_IN, CASTOR_ARG_IN_FIXED, CASTOR_ARG_IN_IOV,
            CASTOR_ARG_IN_MSG, CASTOR_ARG_IN_MMSG,
        ]
        let kept: Set<UInt8> = [CASTOR_ARG_OUT_MSG, CASTOR_ARG_OUT_MMSG, CASTOR_ARG_OUT_SOCKLEN]
        let both: Set<UInt8> = [CASTOR_ARG_PATH, CASTOR_ARG_IN_MMSG, CASTOR_ARG_IN_FIXED]
        for nr in rows {
            func mask(_ isIn: (UInt8) -> Bool) -> UInt8 {
                roles(nr).enumerated().reduce(0) { $0 | (isIn($1.element.role) ? 1 << UInt8($1.offset) : 0) }
            }
            #expect(row(nr).compared == mask(compared.contains), "\(name(nr))")
            #expect(row(nr).kept == mask(kept.contains), "\(name(nr))")
            #expect(
                row(nr).stored == mask { both.contains($0) || !compared.contains($0) && !neither.contains($0) },
                "\(name(nr))")
        }
    }

    /// What Usual.swift passes over does not concern these calls.
    @Test func usualCallsAreOrdinary() {
        let usual = rows.filter { row($0).usual != 0 }
        #expect(usual.contains(SYS_read) && usual.contains(SYS_write) && usual.contains(SYS_epoll_wait))
        for nr in usual {
            let r = row(nr)
            #expect(r.replay == CASTOR_REPLAY_ELIDE || r.replay == CASTOR_REPLAY_OUTPUT, "\(name(nr))")
            #expect(r.order == CASTOR_ORDER_BEFORE || r.order == CASTOR_ORDER_AFTER, "\(name(nr))")
            #expect(r.descriptors == CASTOR_FD_NONE, "\(name(nr))")
            #expect(r.support == CASTOR_SUPPORT_FULL || r.support == CASTOR_SUPPORT_PARTIAL, "\(name(nr))")
            #expect([CASTOR_OBJ_FD0, CASTOR_OBJ_IPC, CASTOR_OBJ_FILES].contains(r.object), "\(name(nr))")
            #expect(roles(nr).allSatisfy { $0.role != CASTOR_ARG_SPECIAL }, "\(name(nr))")
            // A path comes before what the call fills, in arguments and in the log.
            let paths = roles(nr).indices.filter { roles(nr)[$0].role == CASTOR_ARG_PATH }
            #expect(paths.isEmpty || paths == [r.stored.trailingZeroBitCount], "\(name(nr))")
        }
    }

    /// An OUT argument is bounded by the plain value after it; only calls whose result never exceeds the room given
    /// may go without.
    @Test func outputsAreBounded() {
        let unbounded = rows.filter { nr in
            let all = roles(nr)
            return all.indices.contains { i in
                all[i].role == CASTOR_ARG_OUT && (i + 1 >= all.count || all[i + 1].role != CASTOR_ARG_VALUE)
            }
        }
        #expect(Set(unbounded) == [SYS_getgroups, SYS_sched_getaffinity])
    }

    /// Replay ends the program by the signal that the last call of a stream sends.
    @Test func signalsAreInAKnownArgument() {
        for nr in calls(CASTOR_REPLAY_KILL) {
            let place = nr == SYS_tgkill || nr == SYS_rt_tgsigqueueinfo ? 2 : 1
            #expect(roles(nr)[place].role == CASTOR_ARG_VALUE, "\(name(nr))")
        }
    }
}
