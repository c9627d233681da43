/// What the kernel grants: the mechanisms that recording and replay stand on.
import CastorLog
import Glibc

enum KernelProbes {
    static func all() -> [Finding] { [release(), dispatch(), addresses(), memfd(), tracing(), counters()] }

    private static func release() -> Finding {
        let release = SystemFile.text("/proc/sys/kernel/osrelease") ?? "unknown"
        let numbers = release.split { !$0.isNumber }.prefix(2).compactMap { Int($0) }
        let known = numbers.count == 2 && (numbers[0], numbers[1]) >= (5, 11)
        return known
            ? .ok("kernel", "Linux \(release)")
            : .fail("kernel", "Linux \(release)", "castor needs 5.11 or later, for Syscall User Dispatch")
    }

    /// A child blocks its own system calls and makes one: it must die of SIGSYS.
    private static func dispatch() -> Finding {
        let subject = "syscall user dispatch"
        let selector = UnsafeMutablePointer<UInt8>.allocate(capacity: 1)
        defer { selector.deallocate() }
        selector.pointee = 0
        let status = RawSystem.statusOfChild {
            // PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON; the selector says that nothing is allowed.
            if RawSystem.call(.prctl, 59, 1, 0, 0, Int(bitPattern: selector)) != 0 { return 1 }
            selector.pointee = 1
            _ = RawSystem.call(.getpid)
            selector.pointee = 0
            return 2
        }
        guard let status else { return .fail(subject, "could not be tried", "a process could not be started") }
        if status & 0x7f == SIGSYS { return .ok(subject, "works", "every system call is seen") }
        return .fail(
            subject, "does not work here", "system calls cannot be caught; a sandbox or an old kernel forbids it")
    }

    private static func addresses() -> Finding {
        let noRandomize = 0x40000  // ADDR_NO_RANDOMIZE
        let status = RawSystem.statusOfChild {
            _ = RawSystem.call(.personality, noRandomize)
            return RawSystem.call(.personality, 0xffff_ffff) & noRandomize != 0 ? 0 : 1
        }
        return status == 0
            ? .ok("address randomization", "can be turned off", "replay has the recorded addresses")
            : .fail(
                "address randomization", "cannot be turned off",
                "replay needs the recorded addresses; a container's seccomp profile may forbid personality(2)")
    }

    private static func memfd() -> Finding {
        let descriptor = "castor-doctor".withCString { RawSystem.call(.memfdCreate, Int(bitPattern: $0), 1) }
        guard descriptor >= 0 else {
            return .fail("memfd_create", errorText(errno), "the shared memory of recorder and program needs it")
        }
        let sized = ftruncate(Int32(descriptor), 1 << 20) == 0
        _ = RawSystem.call(.close, descriptor)
        return sized
            ? .ok("memfd_create", "works")
            : .fail("memfd_create", "cannot be sized", "the shared memory of recorder and program needs it")
    }

    /// A child asks to be traced and stops, as a debugger's does.
    private static func tracing() -> Finding {
        let scope = SystemFile.text("/proc/sys/kernel/yama/ptrace_scope")
        let fact = scope.map { "Yama scope \($0)" } ?? "no Yama restriction"
        guard childStopsWhenTraced() else {
            return .warn("ptrace", "refused (\(fact))", "recording and replay work, replay under a debugger does not")
        }
        switch scope {
        case nil, "0": return .ok("ptrace", "works (\(fact))", "debuggers can start and attach to a replay")
        default: return .ok("ptrace", "works (\(fact))", "debuggers can start a replay; to attach they need privileges")
        }
    }

    private static func childStopsWhenTraced() -> Bool {
        let child = RawSystem.call(.fork)
        if child == 0 {
            let traced = RawSystem.call(.ptrace, 0) == 0  // PTRACE_TRACEME
            if traced { _ = RawSystem.call(.kill, RawSystem.call(.getpid), Int(SIGSTOP)) }
            _ = RawSystem.call(.exitGroup, 1)
        }
        guard child > 0, let status = RawSystem.wait(for: child) else { return false }
        guard status & 0xff == 0x7f else { return false }  // not stopped: it ended, and is reaped
        _ = RawSystem.call(.kill, child, Int(SIGKILL))
        return RawSystem.wait(for: child) != nil
    }

    private static func counters() -> Finding {
        // struct perf_event_attr, version 5: type 0, config 0 counts cycles; bits 5, 6 leave out kernel and hypervisor.
        var attributes = [UInt64](repeating: 0, count: 14)
        attributes[0] = 112 << 32
        attributes[5] = 1 << 5 | 1 << 6
        let descriptor = attributes.withUnsafeBytes {
            RawSystem.call(.perfEventOpen, Int(bitPattern: $0.baseAddress), 0, -1, -1)
        }
        let reason = errno
        if descriptor >= 0 { _ = RawSystem.call(.close, descriptor) }
        let fact = descriptor >= 0 ? "available" : "not available (\(errorText(reason)))"
        return .ok("hardware counters", fact, "not needed")
    }
}
