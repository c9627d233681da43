/// What goes wrong around a recording: killed programs, a killed recorder, a full disk. The program is never the victim
/// of its recorder, and what was recorded can be replayed.
import Foundation
import Testing

extension Integration {
    @Suite struct FaultTests {
        /// How long a program that nobody kills takes, in seconds: the moments to choose from.
        private func duration(_ words: [String]) throws -> Double {
            let start = Date()
            _ = try Recording.make(words, in: try Workspace())
            return Date().timeIntervalSince(start)
        }

        /// A program that takes about so many seconds under the recorder. Its input, if any, is in the workspace.
        private func words(_ program: String, in workspace: Workspace, seconds: Int = 4) throws -> [String] {
            if program == "owners" {
                return [try Repository.atomicGuest("clang-O2/owners"), "4", "\(seconds * 100_000)"]
            }
            if program == "locks" { return [try Repository.guest("locks"), "4", "\(seconds * 50_000)"] }
            try workspace.write("input", Mixture.bytes(seconds * 10 << 20, "faults"))
            return ["/usr/bin/pigz", "-p", "4", "-c", workspace("input")]
        }

        // MARK: - The program is killed

        @Test(arguments: ["locks", "pigz", "owners"])
        func killedAtRandomMoments(_ program: String) throws {
            let inputs = try Workspace()
            let words = try words(program, in: inputs, seconds: 1)
            let duration = try duration(words)
            var random = Random("kill \(program)")
            var killed = 0
            for _ in 0..<Series.count(soak: 100, reduced: 10) {
                let workspace = try Workspace()
                let running = try Recording.start(words, in: workspace)
                let pid = try ProcessTree.program(words[0], under: running.castor, threads: 2)
                let moment = duration * Double(random.below(1000)) / 1000
                if !running.castor.hasEnded(within: moment) { ProcessTree.kill(pid, under: running.castor) }
                let recording = try running.finish()
                // It may have ended just before.
                if recording.outcome.status == 0 { continue }
                killed += 1
                workspace.expect(recording.outcome.status == 137, "castor's status: \(recording.outcome.status)")
                recording.expectReadable()
                for order in ReplayOrder.allCases { try expectPrefix(recording, order) }
                if workspace.isKept { break }
            }
            #expect(killed > 0, "every program had ended before its moment came")
        }

        /// What a thread has done shortly before it computes on for ever is in no whole line of its ring yet.
        @Test func lastEventsOfAComputingThread() throws {
            let workspace = try Workspace()
            let words = [try Repository.guest("killed_computing")]
            let running = try Recording.start(words, in: workspace)
            _ = try running.castor.line(containing: "ready")
            let pid = try ProcessTree.program(words[0], under: running.castor, threads: 2)
            ProcessTree.kill(pid, under: running.castor)
            let recording = try running.finish()
            workspace.expect(recording.outcome.status == 137, "castor's status: \(recording.outcome.status)")
            let events = try workspace.castor("dump", recording.log).outputText.split(separator: "\n")
            let locks = events.filter { $0.contains("pthread_mutex_lock") }
            workspace.expect(locks.count == 3, "the log has \(locks.count) of three locks")
            recording.expectReadable()
            for order in ReplayOrder.allCases { try expectPrefix(recording, order) }
        }

