/// `castor ft replica` whose replay leaves the recording, or dies: it starts over by itself while the primary goes on, and can take over.
import Foundation
import Testing

extension Integration {
    @Suite(.enabled(if: Hosts.areAllowed, "network namespaces need root")) struct RejoinTests {
        let workspace: Workspace

        init() throws {
            workspace = try Workspace()
            try workspace.makeDirectory("files")
            // The replica has no such file.
            try workspace.write("files/late", Data())
        }

        /// A pair whose replica has its files as at the start when it starts over.
        private func pair() throws -> Pair {
            try Pair(
                workspace, replicaOptions: ["--automatic", "--restore", "rm -f '\(workspace("files/counted"))'"],
                words: [workspace("files/late")])
        }

        /// Protected again, the client, which stands still, goes on; then the primary dies.
        private func expectTakeOver(of pair: Pair, under client: Child) throws {
            try pair.awaitProtection()
            client.send(SIGCONT)
            _ = try client.line(containing: "2000")
            try pair.hosts.kill(pair.hosts.primary)
            try pair.expectAllRight(client)
        }

        /// A file is missing on the replica's machine at first.
        @Test func diverges() throws {
            let pair = try pair()
            let client = try pair.load()
            _ = try pair.primary.line(containing: "a replica diverged: the replay does not do what the log says, at event", inErrors: true)
            client.send(SIGSTOP)
            _ = try pair.primary.line(containing: "UNPROTECTED", inErrors: true)
            _ = try pair.replica.line(containing: "the replay left the recording: this replica starts over in 1 s", inErrors: true)
            try workspace.write("copy/late", Data())
            try expectTakeOver(of: pair, under: client)
        }

        /// It is missing for good: the replica gives up, the primary goes on.
        @Test func givesUp() throws {
            let pair = try pair()
            let client = try pair.load()
            _ = try pair.primary.line(containing: "a replica diverged", inErrors: true)
            client.send(SIGSTOP)
            let ended = try pair.replica.wait(timeout: 120)
            let said = ended.errorText
            workspace.expect(ended.status == 70 && said.contains("the replay left the recording for the 5th time at event"), "\(ended)")
            for pause in [1, 2, 4, 8] { workspace.expect(said.contains("starts over in \(pause) s"), said) }
            client.send(SIGCONT)
            let seen = try client.wait(timeout: 120)
            workspace.expect(seen.status == 0, "the client: \(seen)")
            let served = try pair.primary.wait()
            workspace.expect(served.status == 3, "the server: \(served)")
        }

        enum Victim: String, CaseIterable { case program = "/udp_server", agent = "/castor-agent" }

        /// Nobody needs to be told, and outputs need not wait, for the primary to be protected again.
        @Test(arguments: Victim.allCases)
        func dies(_ victim: Victim) throws {
            try workspace.makeDirectory("copy")
            try workspace.write("copy/late", Data())
            let pair = try pair()
            let client = try pair.load()
            _ = try client.line(containing: "500")
            client.send(SIGSTOP)
            let tree = [pair.replica.pid] + ProcessTree.descendants(of: pair.replica.pid)
            let process = try #require(tree.first { ProcessTree.executable($0).hasSuffix(victim.rawValue) })
            Glibc.kill(process, SIGKILL)
            let reason = victim == .program ? "the replay was ended by signal 9" : "the agent ended"
            _ = try pair.replica.line(containing: "\(reason): this replica starts over in 1 s", inErrors: true)
            try expectTakeOver(of: pair, under: client)
        }

        /// The replica's machine is started again.
        @Test func restarted() throws {
            try workspace.makeDirectory("copy")
            try workspace.write("copy/late", Data())
            let pair = try pair()
            let client = try pair.load()
            _ = try client.line(containing: "500")
            client.send(SIGSTOP)
            try pair.hosts.kill(pair.hosts.replica)
            try workspace.remove("copy/counted")
            try pair.startAnotherReplica()
            try expectTakeOver(of: pair, under: client)
        }

        /// Who does not want to wait ends it.
        @Test func endsWhileItPauses() throws {
            let pair = try pair()
            let client = try pair.load()
            _ = try pair.primary.line(containing: "a replica diverged", inErrors: true)
            client.send(SIGSTOP)
            _ = try pair.replica.line(containing: "starts over in 4 s", inErrors: true)
            for pid in [pair.replica.pid] + ProcessTree.descendants(of: pair.replica.pid) { Glibc.kill(pid, SIGTERM) }
            let ended = try pair.replica.wait(timeout: 20)
            workspace.expect(ended.status == 143, "\(ended)")
            client.kill()
        }
    }
}
