/// System calls for the probes. Swift does not import C functions with variable arguments (`syscall`,
/// `prctl`, `ptrace`), so `syscall` is looked up and called by its fixed form: it is written in assembly and
/// takes its arguments from registers and the stack alike.
import Glibc

enum RawSystem {
    private typealias Function = @convention(c) (Int, Int, Int, Int, Int, Int, Int) -> Int
    private static let function: Function = {
        guard let symbol = dlsym(nil, "syscall") else { fatalError("libc has no syscall()") }
        return unsafeBitCast(symbol, to: Function.self)
    }()

    /// As `syscall(2)`: -1 and errno on failure.
    static func call(
        _ number: Number, _ a: Int = 0, _ b: Int = 0, _ c: Int = 0, _ d: Int = 0, _ e: Int = 0, _ f: Int = 0
    ) -> Int {
        function(number.rawValue, a, b, c, d, e, f)
    }

    /// Numbers of asm/unistd_64.h.
    enum Number: Int {
        case close = 3
        case getpid = 39
        case fork = 57
        case kill = 62
        case ptrace = 101
        case personality = 135
        case prctl = 157
        case mount = 165
        case umount2 = 166
        case exitGroup = 231
        case perfEventOpen = 298
        case prlimit = 302
        case memfdCreate = 319
        case futex = 202
        case unshare = 272
        case signalfd4 = 289
        case pipe2 = 293
    }

    /// Runs `body` in a forked child, whose exit code it gives, and returns the wait status; nil when fork or
    /// wait failed. The body may make raw system calls only: a forked child of a threaded process may hold locks.
    static func statusOfChild(_ body: () -> Int) -> Int32? {
        let child = call(.fork)
        if child == 0 {
            // PR_SET_DUMPABLE: a probe that dies must not leave a core.
            _ = call(.prctl, 4, 0)
            _ = call(.exitGroup, body())
        }
        return child < 0 ? nil : wait(for: child)
    }

    static func wait(for child: Int) -> Int32? {
        var status: Int32 = 0
        while waitpid(pid_t(child), &status, 0) < 0 { if errno != EINTR { return nil } }
        return status
    }

    /// Soft and hard limit; `UInt64.max` is no limit.
    static func limit(_ resource: Int) -> (soft: UInt64, hard: UInt64)? {
        var pair: (soft: UInt64, hard: UInt64) = (0, 0)
        let result = withUnsafeMutablePointer(to: &pair) { call(.prlimit, 0, resource, 0, Int(bitPattern: $0)) }
        return result == 0 ? pair : nil
    }
}

/// Small files of /proc and /sys.
enum SystemFile {
    /// The content without its last line break; nil when it cannot be read.
    static func text(_ path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        while case let byte = getc(file), byte != EOF { bytes.append(UInt8(byte)) }
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The first value of `key: value` lines, as in /proc/cpuinfo and /proc/meminfo.
    static func value(of key: String, in path: String) -> String? {
        for line in (text(path) ?? "").split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts.count == 2, parts[0].trimmed == key { return parts[1].trimmed }
        }
        return nil
    }
}

extension StringProtocol {
    fileprivate var trimmed: String {
        let blank: (Character) -> Bool = { $0 == " " || $0 == "\t" }
        return String(drop(while: blank).reversed().drop(while: blank).reversed())
    }
}
