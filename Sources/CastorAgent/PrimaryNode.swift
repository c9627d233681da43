/// A primary's driver: does what `PrimaryMachine` decides. The thread that drains tells it how far the log is and which outputs wait;
/// one thread for each replica calls it and listens to it; one looks at the clock. The machine is in one thread's hands at a time, and its
/// actions are done before the next input.
import CTSXShim
import CastorLease
import CastorLog
import CastorStandby
import CastorTCP
import Glibc

final class PrimaryNode: @unchecked Sendable {
    /// Where a replica is called.
    private struct Place {
        var name: String
        var link: Link?
        /// Why there is no link.
        var problem: String?
    }

    private let options: StandbyOptions
    private let control: Control
    private let tls: TLSContext?
    private let outputs: Outputs
    private let segment: Segment
    private let gate: EgressGate?
    private let lease: LeaseKeeper?
    private let directory: String
    private let monitor = Monitor()
    private var machine: PrimaryMachine
    private var connections: [Link: Connection] = [:]
    /// Of replicas that collect what clients send.
    private var stations: [Link: EgressGate.Station] = [:] {
        didSet { if stations != oldValue { gate?.mirror(to: stations.sorted { $0.key < $1.key }.map(\.value)) } }
    }
    private var nextLink: Link = 1
    private var isStopped = false
    /// Somebody else is live, or may be: nothing may leave any more.
    private var isFenced = false
    private var places: [Place] = []
    private var trail = Trail()
    /// Of the log's events file, to be sent.
    private let events: Int32
    private let files: FilesShipment?

    private static let pauseAfterRefusal: Milliseconds = 1000

    /// TCP connections of the program, and what it sends over them.
    let watch: ConnectionWatch
    let held: HeldOutputs
    /// nil without a gate.
    let openings: OpeningWatch?

    /// `id`: the node's, which holds the `lease`.
    init(
        segment: Segment, control: Control, directory: String, options: StandbyOptions, log: UInt64, gate: EgressGate?,
        tls: TLSContext?, id: NodeID, lease: LeaseKeeper?
    ) {
        self.segment = segment
        self.gate = gate
        self.lease = lease
        self.options = options
        self.control = control
        self.tls = tls
        self.directory = directory
        held = HeldOutputs(segment: segment)
        watch = ConnectionWatch(segment: segment, gate: gate, held: held) { [control] in control.send("note \($0)") }
        openings = gate.map { OpeningWatch(gate: $0) { segment.wakeAgent() } }
        outputs = Outputs(segment: segment, connections: watch, held: held, openings: openings)
        machine = PrimaryMachine(id: id, log: log, options: options)
        events = open("\(directory)/events", O_RDONLY | O_CLOEXEC)
        files = FilesShipment(directory: directory)
        outputs.begin()
    }

    /// Begins to serve; calls replicas at these places, again and again.
    func start(_ begin: PrimaryMachine.Start, replicas: [(host: String, port: String)]) {
        places = replicas.map { Place(name: "\($0.host):\($0.port)") }
        handle(.started(begin))
        lease?.answer { [self] in handle(.lease($0)) }
        for (index, replica) in replicas.enumerated() { Thread.start(isUrgent: true) { self.serve(replica, index) } }
        Thread.start(isUrgent: true) { self.tick() }
    }

    // MARK: - Inputs from the thread that drains

    /// Connections have changed, or are being opened.
    var hasNews: Bool { watch.hasChanges || openings?.hasNews ?? false }

    /// The log has grown.
    func grew(to length: UInt64, events: UInt64) {
        monitor.lock()
        defer { monitor.unlock() }
        trail.append(length, events: events, at: now())
        perform(machine.handle(.grew(to: length), at: now()))
    }
    func manifestChanged() { handle(.manifestChanged) }

    /// Outputs wait; the log has what led to them up to `position`.
    func wait(
        _ lines: [Outputs.Line], _ held: [HeldOutputs.Allowance], _ changes: [ConnectionWatch.Change], _ openings: [Opening],
        at position: UInt64
    ) {
        outputs.mark(position, lines, held, changes, openings)
        handle(.queued(position: position))
    }

