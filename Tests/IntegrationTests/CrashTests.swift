/// Crashes: recorded as they happen, and reached again under the debugger as often as one likes.
import Foundation
import Testing

struct CrashVariant: CustomTestStringConvertible, Sendable {
    let name: String
    let status: Int32
    var testDescription: String { name }

    static let all = [
        CrashVariant(name: "null", status: 128 + SIGSEGV), CrashVariant(name: "abort", status: 128 + SIGABRT),
        CrashVariant(name: "stackoverflow", status: 128 + SIGSEGV), CrashVariant(name: "divzero", status: 128 + SIGFPE),
        CrashVariant(name: "trap", status: 128 + SIGTRAP), CrashVariant(name: "kill9", status: 128 + SIGKILL), CrashVariant(name: "exit3", status: 3),
        CrashVariant(name: "double", status: 128 + SIGSEGV),
    ]
}

/// Core files, to compare a replayed crash with the crash itself.
enum CoreFile {
    /// Where core files go is the machine's choice; only a plain name lies beside the test's other files.
    static let name: String? = {
        let pattern = String(
            decoding: FileManager.default.contents(atPath: "/proc/sys/kernel/core_pattern") ?? Data(), as: UTF8.self
        )
        .trimmingCharacters(in: .whitespacesAndNewlines)
        guard !pattern.isEmpty, !pattern.contains(where: { "|/%".contains($0) }) else {
            print("skipped: comparison with core files, core_pattern is '\(pattern)'")
            return nil
        }
        return pattern
    }()

    /// Starts a program with core files allowed, without the recorder's shared segment in them.
    static let wrapper = [
        "sh", "-c", "ulimit -c unlimited && echo 0x31 > /proc/self/coredump_filter && exec \"$@\"", "sh",
    ]
}

extension Integration {
    @Suite struct CrashTests {
        @Test(arguments: CrashVariant.all)
        func endsTheSameWay(_ variant: CrashVariant) throws {
            let workspace = try Workspace()
            let recording = try Recording.make([try Repository.guest("crash"), variant.name], in: workspace)
            workspace.expect(
                recording.outcome.status == variant.status,
                "ended with \(recording.outcome.status): \(recording.outcome.errorText)")
            recording.expectSame()
        }

        @Test func serverCrashesAgainUnderTheDebugger() throws {
            for crash in 0..<Series.count(soak: 50, reduced: 2) {
                let workspace = try Workspace()
                let recording = try crashServer(in: workspace, attempts: 3)
                recording.expectReadable()
                let first = try debug(recording)
                let second = try debug(recording)
                expectSame(first, second, "two replays of crash \(crash)", workspace)
                workspace.expect(first.threads.count >= 6, "gdb shows \(first.threads.count) threads")
                let function = first.crashing?.frames.first ?? "nothing"
                workspace.expect(function.contains("Samples/kvserver/"), "the crash is not in the server: \(function)")
                if CoreFile.name != nil { try compareWithCore(recording, first) }
                if workspace.isKept { break }
            }
        }

        /// A trap comes after its instruction, int3, which the debugger knows as one of its own.
        @Test func trapIsReachedUnderTheDebugger() throws {
            let workspace = try Workspace()
            let recording = try Recording.make([try Repository.guest("crash"), "trap"], in: workspace)
            let result = try workspace.castor(
                ["replay", "-q", "-d", "gdb", recording.log, "--", "-batch", "-ex", "run", "-ex", "bt"], timeout: 60)
            let said = result.outputText
            workspace.expect(said.contains("received signal SIGTRAP") && said.contains(" end (thread="), "\(result)")
        }

        /// Two threads fault at the same time: the log names one, and the core file shows that the process died of that one.
        @Test func oneOfTwoCrashesIsTheProcessEnd() throws {
            for _ in 0..<Series.count(soak: 100, reduced: 10) {
                let workspace = try Workspace()
                let running = try Recording.start(
                    [try Repository.guest("crash"), "double"], in: workspace, wrapper: CoreFile.wrapper)
                let recording = try running.finish()
                workspace.expect(recording.outcome.status == 128 + SIGSEGV, "\(recording.outcome)")
                let dump = try workspace.castor("dump", recording.log).outputText
                let deaths = dump.split(separator: "\n").filter { $0.contains("dies of SIGSEGV") }
                workspace.expect(deaths.count == 1, "\(deaths)")
                if CoreFile.name != nil { try compareWithCore(recording, try debug(recording)) }
                if workspace.isKept { break }
            }
        }

        /// Runs the server under load until it crashes, which takes seconds.
        private func crashServer(in workspace: Workspace, attempts: Int) throws -> Recording {
            for attempt in 0..<attempts {
                let running = try Recording.start(
                    [try Repository.sample("kvserver")], in: workspace, name: "log-\(attempt)",
                    wrapper: CoreFile.wrapper)
                let greeting = try running.castor.line(containing: "listening on")
                let port = String(greeting.drop { $0 != ":" }.dropFirst())
                _ = try Child([try Repository.sample("kvload"), "-p", port] + Repository.crashingLoad).wait()
                running.castor.send(SIGTERM)  // one that has survived the load
                let recording = try running.finish()
                if recording.outcome.status == 128 + SIGSEGV { return recording }
                workspace.expect(recording.outcome.status == 0, "the server ended with \(recording.outcome.status)")
            }
            throw Failure("the server survived its load \(attempts) times")
        }

        private func debug(_ recording: Recording) throws -> Backtraces {
            let words =
                ["replay", "-q", "-d", "gdb", recording.log, "--", "-batch", "-ex", "run"] + Backtraces.commands
            let result = try recording.workspace.castor(words, timeout: 300)
            recording.workspace.expect(
                result.outputText.contains("received signal SIGSEGV"),
                "no crash under gdb, status \(result.status)\n\(result.outputText.suffix(2000))\n"
                    + result.errorText.suffix(1000)
            )
            return Backtraces(result.outputText)
        }

        private func compareWithCore(_ recording: Recording, _ replayed: Backtraces) throws {
            guard let name = CoreFile.name,
                let core = try FileManager.default.contentsOfDirectory(atPath: recording.workspace.path)
                    .first(where: { $0 == name || $0.hasPrefix("\(name).") })
            else { return recording.workspace.fail("the crash left no core file") }
            let command =
                ["gdb", "-q", "-nx", "-batch"] + Backtraces.commands + [recording.words[0], recording.workspace(core)]
            let recorded = Backtraces(try Child(command).wait().outputText)
            recording.workspace.expect(
                recorded.crashing != nil && recorded.crashing?.frames == replayed.crashing?.frames,
                "the crash in the core file:\n\(recorded.crashing?.description ?? "none")\nreplayed:\n"
                    + (replayed.crashing?.description ?? "none"))
        }

        private func expectSame(_ a: Backtraces, _ b: Backtraces, _ what: String, _ workspace: Workspace) {
            if a == b { return }
            let differing = zip(a.threads, b.threads).first { $0 != $1 }
            workspace.fail(
                "\(what) differ (\(a.threads.count) and \(b.threads.count) threads):\n"
                    + (differing.map { "\($0)\n--\n\($1)" } ?? "in their number or in the crashing thread"))
        }
    }
}
