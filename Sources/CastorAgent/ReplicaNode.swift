/// A replica's driver: does what `ReplicaMachine` decides. One thread waits for callers, one listens to the primary, one looks at the clock; the thread that
/// feeds the replay asks what has come and tells how far the program is. The machine is in one thread's hands at a time, and its
/// actions are done before the next input.
import CTSXShim
import CastorLease
import CastorLog
import CastorStandby
import CastorTCP
import Glibc

final class ReplicaNode: @unchecked Sendable {
    /// What the thread that feeds has to do.
    struct Wishes {
        /// Say `idle` once everything that came has been replayed.
        var isToDrain = false
        /// Go on by itself, as this primary.
        var start: PrimaryMachine.Start?
        /// There is nothing to stand by for any more.
        var end: String?
        /// For this node: another one may begin.
        var isToRejoin = false
    }

    /// The node's number, in the lease's record, too.
    let id: NodeID
    /// nil without a store.
    let lease: LeaseKeeper?
    private let options: StandbyOptions
    private let control: Control
    private let directory: String
    let tls: TLSContext?
    private let listener: Int32
    private let callers: Callers
    /// Held by the thread that listens to a caller.
    private let serving = Monitor()
    private let monitor = Monitor()
    private var machine: ReplicaMachine
    private var connections: [Link: Connection] = [:]
    private var nextLink: Link = 1
    private var wishes = Wishes()
    private var isStopped = false
    private var hasManifest = false
    /// The program's files, as they come.
    private var files: FilesArchive?
    private var written: Position = 0
    private var consumed: Position = 0
    private var idleAt: Position = 0
    private var trail = Trail()
    /// nil before there is a program.
    private var hasGate: Bool?
    /// Where the primary's gate is to send copies of what clients send; nil without a gate, or on a network without such addresses.
    private var station: EgressGate.Station?
    private var epoch: UInt64 = 0
    private var failover: StandbyReport.Failover?
    /// The program goes on here; as a primary when there are replicas again.
    private var isLive = false
    private var successor: PrimaryNode?
    private let events: Int32
    /// What the user was told last.
    private var said: String?
    /// Wakes the thread that feeds.
    private let wake: @Sendable () -> Void

    /// Listens, and creates the log in `directory`, which is still empty.
    init(
        control: Control, directory: String, host: String, port: String, options: StandbyOptions, log: UInt64,
        store: StoreAddress?, tls: TLSContext?, wake: @escaping @Sendable () -> Void
    ) throws {
        let id = NodeID.random(in: 1...NodeID.max)
        self.id = id
        lease = try store.map { try LeaseKeeper($0, node: id, options: options, control: control) }
        self.options = options
        self.control = control
        self.directory = directory
        self.tls = tls
        callers = Callers(control)
        self.wake = wake
        listener = try Network.listen(host: host, port: port)
        events = try LogWriter.createEvents(directory: directory)
        machine = ReplicaMachine(id: id, log: log, options: options)
        said = machine.hindrance
        lease?.answer { [self] in handle(.lease($0)) }
        Thread.start(isUrgent: true) { self.serve() }
        Thread.start(isUrgent: true) { self.tick() }
    }

    /// Returns when the log's manifest is there, or false when castor does not want it any more. When the primary is gone before, there is
    /// no program here that could go on, and nobody has seen anything of it: another primary may come.
    func waitForManifest() throws -> Bool {
        while true {
            monitor.lock()
            let (isThere, isGone, end) = (hasManifest, wishes.isToDrain, wishes.end)
            monitor.unlock()
            if let end { throw StandbyEnd.text(end) }
            if isThere { return true }
            if isGone { throw StandbyEnd.rejoin("the primary was gone before its program had begun here") }
            _ = control.receive()
            if control.isClosed { return false }
            usleep(5000)
        }
    }

    // MARK: - The thread that feeds

    func takeWishes() -> Wishes {
        monitor.lock()
        defer { monitor.unlock() }
        return wishes
    }