    /// Nothing can be written to the log any more. Whether the program goes on, alone; otherwise it was given away, and ended.
    func loseLog() -> Bool {
        handle(.logLost)
        return !hasStopped
    }

    /// The program has ended and the log is complete. Returns when the replicas know, or at the deadline.
    func end() {
        handle(.ended)
        monitor.lock()
        while !isStopped { monitor.wait() }
        monitor.unlock()
    }

    // MARK: - Threads

    private func tick() {
        while !hasStopped {
            usleep(UInt32(options.agreement.heartbeat) * 500)
            handle(.tick)
            outputs.tick()
        }
    }

    private var hasStopped: Bool {
        monitor.lock()
        defer { monitor.unlock() }
        return isStopped
    }

    private func serve(_ replica: (host: String, port: String), _ index: Int) {
        var complaints = Complaints(control, about: "the replica at \(replica.host), port \(replica.port)")
        while !hasStopped {
            var pause = options.retry
            do {
                if let descriptor = try Network.connect(host: replica.host, port: replica.port, milliseconds: 1000) {
                    let connection = Connection(descriptor: descriptor, patience: options.deadline)
                    if let tls { try connection.secure(tls, .caller(host: replica.host)) }
                    try listen(connection, index)
                }
            } catch {
                complaints.say(error)
                note(complaints.last, at: index)
                // Nothing that goes away by itself.
                switch error {
                case Connection.End.tls, is FilesError: pause = PrimaryNode.pauseAfterRefusal
                default: break
                }
            }
            usleep(UInt32(pause) * 1000)
        }
    }

    private func note(_ problem: String?, at index: Int) {
        monitor.lock()
        defer { monitor.unlock() }
        places[index].problem = problem
    }

    /// Returns when this primary has stopped.
    private func listen(_ connection: Connection, _ index: Int) throws {
        guard let hello = try greet(connection, index) else { return connection.close() }
        monitor.lock()
        let link = nextLink
        nextLink += 1
        connections[link] = connection
        places[index] = Place(name: places[index].name, link: link)
        perform(machine.handle(.opened(link), at: now()))
        perform(machine.handle(.received(hello, link), at: now()))
        monitor.unlock()
        defer {
            monitor.lock()
            perform(machine.handle(.closed(link), at: now()))
            (connections[link], stations[link]) = (nil, nil)
            places[index].link = nil
            monitor.unlock()
            connection.close()
        }
        while !hasStopped {
            guard let frame = try connection.receive(milliseconds: 1000) else { continue }
            guard case .station(let station) = frame.message else {
                handle(.received(frame, link))
                continue
            }
            monitor.lock()
            stations[link] = station
            monitor.unlock()
        }
    }

    /// The replica's first frame. One that has nothing of the log gets the program's files, beside everything else, before the
    /// machine knows of it. nil when this primary has stopped.
    private func greet(_ connection: Connection, _ index: Int) throws -> Frame? {
        while !hasStopped {
            guard let frame = try connection.receive(milliseconds: 1000) else { continue }
            guard let files, case .hello(let hello) = frame.message, hello.position == 0, hello.log == machine.log,
                hello.agreement == options.agreement
            else { return frame }
            let isWhole = try files.send(over: connection, epoch: currentEpoch) { sent in
                note("the program's files are on their way, \(sent >> 20) of \(files.size >> 20) MiB", at: index)
                return !hasStopped
            }
            if isWhole { return frame }
            connection.close()
        }
        return nil
    }

    private var currentEpoch: UInt64 {
        monitor.lock()
        defer { monitor.unlock() }
        return machine.status(at: now()).epoch
    }

    // MARK: - The machine

    private func handle(_ input: PrimaryMachine.Input) {
        monitor.lock()
        defer { monitor.unlock() }
        perform(machine.handle(input, at: now()))
    }

