/// The gate before the shared address: what of the kernel's own output may leave. See docs/FT-PROTOCOL.md, TCP, and
/// Gate/gate.bpf.c.
///
/// It belongs to the interface, not to this process: when the process dies, the kernel goes on to enforce what was said
/// last. All methods may be called by several threads; about one slot they are meant to come from one at a time. None
/// blocks; those not said to be system calls are a few accesses to memory.
import CBpf
import CTSXShim
import Glibc
import Synchronization

public final class EgressGate: Sendable {
    public enum Mode: UInt32, Sendable {
        /// Everything passes; connections are followed.
        case pass = 0
        /// Nothing leaves that would acknowledge or end what the program's standby does not know.
        case `guard` = 1
    }

    /// A connection's place in the gate; valid from `add` to `remove`.
    public struct Slot: Hashable, Sendable { let index: Int }

    private let gate: GateObject
    private let device: UInt32
    private let deviceName: String
    private let place: UInt32
    private let owner: GateOwner
    private let raw: RawSocket
    nonisolated(unsafe) private let answers: GateObject.Answers
    /// What is in the slots: written by `add` before anybody has the slot.
    nonisolated(unsafe) private let connections: UnsafeMutablePointer<castor_tcp>
    private let places = Mutex(SlotQueue(count: Int(CASTOR_GATE_FLOWS)))

    /// Loads the BPF `object` and attaches it to what leaves by the Ethernet interface `device`, in the network
    /// namespace of the calling thread. `address`: the shared address, IPv4, in network byte order.
    ///
    /// The gate passes everything, for ever, at first. If a process that is no more left its gate for the address on
    /// the interface, this one replaces it without a gap and goes on with its mode, its time and its `blockEnds`; its
    /// connections are forgotten. A gate whose process lives is not replaced: TCPFailure, as without privilege,
    /// interface or BPF.
    public init(object path: String, device name: String, address: UInt32) throws(TCPFailure) {
        device = if_nametoindex(name)
        guard device != 0 else { throw TCPFailure("there is no network interface \(name)", code: ENODEV) }
        deviceName = name
        owner = try GateOwner(address: address, device: device, named: name)
        raw = try RawSocket()
        station = try EgressGate.station(at: name)
        GateObject.silence()
        try GateObject.prepare(device, named: name)
        let predecessor: castor_gate_control?
        (place, predecessor) = try GateObject.place(for: address, on: device, named: name)
        gate = try GateObject(path: path)
        gate.control.pointee.address = address
        gate.control.pointee.open_until = predecessor?.open_until ?? UInt64.max
        gate.control.pointee.mode = predecessor?.mode ?? CASTOR_GATE_PASS
        gate.control.pointee.block_ends = predecessor?.block_ends ?? 0
        do throws(TCPFailure) {
            answers = try gate.answers()
            try gate.attach(to: device, named: name, place: place)
        } catch {
            gate.close()
            throw error
        }
        connections = .allocate(capacity: Int(CASTOR_GATE_FLOWS))
    }

    /// The gate stays attached.
    deinit {
        gate.close()
        connections.deallocate()
    }

