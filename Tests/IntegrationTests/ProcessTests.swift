/// Process trees: what `castor ps` says of them, one process under the debugger, programs left out, what outlives the
/// first program, and the chaos mode.
import Foundation
import Testing

extension Integration {
    @Suite struct ProcessTests {
        private static let tree = [
            "sh", "-c", "echo $$; date +%N; (exec sh -c 'echo inner $$; exit 3'); echo $?; kill -TERM $$",
        ]

        @Test func listed() throws {
            let workspace = try Workspace()
            let recording = try Recording.make(Self.tree, in: workspace)
            workspace.expect(recording.outcome.status == 128 + SIGTERM, "\(recording.outcome)")
            recording.expectSame()

            let main = recording.outcome.outputText.split(separator: "\n").first.map(String.init) ?? ""
            let json = try workspace.castor("ps", "--json", recording.log)
            let list = try #require(try JSONSerialization.jsonObject(with: json.output) as? [[String: Any]])
            workspace.expect(list.count == 3, json.outputText)
            workspace.expect(
                (list[0]["pid"] as? NSNumber)?.stringValue == main
                    && (list[0]["signal"] as? NSNumber)?.int32Value == SIGTERM,
                json.outputText)
            let exits = list.dropFirst().map { ($0["exit"] as? NSNumber)?.intValue }
            workspace.expect(exits == [0, 3], json.outputText)
            workspace.expect(
                list.dropFirst().allSatisfy { ($0["parent"] as? NSNumber)?.stringValue == main }, json.outputText)

            let table = try workspace.castor("ps", recording.log).outputText.split(separator: "\n")
            workspace.expect(
                table.count == 4 && table[0].split(separator: " ").first == "PID" && table[2].hasSuffix("  date +%N")
                    && table[3].contains("exit 3"), table.joined(separator: "\n"))
        }

        /// The others replay beside the debugged one, to the same output.
        @Test(arguments: [true, false])
        func oneIsDebugged(byName: Bool) throws {
            let workspace = try Workspace()
            let recording = try Recording.make(
                ["sh", "-c", "echo before; sqlite3 :memory: 'select 6 * 7'; echo after"], in: workspace)
            let json = try workspace.castor("ps", "--json", recording.log)
            let list = try #require(try JSONSerialization.jsonObject(with: json.output) as? [[String: Any]])
            let pid = (list.last?["pid"] as? NSNumber)?.stringValue ?? ""
            let session = try workspace.castor(
                ["replay", "-p", byName ? "sqlite3" : pid, recording.log, "--", "-batch", "-ex", "break write"]
                    + ["-ex", "continue", "-ex", "printf \"to %d: %s\", (int)$rdi, (char *)$rsi", "-ex", "detach"],
                timeout: 60)
            workspace.expect(session.outputText.contains("to 1: 42\n"), "\(session.outputText)\n\(session.errorText)")
            for name in ["nobody", "1"] {
                let wrong = try workspace.castor("replay", "-p", name, recording.log)
                workspace.expect(wrong.status == 1 && wrong.errorText.contains("has no process"), "\(wrong)")
            }
        }

        @Test func onlySome() throws {
            let workspace = try Workspace()
            let words = ["sh", "-c", "date +%N | cat; echo $?"]
            let running = try workspace.startCastor(
                ["record", "-o", workspace("log"), "--only", "cat"] + words, input: .null)
            let said = try running.wait()
            workspace.expect(
                said.status == 0 && said.errorText.contains("not recorded: ")
                    && said.errorText.contains("it is not among the programs of --only"), "\(said)")
            let replay = try workspace.castor("replay", workspace("log"))
            workspace.expect(replay.status == 0 && replay.output == said.output, "\(replay)")
            let table = try workspace.castor("ps", workspace("log")).outputText
            workspace.expect(table.contains("  cat\n") && !table.contains("  date"), table)
        }

        /// A daemon is recorded to its own end, not to that of the program that started it.
        @Test func outlivesTheFirst() throws {
            let workspace = try Workspace()
            let script = "(sleep 0.3; date +%N; (sleep 0.2; echo last $$) & ) & echo first"
            let recording = try Recording.make(["sh", "-c", script], in: workspace)
            workspace.expect(
                recording.outcome.status == 0 && recording.outcome.outputText.contains("last"), "\(recording.outcome)")
            recording.expectSame()
        }

