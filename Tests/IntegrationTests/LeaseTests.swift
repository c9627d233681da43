/// `castor ft --lease`: a store says who is live. Whatever the network does there is one program, and what clients saw stays true.
import Foundation
import Testing

/// A primary, a replica, their lease store, and a client that checks every answer.
private final class Service {
    let hosts: Hosts
    let store: LeaseStore
    let workspace: Workspace
    let primary: Child
    let replica: Child
    private let requests: Int
    static let life = 500

    init(_ workspace: Workspace, requests: Int = 3000, silence: Int = 1000, lifetime: Int = Service.life) throws {
        self.workspace = workspace
        self.requests = requests
        hosts = try Hosts(hasStore: true)
        store = try LeaseStore(hosts, workspace)
        try workspace.makeDirectory("files")
        try workspace.makeDirectory("copy")
        let common = [
            "--insecure", "--silence", "\(silence)", "--lease", store.address, "--lease-time", "\(lifetime)",
            "--ip", "\(Hosts.service)/24",
        ]
        // The replica's own copy of the files.
        let bind = "mount --bind \"$0\" \"$1\" && shift && exec \"$@\""
        replica = try workspace.startCastor(
            [
                "ft", "replica", "--listen", "\(Hosts.replicaAddress):7070", "--dev", Hosts.replicaDevice, "-o",
                workspace("replica-log"),
            ]
                + common,
            wrapper: Hosts.on(hosts.replica) + [
                "unshare", "-m", "sh", "-c", bind, workspace("copy"), workspace("files"),
            ])
        primary = try workspace.startCastor(
            [
                "ft", "primary", "--replica", "\(Hosts.replicaAddress):7070", "--dev", Hosts.primaryDevice, "-o",
                workspace("primary-log"),
            ]
                + common + [
                    "--", try Repository.guest("udp_server"), Hosts.service, "9000", workspace("files/counted"),
                ],
            wrapper: Hosts.on(hosts.primary))
        _ = try primary.line(containing: "protected by 1 of 1", inErrors: true)
    }

    func load() throws -> Child {
        try Child(
            Hosts.on(hosts.client) + [
                "python3", Repository.guestSource("udp_load.py"), Hosts.service, "9000", "\(requests)",
            ])
    }

    /// The client got every answer, and the program that gave them all, on one side or the other, ended as it should.
    func expectServed(_ client: Child, by server: Child, file: String) throws {
        let seen = try client.wait(timeout: 120)
        workspace.expect(seen.status == 0, "the client: \(seen)")
        let ended = try server.wait(timeout: 60)
        workspace.expect(
            ended.status == 3 && ended.outputText == "\(requests + 1) requests, the timer ticked\n",
            "the server: \(ended)")
        let lines = (1...requests).map { "\($0) \($0)\n" }.joined() + "\(requests + 1) quit\n"
        let text = FileManager.default.contents(atPath: workspace(file)).map { String(decoding: $0, as: UTF8.self) }
        workspace.expect(text == lines, "the file has \(text?.split(separator: "\n").count ?? -1) lines")
    }

    /// Somebody else is live: the old primary has said so, has ended its program, and has gone.
    func expectFenced() throws {
        let ended = try primary.wait(timeout: 30)
        workspace.expect(
            ended.status == 137 && ended.errorText.contains("fenced: another node has taken over"),
            "the old primary: \(ended)")
    }

    /// Sends from the service's address on the primary's machine, and shows what of it, and of anything else from there, leaves.
    func watchPrimary() throws -> Child {
        let watch = try Child(
            Hosts.on(hosts.primary) + [
                "python3", Repository.guestSource("sniff.py"), Hosts.primaryDevice, Hosts.service, Hosts.replicaAddress,
            ])
        _ = try watch.line(containing: "watching")
        return watch
    }

    /// The same for half a second: nothing leaves.
    func expectPrimaryMute() throws {
        let watch = try watchPrimary()
        usleep(500_000)
        watch.send(SIGTERM)
        let packets = try watch.wait()
        workspace.expect(packets.outputText == "watching\n", "from the old primary: \(packets.outputText.prefix(1000))")
    }
}