    /// With the lock.
    private func perform(_ actions: [PrimaryMachine.Action]) {
        for action in actions {
            switch action {
            case .send(let message, let epoch, let link): connections[link]?.send(message, epoch: epoch)
            case .sendLog(let from, let to, let epoch, let link): sendLog(from, to, epoch, link)
            case .sendManifest(let epoch, let link): sendManifest(epoch, link)
            case .disconnect(let link): connections[link]?.close()
            case .release(let position): outputs.release(upTo: position)
            case .drop(_, let reason): control.send("note a replica was dropped: \(reason)")
            case .say(let text): control.send("note \(text)")
            case .gate(let until): gate?.open(untilMilliseconds: until)
            case .silence(let isForGood):
                gate?.open(until: 0)
                isFenced = isFenced || isForGood
            case .lease(let request): lease?.ask(request)
            case .stop(let reason): stop(reason)
            }
        }
    }

    private func stop(_ reason: String) {
        isStopped = true
        if isFenced {
            control.send("note fenced: \(reason); nothing of this program leaves any more, and it is ended")
            endProgram()
        } else {
            // Its connections end when the agent does, who has their sockets as well.
            gate?.setMode(.pass)
            control.send("info \(reason)")
        }
        monitor.changed()
    }

    /// Every process that is recorded.
    private func endProgram() {
        for i in 0..<segment.ringsUsed {
            let ring = segment.ring(i)
            if segment.state(ring) == CASTOR_RING_LIVE { kill(pid_t(ring.pointee.pid), SIGKILL) }
        }
    }

    private func sendLog(_ from: UInt64, _ to: UInt64, _ epoch: UInt64, _ link: Link) {
        guard let connection = connections[link] else { return }
        var position = from
        while position < to {
            let length = Int(min(to - position, UInt64(Frame.logLimit)))
            var isRead = false
            let bytes = [UInt8](unsafeUninitializedCapacity: length) { buffer, count in
                isRead = pread(events, buffer.baseAddress, length, off_t(position)) == length
                count = isRead ? length : 0
            }
            guard isRead, connection.send(.log(position: position, bytes: bytes), epoch: epoch) else { return connection.close() }
            position += UInt64(length)
        }
    }

    private func sendManifest(_ epoch: UInt64, _ link: Link) {
        guard let connection = connections[link] else { return }
        guard let bytes = Files.contents("\(directory)/manifest.json"), bytes.count <= Frame.logLimit else {
            return connection.close()
        }
        connection.send(.manifest(bytes), epoch: epoch)
    }
}

extension PrimaryNode: Reported {
    func describe(_ report: inout StandbyReport) -> Bool? {
        monitor.lock()
        defer { monitor.unlock() }
        let time = now()
        let status = machine.status(at: time)
        trail.forget(before: status.replicas.map(\.consumed).min() ?? 0)
        report.isEncrypted = tls != nil
        report.epoch = status.epoch
        report.holdsLease = status.holdsLease
        report.hindrance = status.hindrance
        (report.wanted, report.protecting) = (status.wanted, status.members)
        (report.held, report.heldFor) = (status.held, status.heldFor)
        report.isProtected = !isStopped && status.members >= status.wanted && status.replicas.allSatisfy { !$0.isMember || $0.link != nil }
        report.peers = places.map { place in
            let replica = status.replicas.first { $0.link != nil && $0.link == place.link }
            var peer = StandbyReport.Peer(place: place.name, state: place.link == nil ? .notConnected : .connected)
            peer.problem = place.problem
            if let replica { describe(replica, &peer, time) }
            return peer
        }
        // A place is free again when a replica is lost, whose own it was is not known.
        for replica in status.replicas where replica.link == nil {
            guard let i = report.peers.firstIndex(where: { $0.state == .notConnected }) else { continue }
            report.peers[i].state = .lost
            describe(replica, &report.peers[i], time)
        }
        return gate != nil
    }

    private func describe(_ replica: FollowerStatus, _ peer: inout StandbyReport.Peer, _ time: Milliseconds) {
        (peer.sent, peer.received, peer.consumed) = (replica.sent, replica.received, replica.consumed)
        peer.lag = trail.lag(of: replica.consumed, at: time)
        if replica.link != nil { peer.state = replica.isMember ? .protecting : .catchingUp }
    }
}

enum Files {
    /// A whole file; nil when it cannot be read.
    static func contents(_ path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let n = read(descriptor, &buffer, buffer.count)
            if n < 0 { return nil }
            if n == 0 { return bytes }
            bytes += buffer[..<n]
        }
    }
}
