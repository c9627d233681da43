/// A process that a test starts: its streams collected, its end awaited with a limit, and nothing of it left behind.
/// It leads a process group of its own; only that group and its descendants are ever killed, by id.
import Foundation

/// What came out of a process.
struct Outcome: Equatable {
    var output: Data
    var errors: Data
    /// As a shell tells it: 128 plus the signal's number if a signal ended it.
    var status: Int32

    var outputText: String { String(decoding: output, as: UTF8.self) }
    var errorText: String { String(decoding: errors, as: UTF8.self) }
}

struct Timeout: Error, CustomStringConvertible {
    let command: String
    let seconds: Double
    let partial: Outcome

    var description: String {
        "no end within \(seconds) s, or too early a one: \(command)\nstdout so far: \(partial.output.count) bytes\n"
            + "stderr so far: \(partial.errorText.suffix(2000))"
    }
}

final class Child {
    enum Input {
        case null
        case file(String)
        case bytes([UInt8])
        /// Written with `write`, ended with `closeInput`.
        case pipe
    }

    let words: [String]
    let pid: pid_t
    private let output: Collector
    private let errors: Collector
    private let ending: Ending
    private var inputEnd: FileHandle?

    /// `environment` is added to the test's own; nil removes. Starts in `directory`.
    init(
        _ words: [String], input: Input = .null, environment: [String: String?] = [:], directory: String = "/"
    ) throws {
        self.words = words
        let streams = [try Pipe.make(), try Pipe.make()]
        let stdin = try Child.open(input)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, stdin.readEnd, 0)
        posix_spawn_file_actions_adddup2(&actions, streams[0].writeEnd, 1)
        posix_spawn_file_actions_adddup2(&actions, streams[1].writeEnd, 2)
        pid = try Child.spawn(
            ["env", "--chdir=\(directory)"] + Child.assignments(environment) + words, actions: &actions)
        close(stdin.readEnd)
        for stream in streams { close(stream.writeEnd) }
        output = Collector(streams[0].readEnd)
        errors = Collector(streams[1].readEnd)
        ending = Ending(pid)
        if stdin.writeEnd >= 0 {
            inputEnd = FileHandle(fileDescriptor: stdin.writeEnd, closeOnDealloc: true)
            if case .bytes(let bytes) = input {
                // A program that ends without reading its input must not end the tests.
                signal(SIGPIPE, SIG_IGN)
                try? inputEnd?.write(contentsOf: bytes)
                closeInput()
            }
        }
    }

    deinit { kill() }

    // MARK: - Starting

    private struct Pipe {
        var readEnd: Int32
        var writeEnd: Int32

        static func make() throws -> Pipe {
            var ends: [Int32] = [0, 0]
            guard pipe(&ends) == 0 else { throw Failure("pipe: errno \(errno)") }
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            return Pipe(readEnd: ends[0], writeEnd: ends[1])
        }
    }

    private static func open(_ input: Input) throws -> Pipe {
        switch input {
        case .bytes, .pipe: return try Pipe.make()
        case .null: return Pipe(readEnd: Glibc.open("/dev/null", O_RDONLY | O_CLOEXEC), writeEnd: -1)
        case .file(let path):
            let file = Glibc.open(path, O_RDONLY | O_CLOEXEC)
            guard file >= 0 else { throw Failure("\(path): errno \(errno)") }
            return Pipe(readEnd: file, writeEnd: -1)
        }
    }

    private static func assignments(_ environment: [String: String?]) -> [String] {
        let removed = environment.filter { $0.value == nil }.flatMap { ["-u", $0.key] }
        return removed + environment.compactMap { name, value in value.map { "\(name)=\($0)" } }
    }

    private static func spawn(_ words: [String], actions: inout posix_spawn_file_actions_t) throws -> pid_t {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // The test runner's own mask and ignored signals are not the program's business.
        var none = sigset_t()
        var all = sigset_t()
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes,
            Int16(POSIX_SPAWN_SETPGROUP) | Int16(POSIX_SPAWN_SETSIGMASK) | Int16(POSIX_SPAWN_SETSIGDEF))
        var pointers: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var pid: pid_t = 0
        let code = posix_spawnp(&pid, words[0], &actions, &attributes, &pointers, environ)
        guard code == 0 else { throw Failure("\(words[0]): errno \(code)") }
        return pid
    }

    // MARK: - Talking to it

    func write(_ text: String) throws { try inputEnd?.write(contentsOf: Array(text.utf8)) }

    func closeInput() {
        try? inputEnd?.close()
        inputEnd = nil
    }

    /// The first whole line on its standard output, or error, that contains `text`, or the `number`th.
    func line(containing text: String, _ number: Int = 1, inErrors: Bool = false, timeout: Double = 60) throws -> String {
        guard let line = (inErrors ? errors : output).line(containing: text, number, timeout: timeout) else {
            throw Timeout(command: "\(command), for a line with '\(text)'", seconds: timeout, partial: soFar)
        }
        return line
    }

    /// Whether its standard error has such a whole line by now.
    func hasSaid(_ text: String) -> Bool { errors.line(containing: text, 1, timeout: 0) != nil }

    func send(_ signal: Int32) { ending.whileAlive { _ = Glibc.kill($0, signal) } }

    var isAlive: Bool { ending.status == nil }
    var command: String { words.joined(separator: " ") }
    /// What came out of it by now.
    var soFar: Outcome { Outcome(output: output.data, errors: errors.data, status: -1) }

    // MARK: - Its end

    /// Waits up to `seconds` for the process to end; says whether it did.
    func hasEnded(within seconds: Double) -> Bool { ending.wait(seconds) != nil }

    /// Waits for its end and for the last writer of its streams. Kills what is left and throws after `timeout` seconds.
    func wait(timeout: Double = 120) throws -> Outcome {
        let deadline = Date(timeIntervalSinceNow: timeout)
        guard let status = ending.wait(timeout) else {
            kill()
            throw Timeout(command: command, seconds: timeout, partial: soFar)
        }
        // Processes that it left behind may hold its streams open.
        let rest = max(deadline.timeIntervalSinceNow, 5)
        guard let out = output.wait(rest), let err = errors.wait(rest) else {
            killGroup()
            throw Timeout(command: "\(command), for the end of its output", seconds: timeout, partial: soFar)
        }
        return Outcome(output: out, errors: err, status: status)
    }

    /// Kills the process, its group and all descendants, if it still runs.
    func kill() {
        ending.whileAlive { pid in
            let all = ProcessTree.descendants(of: pid)
            _ = Glibc.kill(-pid, SIGKILL)
            _ = Glibc.kill(pid, SIGKILL)
            for descendant in all { _ = Glibc.kill(descendant, SIGKILL) }
        }
    }

    /// The leader is gone, but while the group has members its number cannot be another's.
    private func killGroup() { _ = Glibc.kill(-pid, SIGKILL) }
}