    /// The program has done everything that the log has before `position`.
    func advance(to position: Position) {
        monitor.lock()
        defer { monitor.unlock() }
        guard position > consumed else { return }
        consumed = position
        perform(machine.handle(.consumed(upTo: position), at: now()))
    }

    /// Bytes of the log that have come.
    var received: Position {
        monitor.lock()
        defer { monitor.unlock() }
        return written
    }

    /// The program has done all whole chunks of the log as it was when `received` bytes had come.
    func idle(received: Position) {
        monitor.lock()
        defer { monitor.unlock() }
        if received == idleAt, !wishes.isToDrain { return }
        idleAt = received
        wishes.isToDrain = false
        perform(machine.handle(.idle(received: received), at: now()))
    }

    /// The log is known up to `position`, which is so many events in all.
    func read(events: UInt64, to position: Position) {
        monitor.lock()
        defer { monitor.unlock() }
        trail.append(position, events: events, at: now())
        trail.forget(before: consumed)
    }

    /// There is a program; with a gate its TCP connections survive.
    func begin(_ gate: EgressGate?) {
        monitor.lock()
        defer { monitor.unlock() }
        hasGate = gate != nil
        station = gate?.station
        for connection in connections.values { tellStation(connection) }
    }

    private func tellStation(_ connection: Connection) {
        if let station { connection.send(.station(station), epoch: epoch) }
    }

    /// The program goes on by itself.
    func wentLive(_ primary: PrimaryNode?) {
        monitor.lock()
        defer { monitor.unlock() }
        let status = machine.status
        isLive = true
        successor = primary
        failover = StandbyReport.Failover(
            time: Int64(time(nil)), reason: status.suspicion ?? "", duration: now() - status.lastHeard)
    }

    func takeOver() { handle(.takeOver) }
    func diverged(_ text: String) { handle(.diverged(text)) }

    // MARK: - Threads

    private func tick() {
        while !hasStopped {
            usleep(UInt32(options.agreement.heartbeat) * 500)
            handle(.tick)
        }
    }

    private var hasStopped: Bool {
        monitor.lock()
        defer { monitor.unlock() }
        return isStopped
    }

    private func serve() {
        while !hasStopped {
            guard let descriptor = Network.accept(listener, milliseconds: 200) else { continue }
            let connection = Connection(descriptor: descriptor, patience: options.deadline)
            // Beside the others: one who only calls, and says nothing, must not keep the primary waiting.
            guard callers.enter() else { continue }
            Thread.start(isUrgent: true) {
                self.serve(connection)
                self.callers.leave()
            }
        }
    }

    private func serve(_ connection: Connection) {
        do throws(Connection.End) {
            if let tls { try connection.secure(tls, .listener) }
            // One after the other: the machine follows one primary.
            serving.lock()
            defer { serving.unlock() }
            try listen(connection)
        } catch {
            callers.complain(error)
        }
    }

    /// Returns when this replica has stopped.
    private func listen(_ connection: Connection) throws(Connection.End) {
        monitor.lock()
        let link = nextLink
        nextLink += 1
        connections[link] = connection
        perform(machine.handle(.opened(link), at: now()))
        monitor.unlock()
        defer {
            connection.close()
            monitor.lock()
            perform(machine.handle(.closed(link), at: now()))
            connections[link] = nil
            monitor.unlock()
        }
        while !hasStopped {
            if let frame = try connection.receive(milliseconds: 1000) { handle(.received(frame, link)) }
        }
    }

    // MARK: - The machine

    private func handle(_ input: ReplicaMachine.Input) {
        monitor.lock()
        defer { monitor.unlock() }
        perform(machine.handle(input, at: now()))
    }