extension Integration {
    @Suite(.enabled(if: Hosts.areAllowed, "network namespaces need root")) struct LeaseTests {
        /// The primary's whole machine dies at once.
        @Test func primaryKilled() throws {
            for _ in 0..<Series.count(soak: 50, reduced: 2) {
                let workspace = try Workspace()
                let service = try Service(workspace)
                let client = try service.load()
                _ = try client.line(containing: "500")
                try service.hosts.kill(service.hosts.primary)
                try service.expectServed(client, by: service.replica, file: "copy/counted")
                if workspace.isKept { break }
            }
        }

        /// Both reach the store, not each other. Which of the two goes on is open, that it is one is not.
        @Test func cutBetween() throws {
            let workspace = try Workspace()
            let service = try Service(workspace, silence: 100)
            let client = try service.load()
            _ = try client.line(containing: "500")
            try service.hosts.cutBetween()
            // The primary holds the lease and drops its replica; it may not be the other way round.
            _ = try service.primary.line(containing: "UNPROTECTED", inErrors: true)
            _ = try service.replica.line(containing: "does not list this replica", inErrors: true)
            try service.expectServed(client, by: service.primary, file: "files/counted")
            _ = try service.replica.line(containing: "the program has ended", inErrors: true)
        }

        /// The primary lives on, and nobody hears of it. When its network is back it is silent, and ends.
        @Test func primaryCutOff() throws {
            let workspace = try Workspace()
            let service = try Service(workspace, silence: 100)
            let client = try service.load()
            _ = try client.line(containing: "500")
            try service.hosts.cut(.primary)
            _ = try service.replica.line(containing: "live in epoch", inErrors: true)
            try service.hosts.mend(.primary)
            try service.expectPrimaryMute()
            try service.expectFenced()
            try service.expectPrimaryMute()
            try service.expectServed(client, by: service.replica, file: "copy/counted")
        }

        /// The primary was only stopped, program, agent and all. The kernel keeps it silent; it goes on when another is live, and ends.
        @Test func primaryStopped() throws {
            for _ in 0..<Series.count(soak: 50, reduced: 2) {
                let workspace = try Workspace()
                let service = try Service(workspace, silence: 100)
                let client = try service.load()
                _ = try client.line(containing: "500")
                let watch = try service.watchPrimary()
                _ = try watch.line(containing: "sent")
                watch.send(SIGTERM)
                _ = try watch.wait()
                try service.hosts.signal(service.hosts.primary, SIGSTOP)
                _ = try service.replica.line(containing: "live in epoch", inErrors: true)
                try service.expectPrimaryMute()
                try service.hosts.signal(service.hosts.primary, SIGCONT)
                try service.expectFenced()
                try service.expectPrimaryMute()
                try service.expectServed(client, by: service.replica, file: "copy/counted")
                if workspace.isKept { break }
            }
        }

        /// Without a store nobody is live for long, and nobody takes over; when it is back the primary goes on.
        @Test func storeCutOff() throws {
            let workspace = try Workspace()
            let service = try Service(workspace)
            let client = try service.load()
            _ = try client.line(containing: "500")
            try service.hosts.cut(.store)
            _ = try service.primary.line(containing: "the lease store cannot be reached", inErrors: true)
            _ = try service.primary.line(
                containing: "silent: the lease store has not confirmed the lease", inErrors: true)
            usleep(UInt32(2 * Service.life) * 1000)
            #expect(service.primary.isAlive && service.replica.isAlive && client.isAlive)
            try service.hosts.mend(.store)
            _ = try service.primary.line(containing: "the lease is confirmed again", inErrors: true)
            try service.expectServed(client, by: service.primary, file: "files/counted")
            let standby = try service.replica.wait()
            workspace.expect(
                standby.status == 3 && !standby.errorText.contains("live in epoch"), "the replica: \(standby)")
        }

        /// The primary dies while nobody reaches the store: its replica waits for the store, and then takes over.
        @Test func storeComesBack() throws {
            let workspace = try Workspace()
            let service = try Service(workspace)
            let client = try service.load()
            _ = try client.line(containing: "500")
            try service.hosts.cut(.store)
            try service.hosts.kill(service.hosts.primary)
            _ = try service.replica.line(containing: "the lease store cannot be reached", inErrors: true)
            usleep(UInt32(2 * Service.life) * 1000)
            #expect(service.replica.isAlive && client.isAlive)
            try service.hosts.mend(.store)
            try service.expectServed(client, by: service.replica, file: "copy/counted")
        }

        /// A second primary of the same service waits, and begins when the first one has ended.
        @Test func secondPrimaryWaits() throws {
            let workspace = try Workspace()
            let service = try Service(workspace, requests: 1500)
            let second = try workspace.startCastor(
                [
                    "ft", "primary", "--replica", "\(Hosts.replicaAddress):7071", "--insecure", "--lease",
                    service.store.address, "-o",
                    workspace("second-log"), "--deadline", "200", "--", "/bin/echo", "second",
                ],
                wrapper: Hosts.on(service.hosts.client))
            _ = try second.line(containing: "another node held the lease last", inErrors: true)
            let client = try service.load()
            try service.expectServed(client, by: service.primary, file: "files/counted")
            let ended = try second.wait()
            workspace.expect(ended.status == 0 && ended.outputText == "second\n", "the second primary: \(ended)")
        }

        @Test func errors() throws {
            let workspace = try Workspace()
            func expect(_ words: [String], _ text: String) throws {
                let outcome = try workspace.castor(["ft"] + words)
                workspace.expect(outcome.status == 64 && outcome.errorText.contains(text), "\(words): \(outcome)")
            }
            let replica = ["replica", "--listen", "127.0.0.1:7070"]
            try expect(replica + ["--lease", "http://somewhere"], "'http://somewhere' is not etcd://HOST:PORT/NAME")
            try expect(replica + ["--lease", "etcd://somewhere:2379"], "is not etcd://HOST:PORT/NAME")
            try expect(replica + ["--lease-time", "100"], "--lease-time without --lease")
            try expect(replica + ["--lease", "etcd://somewhere:2379/x", "--automatic"], "every take-over is automatic")
            try expect(
                replica + ["--lease", "etcd://somewhere:2379/x", "--lease-time", "5"], "shorter than a heartbeat")
            try expect(
                replica + ["--lease", "etcd://somewhere:2379/x", "--lease-key", "k"],
                "--lease-cert and --lease-key belong together")
            // A store that is not there is waited for, and can be given up.
            let primary = try workspace.startCastor([
                "ft", "primary", "--replica", "127.0.0.1:7070", "--lease", "etcd://127.0.0.1:9/x", "-o",
                workspace("log"), "true",
            ])
            _ = try primary.line(
                containing: "the lease store: http://127.0.0.1:9: Couldn't connect to server", inErrors: true)
            primary.send(SIGTERM)
            let ended = try primary.wait(timeout: 20)
            workspace.expect(ended.status == 143, "\(ended)")
        }
    }
}