/// Awaits a process in a thread of its own. Its number stays valid while `whileAlive` runs.
private final class Ending: @unchecked Sendable {
    private let condition = NSCondition()
    private let pid: pid_t
    private var reaped: Int32?

    init(_ pid: pid_t) {
        self.pid = pid
        Thread { [self] in
            var info = siginfo_t()
            while waitid(P_PID, id_t(pid), &info, WEXITED | WNOWAIT) != 0, errno == EINTR {}
            condition.lock()
            var code: Int32 = 0
            waitpid(pid, &code, 0)
            reaped = code & 0x7f == 0 ? code >> 8 & 0xff : 128 + code & 0x7f
            condition.broadcast()
            condition.unlock()
        }.start()
    }

    var status: Int32? {
        condition.lock()
        defer { condition.unlock() }
        return reaped
    }

    func wait(_ seconds: Double) -> Int32? {
        let deadline = Date(timeIntervalSinceNow: seconds)
        condition.lock()
        defer { condition.unlock() }
        while reaped == nil, condition.wait(until: deadline) {}
        return reaped
    }

    func whileAlive(_ body: (pid_t) -> Void) {
        condition.lock()
        defer { condition.unlock() }
        if reaped == nil { body(pid) }
    }
}

/// Reads a stream to its end in a thread of its own.
private final class Collector: @unchecked Sendable {
    private let condition = NSCondition()
    private var bytes = Data()
    private var isAtEnd = false

    init(_ descriptor: Int32) {
        Thread { [self] in
            var buffer = [UInt8](repeating: 0, count: 1 << 16)
            while true {
                let count = read(descriptor, &buffer, buffer.count)
                if count < 0, errno == EINTR { continue }
                condition.lock()
                if count > 0 { bytes.append(buffer, count: count) } else { isAtEnd = true }
                condition.broadcast()
                condition.unlock()
                if count <= 0 { break }
            }
            close(descriptor)
        }.start()
    }

    var data: Data {
        condition.lock()
        defer { condition.unlock() }
        return bytes
    }

    /// Everything, once the stream has ended.
    func wait(_ seconds: Double) -> Data? {
        let deadline = Date(timeIntervalSinceNow: seconds)
        condition.lock()
        defer { condition.unlock() }
        while !isAtEnd, condition.wait(until: deadline) {}
        return isAtEnd ? bytes : nil
    }

    func line(containing text: String, _ number: Int, timeout: Double) -> String? {
        let deadline = Date(timeIntervalSinceNow: timeout)
        condition.lock()
        defer { condition.unlock() }
        while true {
            let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
            // The last piece has no end yet.
            let found = lines.dropLast().filter { $0.contains(text) }
            if found.count >= number { return String(found[number - 1]) }
            if isAtEnd || !condition.wait(until: deadline) { return nil }
        }
    }
}
