/// Servers and tools from Debian's sources, built by `castor cc` without a change to them: their threads meet in atomics and
/// volatiles, and all the same they replay exactly. `make packages` fetches and builds them, `make soak` does so first.
import Foundation
import Testing

private enum Package {
    static let root = "\(Repository.root)/.build/artifacts/packages"
    static let areBuilt: Bool = {
        let built = ["memcached", "redis", "nginx", "leveldb", "pbzip2"].allSatisfy {
            FileManager.default.fileExists(atPath: "\(root)/\($0)/built")
        }
        if !built { print("The packages are not tested: make packages builds them") }
        return built
    }()
    static let pairs = Array(1...Series.count(soak: 50, reduced: 2))

    static func program(_ path: String) -> String { "\(root)/\(path)" }
}

/// What a package brings to test itself.
struct OwnTests: CustomTestStringConvertible, Sendable {
    let directory: String
    let words: [String]
    var isLong = false
    var testDescription: String { words.joined(separator: " ") }

    static let all = [
        OwnTests(directory: "leveldb/build", words: ["./skiplist_test"]),
        // Built by clang alone and run natively, the one left out fails as well: in 18 of 40 runs, at the same line.
        OwnTests(directory: "leveldb/build", words: ["./db_test", "--gtest_filter=-DBTest.HiddenValuesAreRemoved"], isLong: true),
        OwnTests(directory: "memcached", words: ["./testapp"]),
        OwnTests(directory: "memcached", words: ["prove", "t"], isLong: true),
        OwnTests(
            directory: "redis",
            words: ["./runtest", "--clients", "2"]
                + ["unit/type/string", "unit/type/hash", "unit/expire", "unit/multi", "unit/pubsub", "unit/aofrw"]
                .flatMap { ["--single", $0] },
            isLong: true),
    ]
}

extension Integration {
    @Suite(.enabled(if: Package.areBuilt)) struct PackageTests {
        /// Four threads over UDP, with a standby.
        @Test(.enabled(if: Hosts.areAllowed, "network namespaces need root"), arguments: TakeoverTests.deaths)
        func memcachedOverUDP(_ number: Int, _ death: Death) throws {
            try TakeoverTests.memcachedDies([Package.program("memcached/memcached"), "-t", "4"], number, death)
        }

        @Test(arguments: Package.pairs)
        func memcached(pair: Int) throws {
            let workspace = try Workspace()
            let port = try Network.freePort()
            let user = geteuid() == 0 ? ["-u", "nobody"] : []
            let running = try Recording.start(
                [Package.program("memcached/memcached"), "-l", "127.0.0.1", "-p", "\(port)", "-t", "4"] + user,
                in: workspace)
            try Network.awaitListener(port, of: running.castor)
            let load = try Child(
                [
                    "python3", Repository.guestSource("memcached_load.py"), "\(port)", "8",
                    Series.isSoak ? "3000" : "500",
                ]
            ).wait(timeout: 120)
            workspace.expect(load.status == 0, load.errorText)
            running.castor.send(SIGTERM)
            try expectSame(running, in: workspace)
        }

        @Test(arguments: Package.pairs)
        func redisWithThreads(pair: Int) throws {
            let workspace = try Workspace()
            let port = try Network.freePort()
            let running = try Recording.start(
                [
                    Package.program("redis/src/redis-server"), "--port", "\(port)", "--bind", "127.0.0.1", "--save", "",
                    "--io-threads", "4", "--io-threads-do-reads", "yes",
                ], in: workspace)
            try Network.awaitListener(port, of: running.castor)
            let load = try Child(
                ["redis-benchmark", "-p", "\(port)", "-n", "500", "-c", "20", "-q", "-t", "set,get,lpush,incr"]
            ).wait(timeout: 180)
            workspace.expect(load.status == 0, load.errorText)
            _ = try Child(["redis-cli", "-p", "\(port)", "shutdown", "nosave"]).wait()
            try expectSame(running, in: workspace)
        }

        @Test(arguments: Package.pairs)
        func nginx(pair: Int) throws {
            let workspace = try Workspace()
            let port = try Network.freePort()
            try workspace.makeDirectory("www")
            try workspace.makeDirectory("logs")
            try workspace.write("www/index.html", Data("hello\n".utf8))
            chmod(workspace.path, 0o755)
            let configuration = try workspace.write(
                "nginx.conf",
                Data(
                    """
                    daemon off; worker_processes 4; pid \(workspace.path)/nginx.pid; error_log stderr;
                    events { worker_connections 256; }
                    http {
                        access_log off; client_body_temp_path \(workspace.path)/a; proxy_temp_path \(workspace.path)/b;
                        fastcgi_temp_path \(workspace.path)/c; uwsgi_temp_path \(workspace.path)/d;
                        scgi_temp_path \(workspace.path)/e;
                        server { listen 127.0.0.1:\(port); root \(workspace.path)/www; }
                    }

                    """.utf8))
            let running = try Recording.start(
                [Package.program("nginx/objs/nginx"), "-p", workspace.path, "-c", configuration], in: workspace)
            try Network.awaitListener(port, of: running.castor)
            let load = try Child(["wrk", "-t2", "-c20", "-d1s", "http://127.0.0.1:\(port)/"]).wait()
            workspace.expect(load.status == 0 && !load.outputText.contains("Socket errors"), load.outputText)
            try Server.end(workspace("nginx.pid"), SIGQUIT)
            try expectSame(running, in: workspace, removing: ["www", "nginx.conf"])
        }

        @Test(arguments: Package.pairs)
        func leveldb(pair: Int) throws {
            let workspace = try Workspace()
            let words = [
                Package.program("leveldb/build/db_bench"), "--benchmarks=fillrandom,readrandom", "--num=3000",
                "--threads=4", "--db=\(workspace("db"))",
            ]
            let running = try Recording.start(words, in: workspace)
            try expectSame(running, in: workspace, removing: ["db"])
        }

        /// Their own tests pass while they are recorded. (A replay may leave the recording: memcached's have threads that meet in
        /// plain variables, as its flush_all does.)
        @Test(arguments: OwnTests.all)
        func ownTestsPass(_ tests: OwnTests) throws {
            if tests.isLong, !Series.isSoak { return }
            let workspace = try Workspace()
            let running = try Recording.start(
                tests.words, in: workspace, environment: ["TEST_TMPDIR": workspace.path],
                directory: Package.program(tests.directory))
            let recording = try running.finish(timeout: 1800)
            workspace.expect(recording.outcome.status == 0, "\(recording.outcome)")
        }

        @Test(arguments: Package.pairs)
        func pbzip2(pair: Int) throws {
            let workspace = try Workspace()
            var random = Random("pbzip2 \(pair)")
            let file = try workspace.write("data", random.bytes(3_000_000))
            let running = try Recording.start(
                [Package.program("pbzip2/pbzip2"), "-k", "-p4", "-1", "-b1", file], in: workspace)
            try expectSame(running, in: workspace, removing: ["data", "data.bz2"])
        }

        private func expectSame(_ running: RunningRecording, in workspace: Workspace, removing files: [String] = []) throws {
            let recording = try running.finish()
            workspace.expect(recording.outcome.status == 0, "the program ended so: \(recording.outcome)")
            for file in files { try workspace.remove(file) }
            recording.expectSame(timeout: 300)
        }
    }
}