    /// With the lock.
    private func perform(_ actions: [ReplicaMachine.Action]) {
        for action in actions {
            switch action {
            case .connect: break  // the primary calls
            case .disconnect(let link): connections[link]?.close()
            case .send(let message, let epoch, let link):
                self.epoch = epoch
                connections[link]?.send(message, epoch: epoch)
                if case .hello = message, let connection = connections[link] { tellStation(connection) }
            case .store(let position, let bytes): store(bytes, at: position)
            case .storeManifest(let bytes): store(manifest: bytes)
            case .storeFiles(let position, let bytes): store(files: bytes, at: position)
            case .truncate(let length):
                if ftruncate(events, off_t(length)) != 0 { fail() }
                written = length
            case .drain:
                wishes.isToDrain = true
                lease?.watch()
            case .lease(let request): lease?.ask(request)
            case .goLive(let start):
                wishes.start = start
                isStopped = true
            case .say(let text): say(text)
            case .stop(let reason):
                wishes.end = reason
                isStopped = true
            case .rejoin(let reason):
                wishes.end = reason
                wishes.isToRejoin = true
                isStopped = true
            }
        }
        // What is in the way of a take-over, when it is something new.
        if let hindrance = machine.hindrance, !actions.isEmpty, wishes.end == nil { say(hindrance) }
        if wishes.isToDrain || wishes.start != nil || wishes.end != nil { wake() }
    }

    private func say(_ text: String) {
        if text == said { return }
        said = text
        control.send("note \(text)")
    }

    private func store(_ bytes: [UInt8], at position: Position) {
        var done = 0
        while done < bytes.count {
            let n = bytes.withUnsafeBytes {
                pwrite(events, $0.baseAddress! + done, bytes.count - done, off_t(position) + off_t(done))
            }
            if n < 0, errno == EINTR { continue }
            if n <= 0 { return fail() }
            done += n
        }
        written = position + UInt64(bytes.count)
        wake()
    }

    private func store(manifest bytes: [UInt8]) {
        do throws(LogError) {
            let manifest = try Manifest.store(bytes, directory: directory)
            if !hasManifest, let expected = ProgramFiles(manifest), files.map(expected.matches) != true {
                let size = files?.size ?? 0
                files = nil
                return perform(machine.handle(.failed("the program's files came damaged: \(size) bytes instead of \(expected.size), or others"), at: now()))
            }
            // The first one has no objects yet: the program has only been started.
            hasManifest = !manifest.objects.isEmpty
        } catch {
            wishes.end = "the manifest cannot be kept: \(error)"
        }
    }

    private func store(files bytes: [UInt8], at position: UInt64) {
        // The program has them.
        if hasManifest { return }
        do throws(FilesError) {
            if position == 0 { files = try FilesArchive(directory: directory) }
            try files?.append(bytes)
        } catch {
            perform(machine.handle(.failed("\(error)"), at: now()))
        }
    }

    private func fail() {
        let reason = "the log cannot be written: \(String(cString: strerror(errno)))"
        perform(machine.handle(.failed(reason), at: now()))
    }
}

extension ReplicaNode: Reported {
    func describe(_ report: inout StandbyReport) -> Bool? {
        monitor.lock()
        defer { monitor.unlock() }
        report.isEncrypted = tls != nil
        report.failover = failover
        let status = machine.status
        if isLive || status.phase == .live { report.role = .live }
        if let successor { return successor.describe(&report) }
        report.epoch = status.epoch
        report.wanted = Int(options.agreement.replicas)
        if report.role == .live {
            report.hindrance = isLive ? "there is no replica any more" : "it is taking over"
            return hasGate
        }
        report.hindrance = status.hindrance
        report.isProtected = status.phase == .following && status.isCounted
        report.protecting = report.isProtected ? 1 : 0
        var peer = StandbyReport.Peer(place: "primary", state: .notConnected)
        switch status.phase {
        case .following: peer.state = status.isCounted ? .protecting : .catchingUp
        case .greeting: peer.state = .connected
        case .apart, .live, .stopped: peer.problem = callers.complaint
        }
        (peer.sent, peer.received, peer.consumed) = (status.received, status.received, status.consumed)
        peer.lag = trail.lag(of: status.consumed, at: now())
        report.peers = [peer]
        return hasGate
    }
}