        /// The replay of a killed program ends as it did and prints what it did. Of each thread's last call nobody
        /// knows how far it came.
        private func expectPrefix(_ recording: Recording, _ order: ReplayOrder) throws {
            let again = try recording.replay(order)
            let recorded = recording.outcome.output
            let common = min(again.output.count, recorded.count)
            if again.status != recording.outcome.status || again.output.prefix(common) != recorded.prefix(common) {
                recording.fail(order, recording.differences(to: again), again.errorText, #_sourceLocation)
            }
            recording.workspace.expect(
                max(again.output.count, recorded.count) - common <= 1 << 20,
                "recorded \(recorded.count) bytes of output, replayed \(again.output.count)")
        }

        // MARK: - The recorder is killed

        @Test(arguments: ["locks", "pigz"])
        func goesOnWithoutItsAgent(_ program: String) throws {
            let workspace = try Workspace()
            let words = try words(program, in: workspace)
            let running = try Recording.start(words, in: workspace)
            // In the middle: there is something on disk, and more to come.
            try poll(running.castor, for: "a chunk in the log") {
                let status = try? FileManager.default.attributesOfItem(atPath: workspace("log/events"))
                return (status?[.size] as? NSNumber)?.intValue ?? 0 > 10_000
            }
            ProcessTree.kill(try ProcessTree.agent(of: running.castor), under: running.castor)
            let recording = try running.finish()
            try expectUnharmed(recording, program)
            workspace.expect(
                recording.outcome.errorText.contains("castor: the recording agent was killed"),
                "castor does not say that its agent died: \(recording.outcome.errorText)")
            try expectCutOff(recording)
        }

        private func poll(_ child: Child, for what: String, _ condition: () -> Bool) throws {
            while !condition() {
                if child.hasEnded(within: 0.001) { throw Failure("ended before there was \(what)") }
            }
        }

        // MARK: - The disk is full

        private static let canMount = geteuid() == 0

        @Test(.enabled(if: canMount, "a small file system can be mounted by root only"), arguments: ["locks", "pigz"])
        func goesOnWhenTheDiskIsFull(_ program: String) throws {
            let workspace = try Workspace()
            let words = try words(program, in: workspace)
            let small = try workspace.makeDirectory("small")
            let mounted = try Child(["mount", "-t", "tmpfs", "-o", "size=256k", "castor-test", small]).wait()
            try #require(mounted.status == 0, "\(mounted.errorText)")
            defer {
                // Also what a failure left mounted: a directory that is kept is kept without it.
                if umount2(small, Int32(MNT_DETACH)) != 0 { Issue.record("cannot unmount \(small)") }
            }
            let recording = try Recording.make(words, in: workspace, name: "small/log")
            try expectUnharmed(recording, program)
            workspace.expect(
                recording.outcome.errorText.contains("the program goes on, unrecorded"),
                "castor does not say that the disk is full: \(recording.outcome.errorText)")
            try expectCutOff(recording)
        }

        // MARK: - castor is sent a signal

        @Test(arguments: [SIGTERM, SIGHUP, SIGINT, SIGUSR1])
        func signalsReachTheProgram(_ signal: Int32) throws {
            let workspace = try Workspace()
            let program = """
                import signal, sys
                def handle(number, frame):
                    print("caught", number, flush=True)
                    sys.exit(7)
                signal.signal(\(signal), handle)
                print("ready", flush=True)
                while True: signal.pause()
                """
            let running = try Recording.start(["/usr/bin/python3", "-c", program], in: workspace)
            _ = try running.castor.line(containing: "ready")
            running.castor.send(signal)
            let recording = try running.finish()
            workspace.expect(
                recording.outcome.status == 7 && recording.outcome.outputText == "ready\ncaught \(signal)\n",
                "\(recording.outcome.status) \(recording.outcome.outputText)\(recording.outcome.errorText)")
            recording.expectSame()
        }

        /// A signal that the program does not handle ends it; castor's status is 128 plus its number, as in a shell.
        @Test(arguments: [SIGTERM, SIGHUP, SIGINT, SIGUSR2])
        func signalsEndTheProgram(_ signal: Int32) throws {
            let workspace = try Workspace()
            let running = try Recording.start(["cat"], in: workspace, input: .pipe)
            try running.castor.write("line\n")
            _ = try running.castor.line(containing: "line")
            // A program that is ended while it writes has a last call of which nobody knows how far it came.
            try ProcessTree.awaitSleep(
                try ProcessTree.program("/usr/bin/cat", under: running.castor), under: running.castor)
            running.castor.send(signal)
            let recording = try running.finish()
            workspace.expect(recording.outcome.status == 128 + signal, "status \(recording.outcome.status)")
            recording.expectSame()
        }

        // MARK: - What is expected of all of them

        /// The program did all its work, and ended by itself.
        private func expectUnharmed(_ recording: Recording, _ program: String) throws {
            let workspace = recording.workspace
            let outcome = recording.outcome
            workspace.expect(outcome.status == 0, "castor's status: \(outcome.status)\n\(outcome.errorText)")
            if program == "pigz" {
                let packed = try workspace.write("packed", outcome.output)
                let unpacked = try Child(["pigz", "-dc"], input: .file(packed)).wait()
                workspace.expect(
                    unpacked.status == 0 && unpacked.output == FileManager.default.contents(atPath: workspace("input")),
                    "pigz's output is not complete")
            } else {
                let native = try Child(recording.words).wait()
                func lines(_ data: Data) -> Int { data.count { $0 == 10 } }
                workspace.expect(
                    lines(outcome.output) == lines(native.output), "the output is not complete: \(outcome.outputText)")
            }
        }

        /// The log holds a prefix of the run, says so, and replays that far.
        private func expectCutOff(_ recording: Recording) throws {
            let workspace = recording.workspace
            let info = try workspace.castor("info", "--json", recording.log)
            workspace.expect(info.status == 0, "castor info: \(info.status) \(info.errorText)")
            let whole = try recording.replay()
            workspace.expect(
                whole.status == 65, "replay of an incomplete log: \(whole.status)\n\(whole.errorText.prefix(1000))")
            for order in ReplayOrder.allCases {
                let prefix = try recording.replay(order, ["--damaged"])
                workspace.expect(
                    prefix.status == 0 && recording.outcome.output.starts(with: prefix.output),
                    "replay --damaged in \(order) order: \(prefix.status), \(prefix.output.count) bytes\n"
                        + prefix.errorText.prefix(1000)
                )
            }
        }
    }
}
