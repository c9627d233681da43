/// `castor ft` and TCP: the primary dies under load, and no client notices more than a pause. Servers are Debian's own; clients hold
/// every byte that comes against what they know it must be, and count a connection that is reset, ends or hangs as a failure.
import Foundation
import Testing

/// How a primary dies: its processes at once, or to the world alone.
enum Death: CaseIterable, Sendable { case killed, cutOff }

/// A server with a standby, on machines of their own.
final class ProtectedService {
    let hosts: Hosts
    let workspace: Workspace
    /// Who is live is decided there; without one, by the replica alone.
    let store: LeaseStore?
    let primary: Child
    let replica: Child
    static let port = 7000

    /// Returns when the server listens, protected. `files`: a directory that the replica gets a copy of. `hasOwnIDs`: both machines count
    /// processes from 1, as containers do, castor being the first.
    init(
        _ workspace: Workspace, _ server: [String], files: String? = nil, hasLease: Bool = false, isUDP: Bool = false, hasOwnIDs: Bool = false,
        options: [String] = []
    ) throws {
        self.workspace = workspace
        hosts = try Hosts(hasStore: hasLease)
        store = hasLease ? try LeaseStore(hosts, workspace) : nil
        let common = ["--insecure", "--ip", "\(Hosts.service)/24"] + (store.map { ["--lease", $0.address, "--lease-time", "1000"] } ?? []) + options
        let container = hasOwnIDs ? ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"] : []
        replica = try workspace.startCastor(
            ["ft", "replica", "--listen", "\(Hosts.replicaAddress):7070", "--dev", Hosts.replicaDevice] + common
                + (hasLease ? [] : ["--automatic"]) + ["-o", workspace("replica-log")], wrapper: Hosts.on(hosts.replica) + container)
        primary = try workspace.startCastor(
            ["ft", "primary", "--replica", "\(Hosts.replicaAddress):7070", "--dev", Hosts.primaryDevice] + common
                + (files.map { ["--files", $0] } ?? []) + ["-o", workspace("primary-log"), "--"] + server, wrapper: Hosts.on(hosts.primary) + container)
        _ = try primary.line(containing: "protected by 1 of 1", inErrors: true)
        try hosts.awaitListener(port: ProtectedService.port, isUDP: isUDP)
    }

    /// `files`: the directory that it saves to, of which the replica gets a copy.
    static func redis(_ workspace: Workspace, files: String? = nil, hasLease: Bool = false, options: [String] = []) throws -> ProtectedService {
        try ProtectedService(
            workspace,
            ["redis-server", "--bind", Hosts.service, "--port", "\(port)", "--save", "", "--protected-mode", "no", "--maxclients", "12000",
                "--tcp-backlog", "4096", "--dir", files ?? workspace.path,
            ],
            files: files, hasLease: hasLease, options: options)
    }

    /// A client, which has begun.
    func client(_ script: String, _ words: [String], begins: String) throws -> Child {
        let client = try Child(Hosts.on(hosts.client) + ["python3", Repository.guestSource(script)] + words)
        do { _ = try client.line(containing: begins) } catch {
            workspace.fail("\(error)\nprimary: \(primary.soFar.errorText)\nreplica: \(replica.soFar.errorText)")
            throw error
        }
        return client
    }

    /// The client of a key-value store.
    func load(_ dialect: String, connections: Int, answers: Int, idle: Int = 0) throws -> Child {
        try client(
            "tcp_load.py", [dialect, Hosts.service, "\(ProtectedService.port)", "\(connections)", "\(answers)", "\(idle)"], begins: "connected")
    }

    func dies(_ death: Death) throws {
        switch death {
        case .killed: try hosts.kill(hosts.primary)
        case .cutOff: try hosts.cutPrimary()
        }
    }

    func expectAllRight(_ client: Child) throws {
        let seen = try client.wait(timeout: 120)
        workspace.expect(seen.status == 0, "the client: \(seen.errorText) \(seen.outputText.suffix(200))\nreplica: \(replica.soFar.errorText)")
        if !replica.isAlive, let ended = try? replica.wait() {
            workspace.expect(ended.status == 3, "the replica has ended: \(ended)")
        }
    }
}

