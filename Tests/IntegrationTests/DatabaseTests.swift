/// Stores whose threads or processes share memory and meet in atomics. Replay is exact, or says where it is not.
import Foundation
import Testing

/// A PostgreSQL cluster in the workspace. The server refuses to run as root, so it then runs as the package's user.
private struct Cluster {
    static let programs = "/usr/lib/postgresql/15/bin"
    static let user = geteuid() == 0 ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] : []
    static var name: String { user.isEmpty ? NSUserName() : "postgres" }

    /// The package's user must be able to execute castor.
    static let canBeRecorded: Bool = {
        let look = try? Child(user + ["test", "-x", Repository.castor]).wait()
        if look?.status != 0 { print("PostgreSQL is not tested: user \(name) does not reach \(Repository.castor)") }
        return look?.status == 0
    }()

    let workspace: Workspace
    let port: UInt16
    var data: String { workspace("pg/data") }
    var words: [String] {
        [
            "\(Self.programs)/postgres", "-D", data, "-p", "\(port)", "-c", "listen_addresses=127.0.0.1", "-c",
            "unix_socket_directories=",
        ]
    }

    init(in workspace: Workspace) throws {
        self.workspace = workspace
        port = try Network.freePort()
        let home = try workspace.makeDirectory("pg")
        chmod(workspace.path, 0o755)
        if let entry = getpwnam(Self.name) { chown(home, entry.pointee.pw_uid, entry.pointee.pw_gid) }
        let made = try Child(
            Self.user + ["\(Self.programs)/initdb", "-D", data, "-A", "trust", "-N", "-U", "postgres"], directory: home
        ).wait()
        guard made.status == 0 else { throw Failure("initdb: \(made.errorText)") }
    }

    func client(_ words: [String]) throws -> Child {
        try Child(words, environment: ["PGHOST": "127.0.0.1", "PGPORT": "\(port)", "PGUSER": "postgres"])
    }
    func query(_ text: String) throws -> Outcome { try client(["psql", "-At", "-c", text, "postgres"]).wait() }

    /// A transient "the database system is starting up" is waited out.
    func awaitAnswers() throws {
        for _ in 0..<600 {
            if try query("SELECT 7").outputText == "7\n" { return }
            usleep(100_000)
        }
        throw Failure("the database does not answer")
    }
}

extension Integration {
    @Suite struct DatabaseTests {
        @Test(.enabled(if: Cluster.canBeRecorded), arguments: [false, true])
        func postgres(aBackendCrashes: Bool) throws {
            let workspace = try Workspace()
            let cluster = try Cluster(in: workspace)
            let running = try Recording.start(
                cluster.words, in: workspace, name: "pg/log", directory: workspace("pg"), wrapper: Cluster.user)
            try Network.awaitListener(cluster.port, of: running.castor)
            try cluster.awaitAnswers()
            let filled = try cluster.client(["pgbench", "-i", "-q", "postgres"]).wait()
            workspace.expect(filled.status == 0, filled.errorText)
            if aBackendCrashes {
                try crash(cluster)
            } else {
                let seconds = Series.isSoak ? "20" : "2"
                let load = try cluster.client(["pgbench", "-c", "8", "-j", "2", "-T", seconds, "postgres"]).wait()
                workspace.expect(
                    load.status == 0 && load.outputText.contains("number of failed transactions: 0 "),
                    "\(load.outputText)\(load.errorText)")
            }
            try Server.end("\(cluster.data)/postmaster.pid", SIGINT)
            let recording = try running.finish()
            workspace.expect(
                recording.outcome.status == 0 && recording.outcome.errorText.contains("database system is shut down"),
                "the server ended so: \(recording.outcome.status) \(recording.outcome.errorText)")
            workspace.expect(
                recording.outcome.errorText.contains("terminated by signal 11") == aBackendCrashes,
                recording.outcome.errorText)
            try workspace.remove("pg/data")
            recording.expectSameOrNamed(timeout: Series.isSoak ? 600 : 120)
        }

        /// The server ends all backends and recovers.
        private func crash(_ cluster: Cluster) throws {
            let victim = try cluster.client(["psql", "-c", "SELECT pg_sleep(60)", "postgres"])
            var pid: pid_t?
            for _ in 0..<300 where pid == nil {
                let found = try cluster.query(
                    "SELECT pid FROM pg_stat_activity WHERE query LIKE '%sleep(60)' AND pid <> pg_backend_pid()")
                pid = pid_t(found.outputText.trimmingCharacters(in: .whitespacesAndNewlines))
            }
            guard let pid else { throw Failure("no backend sleeps") }
            kill(pid, SIGSEGV)
            cluster.workspace.expect(try victim.wait().status == 2, "its client did not notice")
            try cluster.awaitAnswers()
            let work = try cluster.client(["pgbench", "-c", "2", "-t", "50", "postgres"]).wait()
            cluster.workspace.expect(work.status == 0, work.errorText)
        }

        @Test(arguments: [1, 4])
        func memcached(threads: Int) throws {
            let workspace = try Workspace()
            let port = try Network.freePort()
            let user = geteuid() == 0 ? ["-u", "nobody"] : []
            let running = try Recording.start(
                ["memcached", "-l", "127.0.0.1", "-p", "\(port)", "-t", "\(threads)"] + user, in: workspace)
            try Network.awaitListener(port, of: running.castor)
            let load = try Child(
                [
                    "python3", Repository.guestSource("memcached_load.py"), "\(port)", "8",
                    Series.isSoak ? "5000" : "200",
                ]
            ).wait()
            workspace.expect(load.status == 0, load.errorText)
            running.castor.send(SIGTERM)
            let recording = try running.finish()
            workspace.expect(recording.outcome.status == 0, "the server ended so: \(recording.outcome)")
            recording.expectSameOrNamed()
        }
    }
}
