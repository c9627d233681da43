/// What can go wrong around a primary and its replica, one thing after the other, with real processes: processes that are stopped or
/// killed alone, networks that are cut in part, slow or flap, disks that are full, clients in rare states of TCP. Whatever it is: no
/// client sees a wrong answer, the address never belongs to two machines, castor says what it does about it, and nothing hangs.
import Foundation
import Testing

/// A protected server, its lease store, and a witness of whose the address is.
private final class Cluster {
    let hosts: Hosts
    let workspace: Workspace
    private let store: LeaseStore
    let primary: Child
    private(set) var replica: Child
    private let witness: Child
    private let server: [String]
    private let common: [String]
    static let port = 7000
    static let replicaPlace = "\(Hosts.replicaAddress):7070"

    /// Returns when the server listens, protected. `smallDisk`: of which machine's log, so many bytes.
    init(
        _ workspace: Workspace, _ server: [String]? = nil, silence: Int = 300, deadline: Int = 1000,
        smallDisk: (host: Hosts.Port, bytes: Int)? = nil
    ) throws {
        self.workspace = workspace
        self.server = server ?? [
            "redis-server", "--bind", Hosts.service, "--port", "\(Cluster.port)", "--save", "", "--protected-mode", "no", "--dir",
            workspace.path,
        ]
        hosts = try Hosts(hasStore: true)
        store = try LeaseStore(hosts, workspace)
        common = [
            "--insecure", "--silence", "\(silence)", "--lease", store.address, "--lease-time", "1000", "--ip", "\(Hosts.service)/24",
        ]
        witness = try Child(
            Hosts.on(hosts.client) + ["python3", Repository.guestSource("voices.py"), "client", Hosts.service])
        _ = try witness.line(containing: "listening")
        func disk(_ host: Hosts.Port) throws -> [String] {
            let directory = try workspace.makeDirectory("\(host.rawValue)-disk")
            guard let smallDisk, smallDisk.host == host else { return [] }
            // Every command of `ip netns exec` has mounts of its own.
            return ["sh", "-c", "mount -t tmpfs -o size=\(smallDisk.bytes) none \"$0\" && exec \"$@\"", directory]
        }
        replica = try Cluster.replica(workspace, hosts, common, number: 1, wrapper: try disk(.replica))
        primary = try workspace.startCastor(
            ["ft", "primary", "--replica", Cluster.replicaPlace, "--dev", Hosts.primaryDevice, "--deadline", "\(deadline)"] + common
                + ["-o", workspace("to-primary-disk/log"), "--"] + self.server,
            environment: Pair.environment(workspace), wrapper: Hosts.on(hosts.primary) + (try disk(.primary)))
        _ = try primary.line(containing: "protected by 1 of 1", inErrors: true)
        try hosts.awaitListener(port: Cluster.port)
    }

    private static func replica(_ workspace: Workspace, _ hosts: Hosts, _ common: [String], number: Int, wrapper: [String] = []) throws -> Child {
        try workspace.startCastor(
            ["ft", "replica", "--listen", replicaPlace, "--dev", Hosts.replicaDevice] + common
                + ["-o", workspace("to-replica-disk/log-\(number)")],
            environment: Pair.environment(workspace), wrapper: Hosts.on(hosts.replica) + wrapper)
    }

    /// Another replica on the machine of the first one, which is gone.
    func startReplicaAgain() throws { replica = try Cluster.replica(workspace, hosts, common, number: 2) }

    // MARK: - Clients

    func client(_ script: String, _ words: [String], begins: String, input: Child.Input = .null) throws -> Child {
        let client = try Child(Hosts.on(hosts.client) + ["python3", Repository.guestSource(script)] + words, input: input)
        _ = try client.line(containing: begins)
        return client
    }

    /// 20 connections that check every answer.
    func load(answers: Int, begins: String = "1000") throws -> Child {
        try client("tcp_load.py", ["redis", Hosts.service, "\(Cluster.port)", "20", "\(answers)"], begins: begins)
    }

    // MARK: - Processes

    /// A part of what castor runs on a machine.
    enum Part: String, CaseIterable, Sendable { case program, agent }