extension Integration {
    @Suite(.enabled(if: Hosts.areAllowed, "network namespaces need root")) struct TakeoverTests {
        static let deaths = Array(1...Series.count(soak: 50, reduced: 1)).flatMap { number in Death.allCases.map { (number, $0) } }

        /// 50 connections, each with a request under way all the time.
        @Test(arguments: deaths)
        func redis(_ number: Int, _ death: Death) throws {
            let workspace = try Workspace()
            var random = Random("redis dies \(number) \(death)")
            let service = try ProtectedService.redis(workspace)
            let client = try service.load("redis", connections: 50, answers: 10_000)
            _ = try client.line(containing: "\(1000 * (1 + random.below(8)))")
            usleep(UInt32(random.below(30_000)))
            try service.dies(death)
            try service.expectAllRight(client)
        }

        /// Clients that send nothing again for half a minute: what they sent last has been copied to the replica.
        @Test(arguments: 1...Series.count(soak: 50, reduced: 1))
        func redisWhoseClientsWait(_ number: Int) throws {
            let workspace = try Workspace()
            var random = Random("redis whose clients wait \(number)")
            let service = try ProtectedService.redis(workspace)
            try service.hosts.sendAgain(after: "30s")
            let client = try service.load("redis", connections: 50, answers: 10_000)
            _ = try client.line(containing: "\(1000 * (1 + random.below(8)))")
            usleep(UInt32(random.below(30_000)))
            try service.dies(.killed)
            try service.expectAllRight(client)
        }

        /// The replica waits until the primary's lease has expired, and holds one from then on.
        @Test(arguments: Death.allCases)
        func redisWithALease(_ death: Death) throws {
            let workspace = try Workspace()
            let service = try ProtectedService.redis(workspace, hasLease: true)
            let client = try service.load("redis", connections: 50, answers: 10_000)
            _ = try client.line(containing: "4000")
            try service.dies(death)
            try service.expectAllRight(client)
        }

        /// Forks of a program of several threads, whose children have all its connections, too.
        @Test(arguments: deaths)
        func redisThatSaves(_ number: Int, _ death: Death) throws {
            let workspace = try Workspace()
            var random = Random("redis dies while it saves \(number) \(death)")
            let service = try ProtectedService.redis(workspace, files: try workspace.makeDirectory("data"))
            func ask(_ words: String...) throws -> Child {
                try Child(
                    Hosts.on(service.hosts.client) + ["timeout", "30", "redis-cli", "-h", Hosts.service, "-p", "\(ProtectedService.port)"] + words)
            }
            let client = try service.load("redis", connections: 50, answers: 10_000)
            let saver = try ask("-r", "100", "-i", "0.05", "BGSAVE")
            _ = try saver.line(containing: "Background saving started", 2)
            _ = try client.line(containing: "\(1000 * (2 + random.below(7)))")
            usleep(UInt32(random.below(100_000)))
            try service.dies(death)
            try service.expectAllRight(client)
            saver.kill()
            // The survivor saves, too, once its own children have.
            let deadline = Date(timeIntervalSinceNow: 30)
            var answer = ""
            while !answer.hasPrefix("OK"), Date() < deadline { answer = try ask("SAVE").wait().outputText }
            workspace.expect(answer.hasPrefix("OK"), "the survivor does not save: \(answer)")
        }

        /// Outputs do not wait until the replica has done what it has received.
        @Test(arguments: deaths)
        func redisReleasedWhenReceived(_ number: Int, _ death: Death) throws {
            let workspace = try Workspace()
            var random = Random("redis dies, released early, \(number) \(death)")
            let service = try ProtectedService.redis(workspace, options: ["--release", "received"])
            let client = try service.load("redis", connections: 50, answers: 10_000)
            _ = try client.line(containing: "\(1000 * (1 + random.below(8)))")
            try service.dies(death)
            try service.expectAllRight(client)
        }

        /// A server of several threads, which accepts in one and serves in the others.
        @Test(arguments: deaths)
        func sampleServer(_ number: Int, _ death: Death) throws {
            let workspace = try Workspace()
            var random = Random("the sample server dies \(number) \(death)")
            let service = try ProtectedService(
                workspace, [try Repository.sample("kvserver"), "-l", Hosts.service, "-p", "\(ProtectedService.port)", "-t", "4", "-S"])
            let client = try service.load("memcached", connections: 50, answers: 10_000)
            _ = try client.line(containing: "\(1000 * (1 + random.below(8)))")
            usleep(UInt32(random.below(30_000)))
            try service.dies(death)
            try service.expectAllRight(client)
        }

        /// Idle connections are still there long after.
        @Test(arguments: Series.isSoak ? [1000, 10_000] : [1000])
        func idleConnections(_ count: Int) throws {
            let workspace = try Workspace()
            let service = try ProtectedService.redis(workspace)
            let client = try service.load("redis", connections: 50, answers: 10_000, idle: count)
            _ = try client.line(containing: "4000")
            try service.dies(.killed)
            try service.expectAllRight(client)
        }

        /// Two threads answer the same connections in turns, by every call that sends, and connections come and go.
        @Test(arguments: deaths)
        func turns(_ number: Int, _ death: Death) throws {
            let workspace = try Workspace()
            var random = Random("turns \(number) \(death)")
            let service = try ProtectedService(workspace, [try Repository.guest("turns_server"), Hosts.service, "\(ProtectedService.port)"])
            let client = try service.client(
                "turns_load.py", [Hosts.service, "\(ProtectedService.port)", "8", "4000000"], begins: "MiB")
            _ = try client.line(containing: "\(2 + random.below(25)) MiB")
            try service.dies(death)
            try service.expectAllRight(client)
        }

        /// What the program sent before it crashed arrives, and then the end.
        @Test func lastWords() throws {
            let workspace = try Workspace()
            let service = try ProtectedService(workspace, [try Repository.guest("turns_server"), Hosts.service, "\(ProtectedService.port)"])
            let client = try service.client(
                "turns_load.py", [Hosts.service, "\(ProtectedService.port)", "4", "1000000", "crash"], begins: "MiB")
            let seen = try client.wait(timeout: 120)
            workspace.expect(seen.status == 0, "the client: \(seen.errorText)")
            #expect(try service.primary.wait().status == 128 + SIGABRT)
        }

        /// Debian's own build has threads that meet in variables without a lock: without them. With them: `PackageTests`.
        @Test(arguments: deaths)
        func memcachedOverUDP(_ number: Int, _ death: Death) throws {
            let words = ["-t", "1", "-o", "no_lru_maintainer,no_lru_crawler,no_hashexpand"]
            try TakeoverTests.memcachedDies(["memcached"] + words, number, death)
        }

        /// Datagrams; what is lost in the moment of death is asked for again.
        static func memcachedDies(_ memcached: [String], _ number: Int, _ death: Death) throws {
            let workspace = try Workspace()
            var random = Random("memcached dies \(number) \(death)")
            let server = memcached + ["-u", "nobody", "-l", Hosts.service, "-p", "0", "-U", "\(ProtectedService.port)"]
            let service = try ProtectedService(workspace, server, isUDP: true)
            let client = try service.client("udp_kv_load.py", [Hosts.service, "\(ProtectedService.port)", "20", "10000"], begins: "1000")
            _ = try client.line(containing: "\(1000 * (2 + random.below(7)))")
            usleep(UInt32(random.below(30_000)))
            try service.dies(death)
            try service.expectAllRight(client)
        }

        /// A process with a child, threads, programs that it starts, and ids that this machine's kernel has not given.
        @Test(arguments: deaths)
        func processes(_ number: Int, _ death: Death) throws { try familyDies(number, death, hasOwnIDs: false) }

        /// The same ids mean others on the two machines.
        @Test(arguments: Death.allCases)
        func processesInContainers(_ death: Death) throws { try familyDies(0, death, hasOwnIDs: true) }

        private func familyDies(_ number: Int, _ death: Death, hasOwnIDs: Bool) throws {
            let workspace = try Workspace()
            var random = Random("a family dies \(number) \(death) \(hasOwnIDs)")
            let service = try ProtectedService(
                workspace, [try Repository.guest("family_server"), Hosts.service, "\(ProtectedService.port)"], isUDP: true, hasOwnIDs: hasOwnIDs)
            let client = try service.client("udp_load.py", [Hosts.service, "\(ProtectedService.port)", "1000"], begins: "100")
            _ = try client.line(containing: "\(100 * (2 + random.below(7)))")
            usleep(UInt32(random.below(30_000)))
            try service.dies(death)
            try service.expectAllRight(client)
            let ended = try service.replica.wait(timeout: 60)
            workspace.expect(ended.status == 3 && ended.outputText == "1001 requests\n", "the server: \(ended)")
            for order in ReplayOrder.allCases {
                let again = try workspace.castor("replay", "-q", "--order", order.rawValue, workspace("replica-log"))
                workspace.expect(again.status == 3 && again.outputText == "1001 requests\n", "its log replays otherwise: \(again)")
            }
        }

        /// A connection that the program has made itself ends for it when the primary dies: it makes another one.
        @Test(arguments: Death.allCases)
        func outboundConnection(_ death: Death) throws {
            let workspace = try Workspace()
            let service = try ProtectedService(
                workspace, [try Repository.guest("relay_server"), Hosts.service, "\(ProtectedService.port)", Hosts.clientAddress, "7001"],
                isUDP: true)
            let backend = try service.client("relay_backend.py", [Hosts.clientAddress, "7001"], begins: "ready")
            let client = try service.client("udp_load.py", [Hosts.service, "\(ProtectedService.port)", "1000"], begins: "300")
            _ = try service.primary.line(containing: "TCP connections that the program makes to others", inErrors: true)
            try service.dies(death)
            try service.expectAllRight(client)
            let ended = try service.replica.wait(timeout: 60)
            workspace.expect(ended.status == 3 && ended.outputText == "connected 2 times\n", "the server: \(ended)")
            backend.kill()
        }

        /// The program has ended its own direction, of which the client cannot have heard: most of what comes before is still to be sent.
        @Test(arguments: Death.allCases)
        func halfClosed(_ death: Death) throws {
            let workspace = try Workspace()
            let service = try ProtectedService(
                workspace, ["python3", Repository.guestSource("half_server.py"), Hosts.service, "\(ProtectedService.port)"])
            let client = try Child(
                Hosts.on(service.hosts.client) + ["python3", Repository.guestSource("half_load.py"), Hosts.service, "\(ProtectedService.port)"],
                input: .pipe)
            _ = try client.line(containing: "connected")
            _ = try service.replica.line(containing: "ended")
            try service.dies(death)
            client.closeInput()
            try service.expectAllRight(client)
            let ended = try service.replica.wait(timeout: 60)
            workspace.expect(ended.status == 3 && ended.outputText == "ended\n45000 bytes\n", "the server: \(ended)")
        }

        /// A process for each connection, which another one has accepted; some end without closing it.
        @Test(arguments: deaths)
        func aProcessForEach(_ number: Int, _ death: Death) throws {
            let workspace = try Workspace()
            var random = Random("a process for each \(number) \(death)")
            let service = try ProtectedService(
                workspace,
                ["setpriv", "--no-new-privs", "--bounding-set", "-sys_time", "python3", Repository.guestSource("fork_server.py"), Hosts.service,
                    "\(ProtectedService.port)", "40",
                ])
            let client = try service.client("fork_load.py", [Hosts.service, "\(ProtectedService.port)", "40", "100"], begins: "100")
            _ = try client.line(containing: "\(100 * (3 + random.below(30)))")
            try service.dies(death)
            try service.expectAllRight(client)
            let ended = try service.replica.wait(timeout: 60)
            workspace.expect(ended.status == 3 && ended.outputText == "40 clients, no new privileges: 1\n", "the server: \(ended)")
            for order in ReplayOrder.allCases {
                let again = try workspace.castor("replay", "-q", "--order", order.rawValue, workspace("replica-log"))
                workspace.expect(again.status == 3 && again.outputText == ended.outputText, "its log replays otherwise: \(again)")
            }
        }

        /// When the program has ended, and castor, the address is as good as any other, on both machines.
        @Test func gatesAfterTheEnd() throws {
            let workspace = try Workspace()
            let server = ["python3", Repository.guestSource("fork_server.py"), Hosts.service, "\(ProtectedService.port)", "8"]
            let load = ["fork_load.py", Hosts.service, "\(ProtectedService.port)", "8", "20"]
            let service = try ProtectedService(workspace, server)
            try service.expectAllRight(service.client(load[0], Array(load[1...]), begins: "100"))
            for castor in [service.primary, service.replica] {
                let ended = try castor.wait(timeout: 60)
                workspace.expect(ended.status == 3, "castor: \(ended)")
            }
            for (machine, device) in [(service.hosts.primary, Hosts.primaryDevice), (service.hosts.replica, Hosts.replicaDevice)] {
                try service.hosts.moveService(to: machine, device)
                let native = try Child(Hosts.on(machine) + server)
                try service.hosts.awaitListener(port: ProtectedService.port, on: machine)
                try service.expectAllRight(service.client(load[0], Array(load[1...]), begins: "100"))
                let ended = try native.wait(timeout: 60)
                workspace.expect(ended.status == 3, "natively on \(device): \(ended)")
            }
        }

        /// Connections that the program has not accepted, some of whose bytes have come: listeners of both protocols, and one that waits
        /// for the first byte.
        @Test(arguments: Death.allCases, ["0.0.0.0", "::", "deferred"])
        func notAccepted(_ death: Death, _ listener: String) throws {
            let workspace = try Workspace()
            let service = try ProtectedService(
                workspace, ["python3", Repository.guestSource("backlog_server.py"), listener, "\(ProtectedService.port)", "9"])
            let client = try service.client("backlog_load.py", [Hosts.service, "\(ProtectedService.port)", "9"], begins: "connected")
            _ = try service.replica.line(containing: "begun")
            try service.dies(death)
            client.closeInput()
            try service.expectAllRight(client)
            let ended = try service.replica.wait(timeout: 60)
            workspace.expect(ended.status == 3 && ended.outputText == "begun\n9 clients\n", "the server: \(ended)")
            for order in ReplayOrder.allCases {
                let again = try workspace.castor("replay", "-q", "--order", order.rawValue, workspace("replica-log"))
                workspace.expect(again.status == 3 && again.outputText == ended.outputText, "its log replays otherwise: \(again)")
            }
        }

        /// A connection for each request: at any moment some are being opened and some wait to be accepted.
        @Test(arguments: deaths)
        func connections(_ number: Int, _ death: Death) throws {
            try nginxDies("master_process off", number, death, client: "connect_load.py")
        }

        /// Megabytes up, down and both ways at once, and an end of each direction by itself.
        @Test(arguments: deaths)
        func bulk(_ number: Int, _ death: Death) throws {
            let workspace = try Workspace()
            var random = Random("bulk \(number) \(death)")
            let size = 15_000_000
            let service = try ProtectedService(workspace, [try Repository.guest("bulk_server"), Hosts.service, "\(ProtectedService.port)", "6"])
            let client = try service.client(
                "bulk_load.py", [Hosts.service, "\(ProtectedService.port)", "6", "\(size)"], begins: "MiB")
            _ = try client.line(containing: "\(2 + random.below(70)) MiB")
            try service.dies(death)
            try service.expectAllRight(client)
            let ended = try service.replica.wait(timeout: 60)
            workspace.expect(ended.status == 3 && ended.outputText.hasSuffix("\(6 * size) bytes\n"), "the server: \(ended)")
        }

        /// Files by sendfile, edge-triggered.
        @Test(arguments: deaths)
        func nginx(_ number: Int, _ death: Death) throws { try nginxDies("master_process off", number, death) }

        /// A master and two workers, which have given up root's rights when they accept.
        @Test(arguments: deaths)
        func nginxWithWorkers(_ number: Int, _ death: Death) throws { try nginxDies("worker_processes 2", number, death) }

        private func nginxDies(_ processes: String, _ number: Int, _ death: Death, client script: String = "http_load.py") throws {
            let workspace = try Workspace()
            var random = Random("nginx dies \(script) \(number) \(death)")
            try workspace.makeDirectory("www")
            try workspace.makeDirectory("work")
            chmod(workspace.path, 0o755)
            for (name, size) in [("small", 100), ("middle", 20_000), ("large", 3_000_000)] {
                try workspace.write("www/\(name)", random.bytes(size))
            }
            let configuration = try workspace.write(
                "nginx.conf",
                Data(
                    """
                    daemon off; \(processes); pid \(workspace.path)/work/pid; error_log stderr;
                    events { worker_connections 256; }
                    http {
                        access_log off; sendfile on; keepalive_requests 1000000; client_body_temp_path \(workspace.path)/work/a;
                        proxy_temp_path \(workspace.path)/work/b; fastcgi_temp_path \(workspace.path)/work/c;
                        uwsgi_temp_path \(workspace.path)/work/d; scgi_temp_path \(workspace.path)/work/e;
                        server { listen \(Hosts.service):\(ProtectedService.port); root \(workspace.path)/www; }
                    }

                    """.utf8))
            let service = try ProtectedService(workspace, ["nginx", "-p", workspace.path, "-c", configuration], files: workspace("work"))
            let client = try service.client(
                script, [Hosts.service, "\(ProtectedService.port)", workspace("www"), "20", "2000"], begins: "connected")
            _ = try client.line(containing: "\(100 * (1 + random.below(15)))")
            try service.dies(death)
            try service.expectAllRight(client)
        }
    }
}
