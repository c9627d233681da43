/// What /proc says about the processes that a test started.
import Foundation

enum ProcessTree {
    static func children(of pid: pid_t) -> [pid_t] {
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? []
        return tasks.flatMap { task in
            text("/proc/\(pid)/task/\(task)/children").split(separator: " ").compactMap { pid_t($0) }
        }
    }

    static func descendants(of pid: pid_t) -> [pid_t] { children(of: pid).flatMap { [$0] + descendants(of: $0) } }

    static func threadCount(_ pid: pid_t) -> Int {
        ((try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? []).count
    }

    /// The path of the program that a process runs.
    static func executable(_ pid: pid_t) -> String {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/exe")) ?? ""
    }

    /// castor's child that runs `program`, once it has `threads` threads.
    static func program(_ program: String, under castor: Child, threads: Int = 1) throws -> pid_t {
        let path = URL(fileURLWithPath: program).resolvingSymlinksInPath().path
        return try awaited("\(program) with \(threads) threads under \(castor.command)", during: castor) {
            children(of: castor.pid).first { executable($0) == path && threadCount($0) >= threads }
        }
    }

    /// castor's child that writes the log.
    static func agent(of castor: Child) throws -> pid_t {
        try awaited("an agent of \(castor.command)", during: castor) {
            children(of: castor.pid).first { executable($0).hasSuffix("/castor-agent") }
        }
    }

    /// What all threads of a process have used of processors, in milliseconds.
    static func processorTime(_ pid: pid_t) -> Int {
        let fields = text("/proc/\(pid)/stat").split(separator: ")").last?.split(separator: " ") ?? []
        return fields.count > 12 ? ((Int(fields[11]) ?? 0) + (Int(fields[12]) ?? 0)) * 1000 / sysconf(Int32(_SC_CLK_TCK)) : 0
    }

    /// Returns when the process waits for something.
    static func awaitSleep(_ pid: pid_t, under castor: Child) throws {
        try awaited("a sleeping process \(pid)", during: castor) {
            text("/proc/\(pid)/stat").split(separator: ")").last?.hasPrefix(" S") == true ? () : nil
        }
    }

    /// Kills a process if it still is castor's child.
    static func kill(_ pid: pid_t, under castor: Child) {
        if children(of: castor.pid).contains(pid) { _ = Glibc.kill(pid, SIGKILL) }
    }

    private static func text(_ path: String) -> String {
        guard let data = FileManager.default.contents(atPath: path) else { return "" }
        return String(decoding: data, as: UTF8.self)
    }

    /// Asks until there is an answer; gives up when the process ends. /proc has nothing to wait on.
    private static func awaited<T>(_ what: String, during child: Child, _ ask: () -> T?) throws -> T {
        let deadline = Date(timeIntervalSinceNow: 30)
        while Date() < deadline {
            if let answer = ask() { return answer }
            if child.hasEnded(within: 0.001) { throw Failure("ended before there was \(what)") }
        }
        throw Failure("there was no \(what)")
    }
}
