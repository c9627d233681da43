/// Machines on one network, as namespaces of this one: a client, a primary, a replica, perhaps one with a lease store and a spare one, and
/// the address of the service, which is the primary's at first. Needs root. They go away with the object.
import Foundation

final class Hosts {
    /// Names of namespaces.
    let client: String, primary: String, replica: String
    /// nil: none is wanted.
    let store: String?, spare: String?
    private let network: String
    static let service = "10.213.0.10"
    static let clientAddress = "10.213.0.1"
    static let primaryAddress = "10.213.0.2"
    static let replicaAddress = "10.213.0.3"
    static let storeAddress = "10.213.0.4"
    static let spareAddress = "10.213.0.5"
    /// Where each machine is plugged in.
    enum Port: String { case primary = "to-primary", replica = "to-replica", store = "to-store", spare = "to-spare" }
    static let primaryDevice = "primary", replicaDevice = "replica", spareDevice = "spare"

    static let areAllowed: Bool = {
        guard geteuid() == 0 else { return false }
        let name = "castor-\(getpid())-test"
        guard (try? run("ip", "netns", "add", name)) != nil else { return false }
        return (try? run("ip", "netns", "del", name)) != nil
    }()

    /// `hasSpare`: with a third machine for a node of the service.
    init(hasStore: Bool = false, hasSpare: Bool = false) throws {
        let stem = "castor-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        (client, primary, replica, network) = ("\(stem)-c", "\(stem)-p", "\(stem)-r", "\(stem)-n")
        store = hasStore ? "\(stem)-s" : nil
        spare = hasSpare ? "\(stem)-t" : nil
        for name in all { try Hosts.run("ip", "netns", "add", name) }
        try Hosts.run("ip", "-n", network, "link", "add", "bridge", "type", "bridge")
        try Hosts.run("ip", "-n", network, "link", "set", "bridge", "up")
        let machines = [(client, "client"), (primary, Hosts.primaryDevice), (replica, Hosts.replicaDevice), (store, "store"), (spare, Hosts.spareDevice)]
        for (number, (machine, device)) in machines.enumerated() {
            guard let name = machine else { continue }
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

    private var all: [String] { [network, client, primary, replica] + [store, spare].compactMap { $0 } }

    /// Words before a command that is to run on one of the machines.
    static func on(_ host: String) -> [String] { ["ip", "netns", "exec", host] }

    /// Returns when somebody on a machine, the primary if none is named, listens there.
    func awaitListener(port: Int, isUDP: Bool = false, on machine: String? = nil) throws {
        let deadline = Date(timeIntervalSinceNow: 60)
        while try Hosts.run("ip", "netns", "exec", machine ?? primary, "ss", isUDP ? "-Huln" : "-Htln", "sport", "=", "\(port)").isEmpty {
            guard Date() < deadline else { throw Failure("nobody listens at port \(port)") }
            usleep(20_000)
        }
    }

    /// The address of the service is on this machine alone, and the client knows.
    func moveService(to machine: String, _ device: String) throws {
        try Hosts.run("ip", "-n", primary, "addr", "flush", "to", "\(Hosts.service)/32", "dev", Hosts.primaryDevice)
        try Hosts.run("ip", "-n", machine, "addr", "add", "\(Hosts.service)/24", "dev", device)
        try Hosts.run("ip", "-n", client, "neigh", "flush", "dev", "client")
    }

    /// The primary's network goes dead, in both directions.
    func cutPrimary() throws { try cut(.primary) }

    /// A machine's network goes dead, in both directions.
    func cut(_ port: Port) throws { try Hosts.run("ip", "-n", network, "link", "set", port.rawValue, "down") }
    func mend(_ port: Port) throws { try Hosts.run("ip", "-n", network, "link", "set", port.rawValue, "up") }

    /// Primary and replica do not hear each other; everybody else hears both.
    func cutBetween() throws {
        for port in [Port.primary, .replica] {
            try Hosts.run("ip", "-n", network, "link", "set", port.rawValue, "type", "bridge_slave", "isolated", "on")
        }
    }

    /// Primary or replica does not hear the other; the other hears it.
    func deafen(_ port: Port) throws {
        let nowhere = ["lladdr", "02:00:00:00:00:01", "nud", "permanent"]
        let words = port == .replica ? [primary, Hosts.replicaAddress, Hosts.primaryDevice] : [replica, Hosts.primaryAddress, Hosts.replicaDevice]
        try Hosts.run(["ip", "-n", words[0], "neigh", "replace", words[1]] + nowhere + ["dev", words[2]])
    }

    /// What a machine gets comes no faster than this.
    func slowDown(_ port: Port, bitsPerSecond: Int) throws {
        try Hosts.run(
            "tc", "-n", network, "qdisc", "add", "dev", port.rawValue, "root", "tbf", "rate", "\(bitsPerSecond)", "burst", "8k", "latency", "200ms")
    }

    /// What the client's connections lose they send again no sooner than this; `30s`, say.
    func sendAgain(after time: String) throws {
        try Hosts.run("ip", "-n", client, "route", "change", "10.213.0.0/24", "dev", "client", "src", Hosts.clientAddress, "rto_min", time)
    }

    /// Ends, by a reset, whatever the replica has accepted at a port.
    func resetConnections(to port: Int) throws {
        try Hosts.run("ip", "netns", "exec", replica, "ss", "-K", "-t", "sport", "=", "\(port)")
    }

    func processes(_ host: String) throws -> [pid_t] {
        try Hosts.run("ip", "netns", "pids", host).split(separator: "\n").compactMap { pid_t($0) }
    }

    /// Kills a machine: every process on it, those that are born meanwhile, too.
    func kill(_ host: String) throws {
        let deadline = Date(timeIntervalSinceNow: 60)
        repeat {
            guard Date() < deadline else { throw Failure("processes of \(host) do not die: \(try processes(host))") }
            try signal(host, SIGKILL)
        } while try !processes(host).isEmpty
    }

    /// Stops or continues all processes of a machine. Castor's come first: when a machine dies, they never see another's death, which would
    /// be an event of the program's. Numbers do not tell the age of a process, for the kernel begins again at the lowest.
    func signal(_ host: String, _ number: Int32) throws {
        var all = try processes(host)
        _ = all.partition { !(ProcessTree.executable($0) as NSString).lastPathComponent.hasPrefix("castor") }
        for pid in all { Glibc.kill(pid, number) }
    }

    @discardableResult private static func run(_ words: String...) throws -> String { try run(words) }

    @discardableResult private static func run(_ words: [String]) throws -> String {
        let outcome = try Child(words).wait(timeout: 30)
        guard outcome.status == 0 else { throw Failure("\(words.joined(separator: " ")): \(outcome.errorText)") }
        return outcome.outputText
    }
}
