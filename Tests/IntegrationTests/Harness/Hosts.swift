/// Three machines on one network, as namespaces of this one: a client, a primary, a replica, and the address of the service, which is
/// the primary's at first. Needs root. They go away with the object.
import Foundation

final class Hosts {
    /// Names of namespaces.
    let client: String, primary: String, replica: String
    private let network: String
    static let service = "10.213.0.10"
    static let replicaAddress = "10.213.0.3"
    static let primaryDevice = "primary", replicaDevice = "replica"

    static let areAllowed: Bool = {
        guard geteuid() == 0 else { return false }
        let name = "castor-\(getpid())-test"
        guard (try? run("ip", "netns", "add", name)) != nil else { return false }
        return (try? run("ip", "netns", "del", name)) != nil
    }()

    init() throws {
        let stem = "castor-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        (client, primary, replica, network) = ("\(stem)-c", "\(stem)-p", "\(stem)-r", "\(stem)-n")
        for name in all { try Hosts.run("ip", "netns", "add", name) }
        try Hosts.run("ip", "-n", network, "link", "add", "bridge", "type", "bridge")
        try Hosts.run("ip", "-n", network, "link", "set", "bridge", "up")
        for (number, (name, device)) in [(client, "client"), (primary, Hosts.primaryDevice), (replica, Hosts.replicaDevice)].enumerated() {
            try Hosts.run(
                "ip", "-n", name, "link", "add", device, "type", "veth", "peer", "name", "to-\(device)", "netns", network)
            try Hosts.run("ip", "-n", network, "link", "set", "to-\(device)", "master", "bridge", "up")
            try Hosts.run("ip", "-n", name, "addr", "add", "10.213.0.\(number + 1)/24", "dev", device)
            try Hosts.run("ip", "-n", name, "link", "set", device, "up")
            try Hosts.run("ip", "-n", name, "link", "set", "lo", "up")
        }
        try Hosts.run("ip", "-n", primary, "addr", "add", "\(Hosts.service)/24", "dev", Hosts.primaryDevice)
    }

    deinit { for name in all { _ = try? Hosts.run("ip", "netns", "del", name) } }

    private var all: [String] { [network, client, primary, replica] }

    /// Words before a command that is to run on one of the machines.
    static func on(_ host: String) -> [String] { ["ip", "netns", "exec", host] }

    /// Returns when somebody on the primary listens there.
    func awaitListener(port: Int) throws {
        let deadline = Date(timeIntervalSinceNow: 60)
        while try Hosts.run("ip", "netns", "exec", primary, "ss", "-Htln", "sport", "=", "\(port)").isEmpty {
            guard Date() < deadline else { throw Failure("nobody listens at port \(port)") }
            usleep(20_000)
        }
    }

    /// The primary's network goes dead, in both directions.
    func cutPrimary() throws { try Hosts.run("ip", "-n", network, "link", "set", "to-primary", "down") }

    /// Kills a machine: every process on it, at once as far as that is possible.
    func kill(_ host: String) throws {
        for word in try Hosts.run("ip", "netns", "pids", host).split(separator: "\n") {
            if let pid = pid_t(word) { Glibc.kill(pid, SIGKILL) }
        }
    }

    /// Stops or continues all processes of a machine.
    func signal(_ host: String, _ number: Int32) throws {
        for word in try Hosts.run("ip", "netns", "pids", host).split(separator: "\n") {
            if let pid = pid_t(word) { Glibc.kill(pid, number) }
        }
    }

    @discardableResult private static func run(_ words: String...) throws -> String {
        let outcome = try Child(words).wait(timeout: 30)
        guard outcome.status == 0 else { throw Failure("\(words.joined(separator: " ")): \(outcome.errorText)") }
        return outcome.outputText
    }
}