        /// On one processor a parent may well have ended before its child first runs.
        @Test func parentEndsBeforeItsChildBegins() throws {
            for _ in 0..<Series.count(soak: 200, reduced: 20) {
                let workspace = try Workspace()
                let script = "(sleep 0.02; date +%N; /bin/echo last) & exec /bin/echo first"
                let running = try Recording.start(["sh", "-c", script], in: workspace, wrapper: ["taskset", "-c", "0"])
                let recording = try running.finish()
                recording.expectSame(orders: [.partial])
                if workspace.isKept { break }
            }
        }

        /// Whoever does not want to wait for what the program left behind interrupts castor, and loses nothing.
        @Test func interruptedWait() throws {
            let workspace = try Workspace()
            let running = try workspace.startCastor(
                ["record", "-o", workspace("log"), "sh", "-c", "sleep 30 >/dev/null 2>&1 & echo $!"], input: .null)
            _ = try running.line(containing: "are still recorded", inErrors: true)
            running.send(SIGINT)
            let said = try running.wait(timeout: 20)
            let sleeper = pid_t(said.outputText.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0
            workspace.expect(said.status == 0 && sleeper > 0 && kill(sleeper, SIGTERM) == 0, "\(said)")
            let replay = try workspace.castor("replay", "-q", workspace("log"))
            workspace.expect(replay.status == 0 && replay.output == said.output, "\(replay)")
        }

        /// A thread has to stand still for 5 ms at one place between half a million: fair scheduling hardly ever does that.
        @Test func chaosBringsOutTheRare() throws {
            let workspace = try Workspace()
            let words = [try Repository.guest("rare"), "200000"]
            for attempt in 0..<5 {
                let log = workspace("log-\(attempt)")
                let recorded = try workspace.castor(["record", "-q", "--chaos", "-o", log] + words)
                let replay = try workspace.castor(["replay", "-q", log])
                workspace.expect(replay == recorded, "\(recorded), replayed \(replay)")
                if recorded.status == 128 + SIGABRT { return }
            }
            workspace.fail("five runs without the rare interleaving")
        }

        /// The server's bug comes out much sooner (Benchmarks/chaos.sh measures it); several runs together, of up to 150000
        /// requests each, take at least four times as many without: a bound that chance does not reach.
        @Test func chaosBringsTheServerDownSooner() throws {
            let workspace = try Workspace()
            var requests = [0, 0]
            for round in 0..<5 {
                for (side, options) in [[], ["--chaos"]].enumerated() {
                    requests[side] += try requestsUntilCrash(options, seed: round, in: workspace)
                }
            }
            workspace.expect(
                requests[0] > 4 * requests[1], "requests without: \(requests[0]), with chaos: \(requests[1])")
        }

        /// The store is filled first: one that is not full evicts nothing, which the bug needs. A crash is replayed.
        private func requestsUntilCrash(_ options: [String], seed: Int, in workspace: Workspace) throws -> Int {
            let log = workspace("server-\(seed)-\(options.count)")
            let server = try workspace.startCastor(
                ["record", "-q"] + options + ["-o", log, try Repository.sample("kvserver")], input: .null)
            let port = String(try server.line(containing: "listening on").drop { $0 != ":" }.dropFirst())
            let load = [try Repository.sample("kvload"), "-p", port, "-d", "60"]
            _ = try Child(load + ["-n", "40000", "--set-ratio", "1"]).wait()
            let said = try Child(load + ["-n", "150000", "--seed", "\(seed)"]).wait()
            server.send(SIGTERM)  // one that has survived
            let recorded = try server.wait()
            if recorded.status != 0 {
                workspace.expect(recorded.status == 128 + SIGSEGV, "\(recorded)")
                if seed == 0 {
                    let replay = try workspace.castor(["replay", "-q", log])
                    workspace.expect(replay.status == recorded.status, "\(replay)")
                }
            }
            try FileManager.default.removeItem(atPath: log)
            let lines = said.outputText.split(separator: "\n").map { $0.split(separator: " ") }
            return try #require(lines.first { $0.first == "requests" }?.last.flatMap { Int($0) }, "\(said)")
        }

        /// What an unfair scheduler brings out replays like everything else.
        @Test(arguments: ["locks", "condvars", "threads", "rwlocks"])
        func chaos(_ guest: String) throws {
            let workspace = try Workspace()
            let words = ["record", "-q", "--chaos", "-o", workspace("log"), try Repository.guest(guest), "4"]
            let recorded = try workspace.startCastor(words, input: .null).wait()
            workspace.expect(recorded.status == 0, "\(recorded)")
            for order in ReplayOrder.allCases {
                let replay = try workspace.castor(
                    ["replay", "-q", "--order", order.rawValue, workspace("log")], timeout: 60)
                workspace.expect(replay == recorded, "\(order): \(replay)")
            }
        }
    }
}