    func process(_ part: Part, on host: String) throws -> pid_t {
        let pids = try hosts.processes(host)
        let name = part == .agent ? "/castor-agent" : "/\(URL(fileURLWithPath: server[0]).resolvingSymlinksInPath().lastPathComponent)"
        let found = pids.first { ProcessTree.executable($0).hasSuffix(name) || part == .program && Cluster.name($0) == server[0] }
        guard let found else { throw Failure("no \(part) on \(host)") }
        return found
    }

    /// Of an executable that is a link to another, as redis-server is.
    private static func name(_ pid: pid_t) -> String? {
        FileManager.default.contents(atPath: "/proc/\(pid)/comm").map { String(decoding: $0.dropLast(), as: UTF8.self) }
    }

    // MARK: - What must hold

    func expectAllRight(_ client: Child, _ location: SourceLocation = #_sourceLocation) throws {
        let seen = try workspace.keptOnError { try client.wait(timeout: 60) }
        workspace.expect(seen.status == 0, "the client: \(seen.errorText) \(seen.outputText.suffix(200))", location)
    }

    /// The client, whose server is gone, is ended.
    func expectNoWrongAnswer(_ client: Child) throws {
        client.send(SIGTERM)
        let seen = try client.wait(timeout: 30)
        workspace.expect(!seen.errorText.contains("the answer is"), "the client: \(seen.errorText)")
    }

    /// The address was the primary's, and then the replica's if it has `moved`: never the primary's again, never both's in turn.
    func expectOneVoice(moved: Bool?, _ location: SourceLocation = #_sourceLocation) throws {
        witness.send(SIGTERM)
        let seen = try witness.wait(timeout: 30)
        let voices = seen.outputText.split(separator: "\n").filter { $0.hasPrefix("voice") }
        let count = moved.map { $0 ? 2...2 : 1...1 } ?? 1...2
        workspace.expect(
            seen.status == 0 && count.contains(voices.count) && Set(voices).count == voices.count, "who was heard: \(seen)", location)
    }

    /// The primary's machine dies, and its replica goes on.
    func primaryDies(under client: Child) throws {
        try hosts.kill(hosts.primary)
        try workspace.keptOnError { _ = try replica.line(containing: "live in epoch", inErrors: true) }
        try expectAllRight(client)
        try expectOneVoice(moved: true)
    }

    func expectFenced() throws {
        let ended = try primary.wait(timeout: 30)
        workspace.expect(
            ended.status == 137 && ended.errorText.contains("fenced: another node has taken over"), "the old primary: \(ended)")
    }

    /// castor says this, and why, and the program goes on alone.
    func expectUnprotected(_ client: Child, _ text: String) throws {
        try workspace.keptOnError { _ = try primary.line(containing: text, inErrors: true) }
        _ = try primary.line(containing: "UNPROTECTED", inErrors: true)
        try expectAllRight(client)
        try expectOneVoice(moved: false)
    }
}

