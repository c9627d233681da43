/// What the recording agent costs a program that does nothing, and that nothing is lost by its sleep.
import Foundation
import Testing

extension Integration {
    @Suite struct AgentTests {
        /// An agent that looks at every ring eight times a second takes 40 ms for that.
        @Test func sleepsWhileAThousandThreadsSleep() throws {
            let workspace = try Workspace()
            let running = try Recording.start([try Repository.guest("sleepers"), "1000"], in: workspace, input: .pipe)
            _ = try running.castor.line(containing: "ready")
            let agent = try ProcessTree.agent(of: running.castor)
            Thread.sleep(forTimeInterval: 2)  // what came before is drained and compressed
            let before = ProcessTree.processorTime(agent)
            Thread.sleep(forTimeInterval: 5)
            let spent = ProcessTree.processorTime(agent) - before
            workspace.expect(spent <= 20, "\(spent) ms of the agent's in 5 s")
            running.castor.closeInput()
            let recording = try running.finish()
            workspace.expect(recording.outcome.status == 0, "\(recording.outcome)")
            recording.expectSame(orders: [.partial])
        }

        /// What is done after the agent has gone to sleep is in the log when the program is killed right then.
        @Test func aKilledSleeperLosesNothing() throws {
            for _ in 0..<3 {
                let workspace = try Workspace()
                let running = try Recording.start(["cat"], in: workspace, input: .pipe)
                let pid = try ProcessTree.program("/usr/bin/cat", under: running.castor)
                for word in ["one\n", "two\n", "three\n"] {
                    Thread.sleep(forTimeInterval: 0.7)
                    try running.castor.write(word)
                    _ = try running.castor.line(containing: String(word.dropLast()))
                }
                try ProcessTree.awaitSleep(pid, under: running.castor)
                ProcessTree.kill(pid, under: running.castor)
                let recording = try running.finish()
                workspace.expect(recording.outcome.status == 137, "castor's status: \(recording.outcome.status)")
                recording.expectSame()
            }
        }

        /// The log on disk follows a program that does little.
        @Test func aSlowProgramIsOnDiskSoon() throws {
            let workspace = try Workspace()
            let running = try Recording.start(["cat"], in: workspace, input: .pipe)
            for word in ["one\n", "two\n"] {
                try running.castor.write(word)
                _ = try running.castor.line(containing: String(word.dropLast()))
                Thread.sleep(forTimeInterval: 4)
            }
            ProcessTree.kill(try ProcessTree.agent(of: running.castor), under: running.castor)
            running.castor.closeInput()
            let recording = try running.finish()
            let replayed = try recording.replay(.partial, ["--damaged"])
            workspace.expect(replayed.outputText == "one\ntwo\n", "\(replayed)")
        }

        /// The least room and the most: the recording is the same.
        @Test(arguments: ["1", "64"])
        func buffers(_ size: String) throws {
            let workspace = try Workspace()
            let words = [try Repository.guest("mutexloop"), "4", "0.2"]
            let recording = try Recording.make(words, in: workspace, options: ["--buffer", size])
            workspace.expect(recording.outcome.status == 0, "the guest failed: \(recording.outcome)")
            recording.expectSame()
        }

        /// Several threads drain, each into a lane of its own: whatever the guest does replays as with one.
        @Test(arguments: Guest.all, [2, 5])
        func severalThreadsDrain(_ guest: Guest, threads: Int) throws {
            let workspace = try Workspace()
            let words = try guest.words(threads: 16, in: workspace)
            let recording = try Recording.make(words, in: workspace, options: ["--agent-threads", "\(threads)"])
            workspace.expect(recording.outcome.status == 0, "the guest failed: \(recording.outcome)")
            recording.expectSame()
        }

        /// Versions from hardware transactions, where there are any; elsewhere that is said.
        @Test(arguments: Guest.all)
        func transactions(_ guest: Guest) throws {
            let workspace = try Workspace()
            let words = try guest.words(threads: 4, in: workspace)
            if try workspace.castor("doctor").outputText.contains("RTM works") {
                let recording = try Recording.make(words, in: workspace, options: ["--transactions"])
                workspace.expect(recording.outcome.status == 0, "the guest failed: \(recording.outcome)")
                recording.expectSame()
            } else {
                let refused = try workspace.castor(["record", "--transactions", "--"] + words)
                workspace.expect(refused.status == 1 && refused.errorText.contains("no transactional memory"), "\(refused)")
            }
        }
    }
}
