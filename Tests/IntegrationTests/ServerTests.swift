/// A server under load, recorded to its orderly end and replayed without its clients.
import Foundation
import Testing

struct RedisMode: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let words: [String]
    /// Its threads spin for each other, so that without a core for each it answers a thousand times a second, natively
    /// too.
    var spins = false

    static let all = [
        RedisMode(testDescription: "plain", words: []),
        RedisMode(
            testDescription: "io-threads", words: ["--io-threads", "4", "--io-threads-do-reads", "yes"], spins: true),
        RedisMode(testDescription: "appendonly", words: ["--appendonly", "yes"]),
    ]

    /// Of each command.
    var requests: Int {
        let full = Series.count(soak: 200_000, reduced: 20_000)
        return spins && ProcessInfo.processInfo.activeProcessorCount < 5 ? full / 20 : full
    }
}

extension Integration {
    @Suite struct ServerTests {
        @Test(arguments: RedisMode.all)
        func redis(_ mode: RedisMode) throws {
            let workspace = try Workspace()
            let port = try Network.freePort()
            let data = try workspace.makeDirectory("redis")
            let words = ["redis-server", "--port", "\(port)", "--bind", "127.0.0.1", "--dir", data, "--save", ""]
            let running = try Recording.start(words + mode.words, in: workspace)
            try Network.awaitListener(port, of: running.castor)

            let all = ["set", "get", "incr", "lpush", "rpush", "lpop", "rpop", "sadd", "hset", "spop", "zadd", "mset"]
            let commands = Series.isSoak ? [] : ["-t", all.joined(separator: ",")]
            let load = try Child(
                ["redis-benchmark", "-p", "\(port)", "-n", "\(mode.requests)", "-c", "50", "-q"] + commands
            ).wait(timeout: Series.isSoak ? 1200 : 180)
            workspace.expect(load.status == 0, "the load ended with \(load.status): \(load.errorText)")
            _ = try Child(["redis-cli", "-p", "\(port)", "shutdown", "nosave"]).wait()

            let recording = try running.finish()
            workspace.expect(recording.outcome.status == 0, "the server ended with \(recording.outcome.status)")
            workspace.expect(
                recording.outcome.outputText.contains("bye bye"),
                "the server did not say that it ends: \(recording.outcome)")
            try workspace.remove("redis")
            recording.expectSame(timeout: Series.isSoak ? 2400 : 180)
        }
    }
}
