/// Tells how this primary or replica stands: on a Unix socket, to `castor ft status`, and by HTTP, to Prometheus. A thread for each
/// waits for callers and answers one after the other; none may keep it for longer than its patience.
import CastorLog
import CastorStandby
import Glibc

/// Knows how it stands.
protocol Reported: AnyObject, Sendable {
    /// Whether there is a gate, without which TCP connections do not survive; nil while that is not known.
    func describe(_ report: inout StandbyReport) -> Bool?
}

final class Reporter: @unchecked Sendable {
    private let role: StandbyReport.Role
    private let options: StandbyOptions
    private let directory: String
    /// castor's, not the agent's: whom a user sends signals.
    private let pid: Int32
    private let address: String?
    private let store: String?
    private let socket: String?
    private let begun = now()
    private let monitor = Monitor()
    private var known: (any Reported)?
    /// The program's command line, once the log has it.
    private var program: [String] = []
    private static let patience = timeval(tv_sec: 1, tv_usec: 0)

    /// `store`: the lease's. `socket`: where to be asked; it goes away with `end`.
    init(
        role: StandbyReport.Role, options: StandbyOptions, directory: String, pid: Int32, address: String?, store: String?,
        socket: String?
    ) {
        self.role = role
        self.options = options
        self.directory = directory
        self.pid = pid
        self.address = address
        self.store = store
        self.socket = socket
    }

    var node: (any Reported)? {
        get {
            monitor.lock()
            defer { monitor.unlock() }
            return known
        }
        set {
            monitor.lock()
            defer { monitor.unlock() }
            known = newValue
        }
    }

    func end() { if let socket { unlink(socket) } }

    var report: StandbyReport {
        let node = node
        var report = StandbyReport(role: role, pid: pid, directory: wholePath())
        report.program = commandLine()
        report.address = address
        report.store = store
        report.wanted = Int(options.agreement.replicas)
        if role == .primary { report.hindrance = store == nil ? "not started" : "the lease is not to be had yet" }
        report.uptime = now() - begun
        var status = stat()
        if stat("\(directory)/\(LogWriter.eventsFileName)", &status) == 0 { report.logBytes = UInt64(status.st_size) }
        let hasGate = node?.describe(&report)
        report.isPrivileged = hasGate ?? false
        report.notGuaranteed = options.gaps(
            gate: address == nil ? .notAskedFor : hasGate.map { $0 ? .present : .missing } ?? .unknown, isUrgent: Thread.mayBeUrgent)
        return report
    }

    /// The one that a user elsewhere can use.
    private func wholePath() -> String {
        guard let path = realpath(directory, nil) else { return directory }
        defer { free(path) }
        return String(cString: path)
    }

    private func commandLine() -> [String] {
        monitor.lock()
        defer { monitor.unlock() }
        if program.isEmpty, let manifest = try? Manifest(directory: directory) {
            program = [manifest.program.description] + manifest.arguments.dropFirst().map(\.description)
        }
        return program
    }

    // MARK: - Serving

    func serveStatus() throws(Network.Failure) {
        guard let socket else { return }
        let listener = try Network.listen(path: socket)
        Thread.start {
            Reporter.answer(listener) { descriptor in Reporter.write(self.report.json.text(indented: true) + "\n", to: descriptor) }
        }
    }

    func serveMetrics(port: String) throws(Network.Failure) {
        let listener = try Network.listen(host: "127.0.0.1", port: port)
        Thread.start {
            Reporter.answer(listener) { descriptor in
                let request = HTTPRequest(from: descriptor)
                Reporter.write(request.answer { self.report.metrics }, to: descriptor)
            }
        }
    }

    private static func answer(_ listener: Int32, _ body: (Int32) -> Void) {
        while true {
            let descriptor = accept(listener, nil, nil)
            guard descriptor >= 0 else {
                usleep(10_000)
                continue
            }
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            var patience = patience
            for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
                setsockopt(descriptor, SOL_SOCKET, option, &patience, socklen_t(MemoryLayout<timeval>.size))
            }
            body(descriptor)
            finish(descriptor)
        }
    }

    /// What the caller still says is taken, for a while: a socket that is closed before takes the answer away.
    private static func finish(_ descriptor: Int32) {
        shutdown(descriptor, Int32(SHUT_WR))
        var buffer = [UInt8](repeating: 0, count: 4096)
        var left = 64
        while left > 0, recv(descriptor, &buffer, buffer.count, 0) > 0 { left -= 1 }
        close(descriptor)
    }

    private static func write(_ text: String, to descriptor: Int32) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let n = rest.withUnsafeBytes { send(descriptor, $0.baseAddress!, $0.count, Int32(MSG_NOSIGNAL)) }
            if n < 0, errno == EINTR { continue }
            if n <= 0 { return }
            rest = rest.dropFirst(n)
        }
    }
}
