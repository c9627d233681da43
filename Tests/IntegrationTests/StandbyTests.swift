/// `castor ft`: a primary dies, and its replica goes on as if nothing had happened. Client, primary and replica are machines of their
/// own, as far as the kernel's network is concerned.
import Foundation
import Testing

/// A primary with a replica, and a client that checks every answer.
final class Pair {
    let hosts = try! Hosts()
    let workspace: Workspace
    let primary: Child
    private(set) var replica: Child
    private let startReplica: (_ log: String) throws -> Child
    private static let requests = 3000

    /// The replica's log.
    private(set) var log: String

    /// Of the replica, what the server writes.
    private let counted: String

    /// `link`: how the log crosses the network, for the primary and for the replica. `words`: further ones of the program. `ships`: the
    /// replica gets the program's files from the primary, and is not given a copy of its own.
    init(
        _ workspace: Workspace, primaryFirst: Bool = false, primaryOptions: [String] = [], replicaOptions: [String] = ["--automatic"],
        link: (primary: [String], replica: [String]) = (["--insecure"], ["--insecure"]), isToJoin: Bool = true,
        words: [String] = [], ships: Bool = false
    ) throws {
        self.workspace = workspace
        try workspace.makeDirectory("files")
        if !ships { try workspace.makeDirectory("copy") }
        counted = ships ? "files\(workspace("files/counted"))" : workspace("copy/counted")
        let server = [try Repository.guest("udp_server"), Hosts.service, "9000", workspace("files/counted")] + words
        let hosts = hosts
        let startPrimary = {
            try workspace.startCastor(
                ["ft", "primary", "--replica", "\(Hosts.replicaAddress):7070", "--silence", "1000", "-o", workspace("primary-log")]
                    + link.primary + primaryOptions + (ships ? ["--files", workspace("files")] : []) + ["--"] + server,
                environment: Pair.environment(workspace), wrapper: Hosts.on(hosts.primary))
        }
        log = workspace("replica-log")
        startReplica = { log in
            // The replica's own copy of the files.
            let bind = "mount --bind \"$0\" \"$1\" && shift && exec \"$@\""
            return try workspace.startCastor(
                ["ft", "replica", "--listen", "\(Hosts.replicaAddress):7070", "--silence", "1000",
                    "--ip", "\(Hosts.service)/24", "--dev", Hosts.replicaDevice, "-o", log] + link.replica + replicaOptions,
                environment: Pair.environment(workspace),
                wrapper: Hosts.on(hosts.replica)
                    + (ships ? [] : ["unshare", "-m", "sh", "-c", bind, workspace("copy"), workspace("files")]))
        }
        if primaryFirst {
            primary = try startPrimary()
            _ = try primary.line(containing: "ready", inErrors: true)
            replica = try startReplica(log)
        } else {
            replica = try startReplica(log)
            primary = try startPrimary()
        }
        if isToJoin { _ = try primary.line(containing: "protected by 1 of 1", inErrors: true) }
    }

    /// Another one on the same machine.
    func startAnotherReplica() throws {
        log = workspace("another-log")
        replica = try startReplica(log)
    }

    /// Returns when the primary is protected, whoever it was by before.
    func awaitProtection() throws {
        let deadline = Date(timeIntervalSinceNow: 60)
        while true {
            let seen = try workspace.startCastor(["ft", "status"], environment: Pair.environment(workspace)).wait(timeout: 30)
            if seen.status == 0 { return }
            guard Date() < deadline else { throw Failure("the primary is not protected: \(seen)") }
            usleep(50_000)
        }
    }

    /// Only this test's primaries and replicas are to be seen.
    static func environment(_ workspace: Workspace) -> [String: String?] { ["CASTOR_RUNTIME_DIR": workspace("run")] }

    func load() throws -> Child {
        try Child(
            Hosts.on(hosts.client) + [
                "python3", Repository.guestSource("udp_load.py"), Hosts.service, "9000", "\(Pair.requests)",
            ])
    }

