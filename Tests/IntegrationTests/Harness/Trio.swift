/// A service with nodes on up to three machines, each of which can be the primary of the others; whoever is live has the address that
/// clients know.
import Foundation

final class Trio {
    /// Where a node runs.
    enum Machine: String {
        case first, second, third

        var address: String {
            switch self {
            case .first: Hosts.primaryAddress
            case .second: Hosts.replicaAddress
            case .third: Hosts.spareAddress
            }
        }
        var device: String {
            switch self {
            case .first: Hosts.primaryDevice
            case .second: Hosts.replicaDevice
            case .third: Hosts.spareDevice
            }
        }
        var endpoint: String { "\(address):7070" }
    }

    let workspace: Workspace
    let hosts: Hosts
    /// Who is live is decided there; without one, by the replicas alone.
    let store: LeaseStore?
    private let common: [String]
    private var started = 0
    static let port = 7000

    init(_ workspace: Workspace, hasLease: Bool, options: [String] = []) throws {
        self.workspace = workspace
        hosts = try Hosts(hasStore: hasLease, hasSpare: true)
        store = hasLease ? try LeaseStore(hosts, workspace) : nil
        // Without a store a silence on a busy machine would be two live nodes: who is killed here is noticed by the end of the link.
        let authority = store.map { ["--lease", $0.address, "--lease-time", "1000"] } ?? ["--silence", "1000"]
        common = ["--insecure", "--ip", "\(Hosts.service)/24"] + authority + options
    }

    func host(_ machine: Machine) -> String {
        switch machine {
        case .first: hosts.primary
        case .second: hosts.replica
        case .third: hosts.spare!
        }
    }

    /// Only these nodes are to be seen.
    private var environment: [String: String?] { ["CASTOR_RUNTIME_DIR": workspace("run")] }

    private func start(_ action: String, on machine: Machine, calling: [Machine], _ words: [String], program: [String], wrapper: [String]) throws -> Child {
        started += 1
        return try workspace.startCastor(
            ["ft", action, "--dev", machine.device, "-o", workspace("log-\(started)-\(machine)")] + common + words
                + calling.flatMap { ["--replica", $0.endpoint] } + program,
            environment: environment, wrapper: Hosts.on(host(machine)) + wrapper)
    }

    func startPrimary(on machine: Machine = .first, calling: [Machine], _ words: [String] = [], program: [String]) throws -> Child {
        try start("primary", on: machine, calling: calling, words, program: ["--"] + program, wrapper: [])
    }

    /// `calling`: whom it protects itself by once it has taken over.
    func startReplica(on machine: Machine, calling: [Machine] = [], _ words: [String] = [], wrapper: [String] = []) throws -> Child {
        try start(
            "replica", on: machine, calling: calling, ["--listen", machine.endpoint] + (store == nil ? ["--automatic"] : []) + words,
            program: [], wrapper: wrapper)
    }

    func kill(_ machine: Machine) throws { try hosts.kill(host(machine)) }

    /// Redis, in words.
    var redis: [String] {
        [
            "redis-server", "--bind", Hosts.service, "--port", "\(Trio.port)", "--save", "", "--protected-mode", "no", "--dir",
            workspace.path,
        ]
    }

    /// A client of 50 connections that checks every answer, once they are there.
    func load(answers: Int) throws -> Child {
        let client = try Child(
            Hosts.on(hosts.client) + [
                "python3", Repository.guestSource("tcp_load.py"), "redis", Hosts.service, "\(Trio.port)", "50", "\(answers)", "0",
            ])
        _ = try client.line(containing: "connected")
        return client
    }

    // MARK: - How it stands

    /// What `castor ft status` says of all nodes.
    func reports() throws -> [[String: Any]] {
        let outcome = try workspace.startCastor(["ft", "status", "--json"], environment: environment).wait(timeout: 30)
        return try JSONSerialization.jsonObject(with: outcome.output) as? [[String: Any]] ?? []
    }

    /// Returns when the node that is live has a replica that can take over, and knows that it can: which node is live.
    @discardableResult
    func awaitProtection(seconds: Double = 120) throws -> Machine {
        let deadline = Date(timeIntervalSinceNow: seconds)
        while true {
            let reports = try reports()
            let live = reports.first { $0["role"] as? String == "live" && $0["replicasProtecting"] as? Int ?? 0 > 0 }
            let isKnown = reports.contains { $0["role"] as? String == "replica" && $0["protected"] as? Bool == true }
            if isKnown, let log = (live?["log"] as? [String: Any])?["path"] as? String, let machine = Machine(rawValue: String(log.split(separator: "-").last!)) {
                return machine
            }
            guard Date() < deadline else { throw Failure("the live node is not protected: \(reports)") }
            usleep(50_000)
        }
    }
}
