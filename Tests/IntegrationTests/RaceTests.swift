/// Sanitizers find in a replay what the recorded run did not show: the bugs that are planted in the sample server.
import Foundation
import Testing

extension Integration {
    @Suite struct RaceTests {
        private let workspace: Workspace
        private static let sources =
            (try? FileManager.default.contentsOfDirectory(atPath: "\(Repository.root)/Samples/kvserver"))?
            .filter { $0.hasSuffix(".c") }.map { "\(Repository.root)/Samples/kvserver/\($0)" } ?? []

        init() throws { workspace = try Workspace() }

        /// The server under a load of so many requests, or until it crashes.
        private func record(_ options: [String], load: [String], name: String = "log") throws -> Recording {
            let running = try Recording.start([try Repository.sample("kvserver")] + options, in: workspace, name: name)
            let greeting = try running.castor.line(containing: "listening on")
            let port = String(greeting.drop { $0 != ":" }.dropFirst())
            _ = try Child([try Repository.sample("kvload"), "-p", port] + load).wait()
            running.castor.send(SIGTERM)
            return try running.finish()
        }

        private func race(_ program: String, _ recording: Recording) throws -> Outcome {
            try workspace.castor("race", "--exe", program, recording.log)
        }

        @Test(arguments: Build.threadSanitizers)
        func plantedRaceIsFound(_ build: Build) throws {
            let recording = try record(["-S", "-R"], load: ["-n", "20000"])
            workspace.expect(recording.outcome.status == 0, "the server ended with \(recording.outcome)")
            let program = try build.make(Self.sources, "kvserver-tsan", in: workspace)
            let outcome = try race(program, recording)
            let report = outcome.outputText
            workspace.expect(outcome.status == 2, "\(outcome.status)\n\(report)\(outcome.errorText)")
            workspace.expect(report.hasPrefix("WARNING: ThreadSanitizer: data race"), report)
            // Both stacks begin where the counter is added to.
            let tops = report.split(separator: "\n").filter { $0.hasPrefix("    #0 worker_counters_add ") }
            workspace.expect(tops.count == 2 && tops.allSatisfy { $0.contains("worker.c:") }, report)
            workspace.expect(report.contains("Previous ") && report.contains("worker_main"), report)
        }

        @Test(arguments: Build.threadSanitizers)
        func withoutRaceNothingIsFound(_ build: Build) throws {
            let recording = try record(["-S"], load: ["-n", "20000"])
            let program = try build.make(Self.sources, "kvserver-tsan", in: workspace)
            let outcome = try race(program, recording)
            workspace.expect(
                outcome.status == 0 && outcome.outputText.hasPrefix("no data race was found"), "\(outcome)")
        }

        @Test func whatIsNoSuchBuildIsRefused() throws {
            let recording = try record(["-S"], load: ["-n", "1000"])
            let plain = try race(try Repository.sample("kvserver"), recording)
            workspace.expect(plain.status == 69 && plain.errorText.contains("not a ThreadSanitizer build"), "\(plain)")
            let missing = try workspace.castor("race", recording.log)
            workspace.expect(missing.status == 64, "\(missing)")
        }

        /// A program that leaves the recording before a race shows is no proof that there is none.
        @Test func divergenceIsNoAnswer() throws {
            let recording = try record(["-S"], load: ["-n", "1000"])
            let other = try workspace.write(
                "other.c", Data("#include <unistd.h>\nint main(void) { return (int)write(7, \"x\", 1); }\n".utf8))
            let program = try Build.threadSanitizers[0].make([other], "other", in: workspace)
            let outcome = try race(program, recording)
            workspace.expect(
                outcome.status == 70 && outcome.errorText.contains("no data race was found before"), "\(outcome)")
        }

        /// The crash that comes once in a while, explained from its one recording.
        @Test func crashIsExplained() throws {
            for attempt in 0..<3 {
                let recording = try record([], load: Repository.crashingLoad, name: "log-\(attempt)")
                guard recording.outcome.status == 128 + SIGSEGV else { continue }
                for build in Build.addressSanitizers {
                    let program = try build.make(Self.sources, "kvserver-asan", in: workspace)
                    let again = try workspace.castor(["replay", "--exe", program, recording.log], timeout: 300)
                    let report = again.errorText
                    workspace.expect(again.status == 1, "\(build.name): \(again.status)\n\(report)")
                    workspace.expect(report.contains("AddressSanitizer: use-after-poison"), report)
                    workspace.expect(
                        report.contains(#/ #0 lru_unlink .*\n    #1 shard_promote .*\n    #2 store_promote /#), report)
                }
                return
            }
            throw Failure("the server survived its load three times")
        }
    }
}