    /// The client got every answer, the server on the replica ended as it should, its file is whole, and its log replays: the part
    /// that the primary did as well as the part that the replica did alone.
    func expectAllRight(_ client: Child) throws {
        let seen = try client.wait(timeout: 120)
        workspace.expect(seen.status == 0, "the client: \(seen)")
        let ended = try replica.wait(timeout: 60)
        workspace.expect(ended.status == 3, "the server on the replica: \(ended)")
        let text = "\(Pair.requests + 1) requests, the timer ticked\n"
        workspace.expect(ended.outputText == text, "the server on the replica: \(ended)")
        let lines = (1...Pair.requests).map { "\($0) \($0)\n" }.joined() + "\(Pair.requests + 1) quit\n"
        let file = FileManager.default.contents(atPath: counted.hasPrefix("/") ? counted : "\(log)/\(counted)").map { String(decoding: $0, as: UTF8.self) }
        workspace.expect(file == lines, "the replica's file has \(file?.split(separator: "\n").count ?? -1) lines")
        for order in ReplayOrder.allCases {
            let again = try workspace.castor("replay", "-q", "--order", order.rawValue, log)
            workspace.expect(again.status == 3 && again.outputText == text, "the replica's log replays otherwise: \(again)")
        }
    }
}

extension Integration {
    @Suite(.enabled(if: Hosts.areAllowed, "network namespaces need root")) struct StandbyTests {
        /// The primary's whole process tree dies at once, at a random moment.
        @Test func primaryKilled() throws {
            var random = Random("primary killed")
            for _ in 0..<Series.count(soak: 100, reduced: 2) {
                let workspace = try Workspace()
                let pair = try Pair(workspace)
                let client = try pair.load()
                _ = try client.line(containing: "\(100 * (1 + random.below(25)))")
                usleep(UInt32(random.below(10_000)))
                try pair.hosts.kill(pair.hosts.primary)
                try pair.expectAllRight(client)
                if workspace.isKept { break }
            }
        }

        /// The primary lives on, and nobody hears of it.
        @Test func primaryCutOff() throws {
            let workspace = try Workspace()
            let pair = try Pair(workspace)
            let client = try pair.load()
            _ = try client.line(containing: "500")
            try pair.hosts.cutPrimary()
            try pair.expectAllRight(client)
        }

        /// Nobody may send what the log does not have.
        @Test func agentKilled() throws {
            let workspace = try Workspace()
            let pair = try Pair(workspace)
            let client = try pair.load()
            _ = try client.line(containing: "500")
            let castor = ProcessTree.children(of: pair.primary.pid).first ?? pair.primary.pid
            let tree = [pair.primary.pid, castor] + ProcessTree.descendants(of: pair.primary.pid)
            let agent = try #require(tree.first { ProcessTree.executable($0).hasSuffix("/castor-agent") })
            Glibc.kill(agent, SIGKILL)
            try pair.expectAllRight(client)
            let seen = try pair.primary.wait()
            workspace.expect(seen.errorText.contains("its standby takes over"), "\(seen)")
        }

        /// Outputs wait as long as the replica stands still, and go on with it.
        @Test func replicaStopped() throws {
            let workspace = try Workspace()
            let pair = try Pair(workspace)
            let client = try pair.load()
            _ = try client.line(containing: "500")
            try pair.hosts.signal(pair.hosts.replica, SIGSTOP)
            usleep(1_000_000)
            try pair.hosts.signal(pair.hosts.replica, SIGCONT)
            _ = try client.line(containing: "1500")
            // It must still be one that can take over.
            try pair.hosts.kill(pair.hosts.primary)
            try pair.expectAllRight(client)
        }

        /// As on a host that stops its virtual machines for a while: the replica wakes up first, and nothing was heard for long.
        @Test func bothStandStill() throws {
            let workspace = try Workspace()
            let pair = try Pair(workspace, primaryOptions: ["--deadline", "10000"])
            let client = try pair.load()
            _ = try client.line(containing: "500")
            try pair.hosts.signal(pair.hosts.primary, SIGSTOP)
            try pair.hosts.signal(pair.hosts.replica, SIGSTOP)
            usleep(2_000_000)
            try pair.hosts.signal(pair.hosts.replica, SIGCONT)
            usleep(300_000)
            try pair.hosts.signal(pair.hosts.primary, SIGCONT)
            _ = try client.line(containing: "1500")
            workspace.expect(!pair.replica.hasSaid("nothing was heard"), "the replica suspects: \(pair.replica.soFar.errorText)")
            try pair.hosts.kill(pair.hosts.primary)
            try pair.expectAllRight(client)
        }

        /// The program goes on without its replica, and says so.
        @Test func replicaKilled() throws {
            let workspace = try Workspace()
            let pair = try Pair(workspace, primaryOptions: ["--deadline", "300"])
            let client = try pair.load()
            _ = try client.line(containing: "500")
            try pair.hosts.kill(pair.hosts.replica)
            _ = try pair.primary.line(containing: "UNPROTECTED", inErrors: true)
            let seen = try client.wait(timeout: 120)
            workspace.expect(seen.status == 0, "the client: \(seen)")
            let ended = try pair.primary.wait()
            workspace.expect(ended.status == 3, "the server: \(ended)")
        }

        /// The replica comes when the program has long been running, and catches up.
        @Test func replicaComesLater() throws {
            let workspace = try Workspace()
            let pair = try Pair(workspace, primaryFirst: true)
            let client = try pair.load()
            _ = try client.line(containing: "1000")
            try pair.hosts.kill(pair.hosts.primary)
            try pair.expectAllRight(client)
        }

        /// Both ends of a run that nothing disturbs.
        @Test func programEnds() throws {
            let workspace = try Workspace()
            let pair = try Pair(workspace)
            let seen = try pair.load().wait(timeout: 120)
            workspace.expect(seen.status == 0, "the client: \(seen)")
            let ended = try pair.primary.wait()
            workspace.expect(ended.status == 3, "the server: \(ended)")
            let standby = try pair.replica.wait()
            workspace.expect(standby.status == 3 && standby.outputText == ended.outputText, "the replica: \(standby)")
        }

        /// Without a store of leases only the user knows that the primary is dead.
        @Test func takesOverWhenTold() throws {
            let workspace = try Workspace()
            let pair = try Pair(workspace, replicaOptions: [])
            let client = try pair.load()
            _ = try client.line(containing: "500")
            try pair.hosts.kill(pair.hosts.primary)
            _ = try pair.replica.line(containing: "the link to the primary ended", inErrors: true)
            usleep(300_000)
            #expect(pair.replica.isAlive && client.isAlive)
            for pid in [pair.replica.pid] + ProcessTree.descendants(of: pair.replica.pid)
            where ProcessTree.executable(pid).hasSuffix("/castor") { Glibc.kill(pid, SIGUSR1) }
            try pair.expectAllRight(client)
        }

        @Test func errors() throws {
            let workspace = try Workspace()
            func expect(_ words: [String], _ status: Int32, _ text: String) throws {
                let outcome = try workspace.castor(["ft"] + words)
                workspace.expect(outcome.status == status && outcome.errorText.contains(text), "\(words): \(outcome)")
            }
            try expect([], 64, "no action given")
            try expect(["replika"], 64, "did you mean 'replica'?")
            try expect(["primary", "true"], 64, "no replica given")
            try expect(["primary", "--replica", "somewhere", "true"], 64, "'somewhere' is not HOST:PORT")
            try expect(["primary", "--replica", "10.0.0.1:7070", "true"], 64, "plain text; --insecure allows that")
            try expect(["replica"], 64, "--listen is missing")
            try expect(["replica", "--listen", "127.0.0.1:7070", "--ip", "10.0.0.9/24"], 64, "--ip and --dev belong together")
            try expect(["replica", "--listen", "127.0.0.1:7070", "--automatic", "--ack", "2"], 64, "that needs a lease store")
            try expect(["replica", "--listen", "127.0.0.1:7070", "--replica", "10.0.0.1:7070"], 64, "plain text; --insecure allows that")
            try expect(["replica", "--listen", "127.0.0.1:7070", "--silence", "5"], 64, "two heartbeats")
            try expect(["replica", "--listen", "203.0.113.1:7070", "--insecure", "-o", workspace("x")], 1, "cannot listen at 203.0.113.1")
        }
    }
}
