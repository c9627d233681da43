/// What the machine and its settings are like: processor, memory, limits, tools. Only little of it is needed.
import CTSXShim
import CastorLog
import Glibc

enum ProcessorProbes {
    static func all() -> [Finding] { [model(), counter(), transactions(), nodes()] }

    private static func model() -> Finding {
        let name = SystemFile.value(of: "model name", in: "/proc/cpuinfo") ?? "unknown"
        let count = sysconf(Int32(_SC_NPROCESSORS_ONLN))
        return count > 1
            ? .ok("processor", "\(name), \(count) CPUs")
            : .warn("processor", "\(name), 1 CPU", "the program shares it with the agent: recording is slower")
    }

    private static func counter() -> Finding {
        let flags = Set((SystemFile.value(of: "flags", in: "/proc/cpuinfo") ?? "").split(separator: " "))
        let source = SystemFile.text("/sys/devices/system/clocksource/clocksource0/current_clocksource") ?? "unknown"
        let invariant = flags.contains("constant_tsc") && flags.contains("nonstop_tsc")
        if invariant && source == "tsc" { return .ok("time stamp counter", "invariant, the kernel's clock") }
        let fact = (invariant ? "invariant" : "not invariant") + ", the kernel's clock is \(source)"
        let slow = source == "tsc" ? "" : "; the program's own clock calls are slow"
        return .warn("time stamp counter", fact, "times in a log may be off; the order never depends on them\(slow)")
    }

    private static func transactions() -> Finding {
        if castor_cpu_has_rtm() == 0 {
            return .ok("transactional memory", "none (RTM)", "not needed: recording uses atomic operations")
        }
        return castor_rtm_self_test() != 0
            ? .ok("transactional memory", "RTM works", "'castor record --transactions' uses it; atomic operations cost less")
            : .ok("transactional memory", "RTM is announced but aborts", "not used: recording uses atomic operations")
    }

    private static func nodes() -> Finding {
        let online = SystemFile.text("/sys/devices/system/node/online") ?? "0"
        return .ok("NUMA nodes", online, online == "0" ? "" : "each thread's ring is placed on its own node")
    }
}

enum ResourceProbes {
    static func all() -> [Finding] { [memory(), stack(), descriptors(), addressSpace(), cores()] }

    private static func memory() -> Finding {
        let kilobytes = SystemFile.value(of: "MemAvailable", in: "/proc/meminfo")
            .flatMap { UInt64($0.split(separator: " ").first ?? "") }
        guard let kilobytes else { return .warn("memory", "unknown", "/proc/meminfo cannot be read") }
        let megabytes = kilobytes / 1024
        return megabytes >= 512
            ? .ok("memory", "\(megabytes) MiB available")
            : .warn("memory", "\(megabytes) MiB available", "each recorded thread's ring takes some: free memory first")
    }

    private static func stack() -> Finding {
        guard let limit = RawSystem.limit(3) else {  // RLIMIT_STACK
            return .warn("stack limit", "unknown", "replay needs the recorded one")
        }
        let fact = limit.soft == UInt64.max ? "unlimited" : "\(limit.soft / 1024) KiB"
        if limit.soft == UInt64.max {
            return .warn(
                "stack limit", fact,
                "memory is then laid out bottom-up, unlike in recordings made elsewhere: ulimit -s 8192")
        }
        return .ok("stack limit", fact, "a replay sets the recorded one; the hard limit must allow it")
    }

    private static func descriptors() -> Finding {
        guard let limit = RawSystem.limit(7) else {  // RLIMIT_NOFILE
            return .warn("open files", "unknown", "castor hands on descriptor \(CASTOR_SEGMENT_FD)")
        }
        return limit.soft >= 1024
            ? .ok("open files", "limit \(limit.soft)")
            : .fail(
                "open files", "limit \(limit.soft)", "castor hands on descriptor \(CASTOR_SEGMENT_FD): ulimit -n 1024")
    }

    private static func addressSpace() -> Finding {
        let bytes = RawSystem.limit(9)?.soft ?? UInt64.max  // RLIMIT_AS
        return bytes == UInt64.max
            ? .ok("address space", "unlimited")
            : .warn("address space", "limit \(bytes >> 20) MiB", "the rings count towards it: ulimit -v unlimited")
    }

    private static func cores() -> Finding {
        let pattern = SystemFile.text("/proc/sys/kernel/core_pattern") ?? "unknown"
        return .ok("core dumps", "pattern '\(pattern)'", "not needed: a crash is in the log")
    }
}

enum ToolProbes {
    static func all() -> [Finding] { [libc(), debuggers()] }

    private static func libc() -> Finding {
        var buffer = [CChar](repeating: 0, count: 64)
        let length = confstr(Int32(_CS_GNU_LIBC_VERSION), &buffer, buffer.count)
        guard length > 0 else { return .warn("C library", "not glibc", "only programs on glibc can be recorded") }
        let version = buffer.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        let numbers = version.split { !$0.isNumber }.compactMap { Int($0) }
        return numbers.count >= 2 && (numbers[0], numbers[1]) >= (2, 36)
            ? .ok("C library", version)
            : .warn("C library", version, "older than the 2.36 that castor is tested with")
    }

    private static func debuggers() -> Finding {
        let found = ["gdb", "lldb"].filter(isOnPath)
        if found.contains("gdb") { return .ok("debuggers", found.joined(separator: ", ")) }
        let fact = found.isEmpty ? "none on PATH" : "\(found[0]) only"
        return .warn("debuggers", fact, "'castor replay -d gdb' needs gdb; recording and plain replay do not")
    }

    private static func isOnPath(_ name: String) -> Bool {
        let path = getenv("PATH").map { String(cString: $0) } ?? ""
        return path.split(separator: ":").contains { access("\($0)/\(name)", X_OK) == 0 }
    }
}