extension Integration {
    @Suite(.enabled(if: Hosts.areAllowed, "network namespaces need root")) struct FailureTests {
        let workspace: Workspace

        init() throws { workspace = try Workspace() }

        static let rounds = Array(1...Series.count(soak: 25, reduced: 1))

        // MARK: - One process is stopped, and goes on

        /// Nobody takes over from a machine whose program is only slow, and it can still be taken over from.
        @Test(arguments: rounds) func programStopped(_ number: Int) throws {
            let cluster = try Cluster(workspace)
            let client = try cluster.load(answers: 8000)
            let program = try cluster.process(.program, on: cluster.hosts.primary)
            kill(program, SIGSTOP)
            usleep(1_000_000)
            #expect(client.isAlive && cluster.primary.isAlive && cluster.replica.isAlive)
            kill(program, SIGCONT)
            _ = try client.line(containing: "4000")
            try cluster.primaryDies(under: client)
        }

        /// The lease expires meanwhile: the replica takes over, and the agent, when it goes on, ends its program.
        @Test(arguments: rounds) func recordAgentStopped(_ number: Int) throws {
            let cluster = try Cluster(workspace)
            let client = try cluster.load(answers: 8000)
            let agent = try cluster.process(.agent, on: cluster.hosts.primary)
            kill(agent, SIGSTOP)
            _ = try cluster.replica.line(containing: "live in epoch", inErrors: true)
            _ = try client.line(containing: "4000")
            kill(agent, SIGCONT)
            try cluster.expectFenced()
            try cluster.expectAllRight(client)
            try cluster.expectOneVoice(moved: true)
        }

        /// Outputs wait meanwhile; afterwards it can take over as ever.
        @Test(arguments: Cluster.Part.allCases) private func replicaPartStopped(_ part: Cluster.Part) throws {
            let cluster = try Cluster(workspace, deadline: 5000)
            let client = try cluster.load(answers: 8000)
            let pid = try cluster.process(part, on: cluster.hosts.replica)
            kill(pid, SIGSTOP)
            usleep(1_000_000)
            #expect(client.isAlive && cluster.primary.isAlive)
            kill(pid, SIGCONT)
            _ = try client.line(containing: "4000")
            try cluster.primaryDies(under: client)
        }

        // MARK: - One process is killed

        /// That is how this program ended: its replica's ends the same way, and nobody takes over.
        @Test func programKilled() throws {
            let cluster = try Cluster(workspace)
            let client = try cluster.load(answers: 1_000_000)
            kill(try cluster.process(.program, on: cluster.hosts.primary), SIGKILL)
            let ended = try cluster.primary.wait(timeout: 30)
            workspace.expect(ended.status == 137, "the primary: \(ended)")
            let standby = try cluster.replica.wait(timeout: 30)
            workspace.expect(standby.status == 137 && !standby.errorText.contains("live in epoch"), "the replica: \(standby)")
            try cluster.expectNoWrongAnswer(client)
            try cluster.expectOneVoice(moved: false)
        }

        /// The program sends nothing that nobody has logged, and ends; the replica takes over.
        @Test(arguments: rounds) func recordAgentKilled(_ number: Int) throws {
            let cluster = try Cluster(workspace)
            let client = try cluster.load(answers: 8000)
            kill(try cluster.process(.agent, on: cluster.hosts.primary), SIGKILL)
            let ended = try cluster.primary.wait(timeout: 30)
            workspace.expect(ended.status == 137 && ended.errorText.contains("its standby takes over"), "the primary: \(ended)")
            _ = try cluster.replica.line(containing: "live in epoch", inErrors: true)
            try cluster.expectAllRight(client)
            try cluster.expectOneVoice(moved: true)
        }

        /// Also one that has nothing to send for a while, so that its ring is full before it sends. The replica, which was stopped
        /// meanwhile, sends it.
        @Test func unrecordedProgramEnds() throws {
            let code = """
                import socket, time
                listener = socket.create_server(("\(Hosts.service)", \(Cluster.port)))
                requests = socket.socket(type=socket.SOCK_DGRAM)
                requests.bind(("\(Hosts.service)", \(Cluster.port)))
                request, client = requests.recvfrom(10)
                print("busy", flush=True)
                zeros = open("/dev/zero", "rb", 0)
                begun = time.monotonic()
                while time.monotonic() < begun + 1:
                    for _ in range(100): zeros.read(4096)
                requests.sendto(b"done", client)
                """
            let cluster = try Cluster(workspace, ["/usr/bin/python3", "-c", code], deadline: 10_000)
            let ask = """
                import socket
                stream = socket.socket(type=socket.SOCK_DGRAM)
                stream.sendto(b"go", ("\(Hosts.service)", \(Cluster.port)))
                print("asked", flush=True)
                print(stream.recv(10).decode(), flush=True)
                """
            let client = try Child(Hosts.on(cluster.hosts.client) + ["python3", "-c", ask])
            _ = try cluster.primary.line(containing: "busy")
            try cluster.hosts.signal(cluster.hosts.replica, SIGSTOP)
            kill(try cluster.process(.agent, on: cluster.hosts.primary), SIGKILL)
            let ended = try cluster.primary.wait(timeout: 30)
            workspace.expect(ended.status == 137 && ended.errorText.contains("its standby takes over"), "the primary: \(ended)")
            usleep(1_500_000)
            #expect(client.isAlive)
            try cluster.hosts.signal(cluster.hosts.replica, SIGCONT)
            try cluster.expectAllRight(client)
            try cluster.expectOneVoice(moved: true)
        }

        /// The replica says what happened and starts over; the primary goes on meanwhile.
        @Test(arguments: Cluster.Part.allCases) private func replicaPartKilled(_ part: Cluster.Part) throws {
            let cluster = try Cluster(workspace)
            let client = try cluster.load(answers: 8000)
            kill(try cluster.process(part, on: cluster.hosts.replica), SIGKILL)
            _ = try cluster.replica.line(containing: ": this replica starts over in 1 s", inErrors: true)
            try cluster.expectAllRight(client)
            try cluster.expectOneVoice(moved: false)
            #expect(cluster.primary.isAlive && cluster.replica.isAlive)
        }

        /// Both nodes are without their agents: nobody answers any more. The primary ends; the replica starts over, and waits for another.
        @Test func bothAgentsKilled() throws {
            let cluster = try Cluster(workspace)
            let client = try cluster.load(answers: 1_000_000)
            for host in [cluster.hosts.replica, cluster.hosts.primary] { kill(try cluster.process(.agent, on: host), SIGKILL) }
            let primary = try cluster.primary.wait(timeout: 30)
            workspace.expect(primary.status != 0, "\(primary)")
            #expect(try cluster.hosts.processes(cluster.hosts.primary).isEmpty)
            _ = try cluster.replica.line(containing: "the agent ended: this replica starts over in 1 s", inErrors: true)
            try cluster.expectNoWrongAnswer(client)
            #expect(cluster.replica.isAlive)
            try cluster.expectOneVoice(moved: false)
        }

        /// A new replica gets the log from its beginning, and can take over.
        @Test(arguments: rounds) func replicaComesAgain(_ number: Int) throws {
            let cluster = try Cluster(workspace)
            let client = try cluster.load(answers: 12_000)
            try cluster.hosts.kill(cluster.hosts.replica)
            _ = try cluster.primary.line(containing: "UNPROTECTED", inErrors: true)
            try cluster.startReplicaAgain()
            _ = try cluster.primary.line(containing: "protected by 1 of 1", 2, inErrors: true)
            try cluster.primaryDies(under: client)
        }

        // MARK: - The network

        /// One of the two does not hear the other: the primary goes on, the replica does not take over.
        @Test(arguments: [Hosts.Port.primary, .replica]) func oneWayCut(_ deaf: Hosts.Port) throws {
            let cluster = try Cluster(workspace)
            let client = try cluster.load(answers: 8000)
            try cluster.hosts.deafen(deaf)
            try cluster.expectUnprotected(client, "a replica was dropped")
            #expect(cluster.replica.isAlive)
        }

        /// The primary's network comes and goes: one of the two serves in the end, and only that one.
        @Test(arguments: rounds) func flappingLink(_ number: Int) throws {
            var random = Random("flapping \(number)")
            let cluster = try Cluster(workspace)
            let client = try cluster.load(answers: 8000)
            for _ in 0..<12 {
                try cluster.hosts.cut(.primary)
                usleep(UInt32(50_000 + random.below(250_000)))
                try cluster.hosts.mend(.primary)
                usleep(UInt32(50_000 + random.below(250_000)))
            }
            try cluster.expectAllRight(client)
            try cluster.expectOneVoice(moved: nil)
        }

        /// The log is sent again from where the replica is, as often as that happens.
        @Test(arguments: rounds) func linkReset(_ number: Int) throws {
            let cluster = try Cluster(workspace)
            let client = try cluster.load(answers: 12_000)
            for round in 1...3 {
                try cluster.hosts.resetConnections(to: 7070)
                _ = try cluster.replica.line(containing: "the link to the primary ended", round, inErrors: true)
                _ = try client.line(containing: "\(1000 + 2000 * round)")
            }
            try cluster.primaryDies(under: client)
        }

        /// 1 Mbit/s between the two: slow, and nothing is lost when the primary dies.
        @Test func slowLink() throws {
            let cluster = try Cluster(workspace, silence: 1000, deadline: 10_000)
            try cluster.hosts.slowDown(.replica, bitsPerSecond: 1_000_000)
            let client = try cluster.client(
                "storm_load.py", [Hosts.service, "\(Cluster.port)", "4", "800"], begins: "400")
            try cluster.primaryDies(under: client)
        }

        // MARK: - Disks

        /// The log cannot be written any more: what follows would be unknown to the replica, which takes over.
        @Test func primaryDiskFull() throws {
            let cluster = try Cluster(workspace, smallDisk: (.primary, 1 << 20))
            let client = try cluster.load(answers: 10_000, begins: "connected")
            _ = try cluster.primary.line(containing: "No space left on device", inErrors: true)
            try cluster.expectAllRight(client)
            try cluster.expectOneVoice(moved: true)
        }

        /// Without a replica the program goes on alone, and nobody follows it any more.
        @Test func primaryDiskFullAlone() throws {
            let cluster = try Cluster(workspace, smallDisk: (.primary, 4 << 20))
            let client = try cluster.load(answers: 10_000, begins: "connected")
            try cluster.hosts.kill(cluster.hosts.replica)
            _ = try cluster.primary.line(containing: "No space left on device", inErrors: true)
            _ = try cluster.primary.line(containing: "the program goes on, UNPROTECTED and unrecorded", inErrors: true)
            try cluster.startReplicaAgain()
            try cluster.expectAllRight(client)
            try cluster.expectOneVoice(moved: false)
            let ending = try cluster.client("storm_load.py", [Hosts.service, "\(Cluster.port)", "4", "1000"], begins: "1000")
            try cluster.expectAllRight(ending)
            #expect(cluster.primary.isAlive && cluster.replica.isAlive)
        }

        /// A replica that cannot keep the log is none: it says so, and the primary goes on without it.
        @Test func replicaDiskFull() throws {
            let cluster = try Cluster(workspace, smallDisk: (.replica, 1 << 20))
            let client = try cluster.load(answers: 10_000, begins: "connected")
            let ended = try cluster.replica.wait(timeout: 60)
            workspace.expect(ended.status != 0 && ended.errorText.contains("No space left on device"), "the replica: \(ended)")
            try cluster.expectUnprotected(client, "UNPROTECTED")
        }

        // MARK: - States of TCP

        static let states = ["unread", "left", "half", "early"].flatMap { state in rounds.map { (state, $0) } }

        /// A client that does not read; that has not read what was there when the server closed; that has ended its direction, or whose
        /// server has: each gets every byte and the end from the replica.
        @Test(arguments: states) func connectionState(_ state: String, _ number: Int) throws {
            let cluster = try Cluster(workspace, [try Repository.guest("bulk_server"), Hosts.service, "\(Cluster.port)", "4"])
            let size = state == "left" ? 1_000_000 : 8_000_000
            let client = try cluster.client(
                "edge_load.py", [state, Hosts.service, "\(Cluster.port)", "4", "\(size)"], begins: "there", input: .pipe)
            try cluster.hosts.kill(cluster.hosts.primary)
            _ = try cluster.replica.line(containing: "live in epoch", inErrors: true)
            try client.write("go\n")
            try cluster.expectAllRight(client)
            try cluster.expectOneVoice(moved: true)
        }

        /// Sequence numbers pass 2^32 in the transfer, before, while and after the replica takes over.
        @Test(arguments: rounds) func sequenceNumbersWrap(_ number: Int) throws {
            let cluster = try Cluster(workspace, [try Repository.guest("bulk_server"), Hosts.service, "\(Cluster.port)", "4"])
            let client = try cluster.client(
                "edge_load.py", ["wrap", Hosts.service, "\(Cluster.port)", "4", "40000000"], begins: "there")
            var random = Random("wrap \(number)")
            _ = try client.line(containing: "\(1 + random.below(27)) tenths")
            try cluster.primaryDies(under: client)
        }

        /// Clients that come and go. One whose connection the kernel has and the program has not may lose it, before any answer; nobody
        /// else does, nobody hangs, and nothing is counted twice or lost.
        @Test(arguments: rounds) func diesDuringAccept(_ number: Int) throws {
            let cluster = try Cluster(workspace)
            let client = try cluster.client("storm_load.py", [Hosts.service, "\(Cluster.port)", "20", "4000"], begins: "1000")
            try cluster.primaryDies(under: client)
        }
    }
}