    /// The gate looks for addresses at fixed places behind a header of 14 bytes: Ethernet's, which the loopback interface has, too.
    private static func station(at name: String) throws(TCPFailure) -> Station? {
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw TCPFailure("a socket") }
        defer { close(descriptor) }
        var request = ifreq()
        withUnsafeMutableBytes(of: &request.ifr_ifrn.ifrn_name) {
            $0.copyBytes(from: name.utf8.prefix(Int(IFNAMSIZ) - 1))
        }
        guard ioctl(descriptor, UInt(SIOCGIFHWADDR), &request) == 0 else { throw TCPFailure("the interface \(name)") }
        let hardware = request.ifr_ifru.ifru_hwaddr
        switch Int32(hardware.sa_family) {
        case 1:  // ARPHRD_ETHER
            return withUnsafeBytes(of: hardware.sa_data) { $0.prefix(6).reversed().reduce(0) { $0 << 8 | Station($1) } }
        case 772: return nil  // ARPHRD_LOOPBACK
        default: throw TCPFailure("the interface \(name) is no Ethernet", code: EPROTOTYPE)
        }
    }

    /// Takes the gate off the interface, which is open then. Several system calls, by a thread of the same
    /// network namespace as the one that made the gate.
    public func detach() throws(TCPFailure) { try GateObject.detach(from: device, named: deviceName, place: place) }

    // MARK: - All connections

    public func setMode(_ mode: Mode) { castor_gate_store(&gate.control.pointee.mode, mode.rawValue) }

    /// Whether every FIN and RST is dropped, whatever the mode and the connection: a replica while it goes live.
    public func blockEnds(_ isBlocking: Bool) {
        castor_gate_store(&gate.control.pointee.block_ends, isBlocking ? 1 : 0)
    }

    /// For so long whoever sends on a connection that is not here is told so, also in `guard`: it is one that the last primary's
    /// kernel had and its program had not.
    public func answerStrangers(seconds: UInt32) {
        castor_gate_store(&gate.control.pointee.answers_until, EgressGate.now() &+ seconds)
    }

    /// CLOCK_BOOTTIME, s.
    private static func now() -> UInt32 {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return UInt32(truncatingIfNeeded: time.tv_sec)
    }

    /// Lets packets from the shared address, ARP included, leave until CLOCK_BOOTTIME is `until`, in nanoseconds;
    /// UInt64.max: for ever. A time that is past closes at once.
    public func open(until: UInt64) { castor_gate_store_long(&gate.control.pointee.open_until, until) }

    /// The same by milliseconds of that clock; Int64.max: for ever.
    public func open(untilMilliseconds until: Int64) { open(until: until == .max ? .max : UInt64(max(until, 0)) * 1_000_000) }

    // MARK: - What clients send while nobody takes it

    /// An address of Ethernet, in the six low bytes.
    public typealias Station = UInt64

    /// In `guard` these machines are sent a copy of what clients send, as long as that fits into one frame; `collect` is for them. The
    /// kernel goes on with it when this process is dead. Of more than `CASTOR_GATE_MIRRORS` the first.
    public func mirror(to stations: [Station]) {
        castor_gate_store(&gate.control.pointee.mirrors, 0)
        withUnsafeMutableBytes(of: &gate.control.pointee.stations) { places in
            for (index, station) in stations.prefix(Int(CASTOR_GATE_MIRRORS)).enumerated() {
                for byte in 0..<6 { places[6 * index + byte] = UInt8(truncatingIfNeeded: station >> UInt64(8 * byte)) }
            }
        }
        castor_gate_store(&gate.control.pointee.mirrors, UInt32(min(stations.count, Int(CASTOR_GATE_MIRRORS))))
    }

    /// This machine's own, at the gate's interface; nil when it has none.
    public let station: Station?

    /// For so long what clients send to the shared address is kept, the last of each connection, and does not come in: a replica, until
    /// it has the connections. One that dies has nothing to do with what runs on its machine later.
    public func collect(seconds: UInt32) {
        castor_gate_store(&gate.control.pointee.collects_until, seconds == 0 ? 0 : EgressGate.now() &+ seconds)
    }

    /// What was. A few system calls.
    public func collected() -> [TCPEnds: Arrival] {
        Dictionary(gate.collected().compactMap { Arrival($0) }.map { ($0.ends, $0) }, uniquingKeysWith: { $1 })
    }

    /// Now it comes in; TCPFailure: not all. A system call for each; of a thread of the gate's network namespace.
    public func letIn(_ arrivals: [Arrival]) throws(TCPFailure) {
        if arrivals.isEmpty { return }
        let door = try Door(device: device)
        var failure: TCPFailure?
        for arrival in arrivals where !door.letIn(arrival.frame) { failure = TCPFailure("what a client has sent does not come in") }
        if let failure { throw failure }
    }

    // MARK: - Connections that clients open

    /// Those whose answers the gate has held back in `guard` since the last call; waits for one, at most `milliseconds` (-1: for ever).
    /// By one thread at a time.
    public func takeOpenings(milliseconds: Int32) -> [Opening] {
        answers.take(milliseconds: milliseconds).compactMap { Opening($0, local: gate.control.pointee.address) }
    }

    /// Standbys know of it: the client may have its answer. A few system calls.
    public func admit(_ opening: Opening) {
        guard set(opening.tcp, to: CASTOR_GATE_KNOWN) else { return }
        _ = raw.send(opening.packet, to: opening.tcp)
    }

    /// One that the last machine's kernel had, and the program has yet to accept: until `add` or `forget` this kernel, which does not
    /// know it, says nothing about it. False when there are too many.
    @discardableResult public func hold(_ tcp: castor_tcp) -> Bool { set(tcp, to: CASTOR_GATE_AWAITED) }

    private func set(_ tcp: castor_tcp, to state: UInt8) -> Bool {
        guard let key = castor_gate_key(tcp) else { return false }
        return gate.openings.set(key, to: castor_gate_opening(received: tcp.received, sent: tcp.sent, segment: 0, scale: 0, state: state))
    }

    /// Nobody will accept it.
    public func forget(_ tcp: castor_tcp) {
        if let key = castor_gate_key(tcp) { gate.openings.remove(key) }
    }

    // MARK: - One connection

    /// From now on the connection is followed, and in `guard` its bytes are acknowledged up to those `consumed` only.
    /// nil when `CASTOR_GATE_FLOWS` connections are there, or when it is one over IPv6, of which the gate knows
    /// nothing. A few system calls.
    ///
    /// To be called before the program can have sent anything: until then the gate holds back what the kernel says for
    /// it. A connection that is rebuilt has `consumed` and `produced` so many bytes, and is added before it is
    /// released.
    public func add(_ tcp: castor_tcp, consumed: UInt64 = 0, produced: UInt64 = 0) -> Slot? {
        guard let key = castor_gate_key(tcp) else { return nil }
        guard let index = places.withLock({ $0.take { forget($0) } }) else { return nil }
        connections[index] = tcp
        let received = tcp.received.moved(by: consumed)
        let flow = gate.flows + index
        flow.pointee = castor_gate_flow()
        flow.pointee.acknowledged = received
        flow.pointee.scale = UInt32(tcp.receive_scale)
        flow.pointee.first = tcp.sent
        flow.pointee.track.sent = tcp.sent.moved(by: produced)
        flow.pointee.track.wanted = received
        flow.pointee.track.told = received
        flow.pointee.track.edge = received
        guard gate.slots.set(key, to: UInt32(index)) else {
            places.withLock { $0.give(index) }
            return nil
        }
        adopt(key, flow)
        gate.openings.remove(key)
        return Slot(index: index)
    }

    /// What the gate saw of the connection before it was added: the client may wait for an acknowledgement that was
    /// dropped.
    private func adopt(_ key: castor_gate_key, _ flow: UnsafeMutablePointer<castor_gate_flow>) {
        guard let early = gate.early.value(key, initial: castor_gate_track()) else { return }
        gate.early.remove(key)
        // One of an older connection of the same addresses and ports may have been left there.
        guard early.wanted.distance(after: flow.pointee.acknowledged) >= 0, early.sent == flow.pointee.track.sent else {
            return
        }
        let edge = early.wanted &+ early.edge << flow.pointee.scale
        flow.pointee.held &+= 1
        if flow.pointee.track.segments == 0 { flow.pointee.track.timestamp = early.timestamp }
        if flow.pointee.track.segments == 0 { flow.pointee.track.echo = early.echo }
        if edge.isAfter(flow.pointee.track.edge) { flow.pointee.track.edge = edge }
        if early.wanted.isAfter(flow.pointee.track.wanted) {
            castor_gate_store(&flow.pointee.track.wanted, early.wanted)
        }
        if flow.pointee.track.segments == 0 { flow.pointee.track.segments = 1 }
    }

    /// The client may be told that its bytes have arrived up to the sequence number `upTo`; an older number changes
    /// nothing. Returns whether the client waits to be told: see `isAcknowledgementDue`.
    @discardableResult public func acknowledge(_ slot: Slot, upTo: UInt32) -> Bool {
        let flow = gate.flows + slot.index
        if upTo.isAfter(flow.pointee.acknowledged) { castor_gate_store(&flow.pointee.acknowledged, upTo) }
        return isAcknowledgementDue(slot)
    }

    /// Whether the gate held back an acknowledgement that may leave by now, at least in part, and that no later segment
    /// has told. Only `sendAcknowledgement` makes good for it; what the program sends just now does, too, so ask after
    /// that was released.
    public func isAcknowledgementDue(_ slot: Slot) -> Bool {
        let flow = gate.flows + slot.index
        let told = castor_gate_load(&flow.pointee.track.told)
        return castor_gate_load(&flow.pointee.track.wanted).isAfter(told) && flow.pointee.acknowledged.isAfter(told)
    }

    /// The connection may end: FIN and RST pass; or the output alone may, without a RST.
    public func allowEnd(_ slot: Slot, ofOutput isOutput: Bool = false) {
        castor_gate_set(&gate.flows[slot.index].flags, CASTOR_GATE_MAY_END | (isOutput ? 0 : CASTOR_GATE_MAY_RESET))
    }

    /// The connection is over, or of no interest: whatever the kernel still says for it passes, its last
    /// acknowledgements, say, until the slot is needed for another.
    public func remove(_ slot: Slot) {
        castor_gate_set(&gate.flows[slot.index].flags, CASTOR_GATE_MAY_END | CASTOR_GATE_MAY_RESET | CASTOR_GATE_OVER)
        places.withLock { $0.give(slot.index) }
    }

    /// Tells the client what `acknowledge` allows, and the window that the kernel offers. False when the kernel has
    /// said nothing on the connection yet, or does not take the packet. One system call.
    @discardableResult public func sendAcknowledgement(_ slot: Slot) -> Bool {
        let flow = gate.flows + slot.index
        let tcp = connections[slot.index]
        let track = flow.pointee.track
        guard track.segments > 0 else { return false }
        let acknowledged = castor_gate_load(&flow.pointee.acknowledged)
        // Rounded down: more than was offered would not be received.
        let window = UInt32(max(0, track.edge.distance(after: acknowledged))) >> UInt32(tcp.receive_scale)
        let segment = Segment(
            tcp, sequence: track.sent, acknowledged: acknowledged, window: UInt16(clamping: window),
            timestamps: tcp.hasTimestamps ? (track.timestamp, track.echo) : nil)
        return segment.map(raw.send) ?? false
    }

    /// A slot is needed for another connection. The map may lead to a younger one of the same addresses and ports.
    private func forget(_ index: Int) {
        guard let key = castor_gate_key(connections[index]) else { return }
        if gate.slots.value(key, initial: UInt32(0)) == UInt32(index) { gate.slots.remove(key) }
    }

    // MARK: - What it did

    /// What the gate counted, in packets.
    public struct Counts: Sendable {
        /// From the shared address.
        public let packets: UInt64
        /// Dropped: after the time until which it was open, by `blockEnds`, of unknown connections, no TCP segments.
        public let late: UInt64, ends: UInt64, unknown: UInt64, malformed: UInt64
        /// Copies of what came in, sent to replicas.
        public let mirrored: UInt64
    }

    public var counts: Counts {
        let control = gate.control.pointee
        return Counts(
            packets: control.packets, late: control.late, ends: control.ends, unknown: control.unknown,
            malformed: control.malformed, mirrored: control.mirrored)
    }

    /// What the gate counted of one connection, in segments.
    public struct FlowCounts: Sendable {
        /// That acknowledged too much, those of them that were dropped, and FIN and RST that were.
        public let held: UInt32, dropped: UInt32, ends: UInt32
    }

    public func counts(_ slot: Slot) -> FlowCounts {
        let flow = gate.flows[slot.index]
        return FlowCounts(held: flow.held, dropped: flow.dropped, ends: flow.ends)
    }
}

extension castor_gate_key {
    /// nil of a connection over IPv6.
    init?(_ tcp: castor_tcp) {
        guard let (_, peer) = tcp.ipv4 else { return nil }
        self.init(peer: peer, peer_port: tcp.peer_port, local_port: tcp.local_port)
    }
}
