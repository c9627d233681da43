/// strace as a witness: once a recorded program has armed its dispatch, no system call goes past the gate, in any of its
/// threads, its children and the programs that they execute.
import Foundation
import Testing

extension Integration {
    @Suite struct GateAuditTests {
        private func judge(_ workspace: Workspace, programs: Int, calls: Int) throws {
            let trace = try CallTrace(workspace("traces"))
            workspace.expect(
                trace.violations.isEmpty,
                "\(trace.violations.count) calls went past the gate:\n"
                    + trace.violations.prefix(20).joined(separator: "\n"))
            workspace.expect(
                trace.armed >= programs && trace.checked >= calls,
                "too little was seen: \(trace.checked) calls of \(trace.armed) programs")
        }

        private func start(_ words: [String], in workspace: Workspace) throws -> RunningRecording {
            let traces = try workspace.makeDirectory("traces")
            return try Recording.start(
                words, in: workspace, directory: try workspace.makeDirectory("work"),
                wrapper: ["strace", "-ff", "-i", "-qq", "-e", "trace=all", "-o", "\(traces)/trace"])
        }

        @Test(arguments: [
            ["threads", "4", "20"], ["signals", "2", "20"], ["forks", "2", "10"], ["locks", "2", "50"],
        ])
        func guest(_ words: [String]) throws {
            let workspace = try Workspace()
            let outcome = try start([try Repository.guest(words[0])] + words.dropFirst(), in: workspace).finish()
                .outcome
            workspace.expect(outcome.status == 0, "\(outcome)")
            try judge(workspace, programs: 1, calls: 20)
        }

        @Test func pipeline() throws {
            let workspace = try Workspace()
            let outcome = try start(["bash", Repository.guestSource("scripts/pipes.sh")], in: workspace).finish()
                .outcome
            workspace.expect(outcome.status == 5, "\(outcome)")
            try judge(workspace, programs: 20, calls: 2000)
        }

        @Test func subprocesses() throws {
            let workspace = try Workspace()
            let code =
                "import subprocess, threading; [t.start() for t in [threading.Thread(target=subprocess.run, "
                + "args=(['true'],)) for i in range(4)]]; print(subprocess.check_output('echo a | tr a b', shell=True))"
            let outcome = try start(["python3", "-c", code], in: workspace).finish().outcome
            workspace.expect(outcome.status == 0 && outcome.outputText == "b'b\\n'\n", "\(outcome)")
            try judge(workspace, programs: 7, calls: 1000)
        }

        @Test func redis() throws {
            let workspace = try Workspace()
            let port = try Network.freePort()
            let running = try start(
                ["redis-server", "--port", "\(port)", "--bind", "127.0.0.1", "--save", "", "--io-threads", "2"],
                in: workspace)
            try Network.awaitListener(port, of: running.castor)
            let load = try Child(["redis-benchmark", "-p", "\(port)", "-n", "200", "-c", "5", "-q", "-t", "set,lrange"])
                .wait()
            workspace.expect(load.status == 0, load.errorText)
            _ = try Child(["redis-cli", "-p", "\(port)", "shutdown", "nosave"]).wait()
            workspace.expect(try running.finish().outcome.status == 0, "the server failed")
            try judge(workspace, programs: 1, calls: 1000)
        }
    }
}
