/// A primary's TCP connections: tells the egress gate how much of what clients sent a standby has, and which ends it knows of.
///
/// The runtime changes a connection's words after the events have been published. So whoever looks here first and drains the rings
/// then has in the log what these words tell of.
import CTSXShim
import CastorTCP
import Glibc

final class ConnectionWatch: @unchecked Sendable {
    /// What the gate is to be told when a standby has the log up to some position.
    struct Change {
        fileprivate let index: UInt32
        fileprivate let connection: UnsafeMutablePointer<castor_connection>
        /// Another connection may have the place by the time that this is done.
        fileprivate let cookie: UInt64
        fileprivate let slot: EgressGate.Slot?
        fileprivate let acknowledged: UInt32
        fileprivate let isEnding: Bool
        /// The connection, not only what it sends.
        fileprivate let isClosing: Bool
    }

    private struct Known {
        var tcp: castor_tcp
        var slot: EgressGate.Slot?
    }

    private let segment: Segment
    private let gate: EgressGate?
    private let held: HeldOutputs
    /// Ends that wait for what is held.
    private var endings: [Change] = []
    private var known: [UInt32: Known] = [:]
    private var due: Set<EgressGate.Slot> = []
    private let note: (String) -> Void
    private var hasNoted = false
    private var hasNotedWaits = false
    /// Numbers are compared modulo 2^32, so this is beyond all that may still come.
    private static let everything: UInt32 = 1 << 30

    init(segment: Segment, gate: EgressGate?, held: HeldOutputs, note: @escaping (String) -> Void) {
        self.segment = segment
        self.gate = gate
        self.held = held
        self.note = note
    }

    /// Those that this node has taken over are in the gate from now on; what is left of those that were closed passes it.
    func adopt() {
        for index in 0..<CASTOR_CONNECTIONS {
            let connection = castor_connection_at(segment.base, index)
            let state = castor_load32(castor_connection_state(connection))
            guard state == CASTOR_CONNECTION_OPEN || state == CASTOR_CONNECTION_CLOSED else { continue }
            let tcp = connection.pointee.tcp
            let slot = gate?.add(tcp, consumed: connection.pointee.consumed, produced: connection.pointee.produced)
            known[index] = Known(tcp: tcp, slot: state == CASTOR_CONNECTION_OPEN ? slot : nil)
            if state == CASTOR_CONNECTION_CLOSED, let slot { gate?.remove(slot) }
            if state == CASTOR_CONNECTION_OPEN { hold(index, connection) }
        }
    }

    /// Whether something has changed since the last look.
    var hasChanges: Bool {
        let words = castor_connections_changed(segment.base)
        return (0..<Int(CASTOR_CONNECTIONS / 32)).contains { castor_load32(words + $0) != 0 }
    }

    /// What has changed; before the rings are drained, and by the thread that does that.
    func look() -> [Change] {
        var changes: [Change] = []
        let words = castor_connections_changed(segment.base)
        for word in 0..<Int(CASTOR_CONNECTIONS / 32) where castor_load32(words + word) != 0 {
            var bits = castor_exchange32(words + word, 0)
            while bits != 0 {
                let index = UInt32(word * 32 + bits.trailingZeroBitCount)
                bits &= bits - 1
                if let change = look(index) { changes.append(change) }
            }
        }
        return changes
    }

    /// A process was killed: connections that no other has end when what it sent has gone.
    func closeAll(of pid: UInt32) {
        let words = castor_connections_changed(segment.base)
        for index in 0..<CASTOR_CONNECTIONS {
            let connection = castor_connection_at(segment.base, index)
            let state = castor_load32(castor_connection_state(connection))
            guard state == CASTOR_CONNECTION_OPEN || state == CASTOR_CONNECTION_DATAGRAMS,
                Connections.leave(connection, pid)
            else { continue }
            castor_store32(
                castor_connection_state(connection), state == CASTOR_CONNECTION_OPEN ? CASTOR_CONNECTION_CLOSED : CASTOR_CONNECTION_GONE)
            _ = castor_fetch_or32(words + Int(index / 32), 1 << (index % 32))
        }
    }

    private func look(_ index: UInt32) -> Change? {
        let connection = castor_connection_at(segment.base, index)
        let state = castor_load32(castor_connection_state(connection))
        guard state == CASTOR_CONNECTION_OPEN || state == CASTOR_CONNECTION_CLOSED else { return lookAtOther(index, connection, state) }
        let tcp = connection.pointee.tcp
        if known[index].map({ isOther($0.tcp, tcp) }) ?? true {
            if let old = known[index]?.slot { gate?.remove(old) }
            known[index] = Known(tcp: tcp, slot: gate?.add(tcp))
            if state == CASTOR_CONNECTION_OPEN { hold(index, connection) }
            if gate != nil, known[index]?.slot == nil, !hasNoted {
                hasNoted = true
                note("a TCP connection will not survive: it is one over IPv6, or there are too many for the gate")
            }
        }
        let ending = castor_load32(castor_connection_ending(connection))
        var acknowledged = tcp.received &+ UInt32(truncatingIfNeeded: castor_load(castor_connection_consumed(connection)))
        let isClosing = ending == CASTOR_ENDING_CONNECTION || state == CASTOR_CONNECTION_CLOSED
        if isClosing { acknowledged &+= ConnectionWatch.everything }
        return Change(
            index: index, connection: connection, cookie: connection.pointee.cookie, slot: known[index]?.slot, acknowledged: acknowledged,
            isEnding: isClosing || ending != CASTOR_ENDING_NOTHING, isClosing: isClosing)
    }

    private func lookAtOther(_ index: UInt32, _ connection: UnsafeMutablePointer<castor_connection>, _ state: UInt32) -> Change? {
        if state == CASTOR_CONNECTION_ASKED { readOut(connection) }
        guard state == CASTOR_CONNECTION_DATAGRAMS else {
            held.close(index)
            return nil
        }
        if let old = known.removeValue(forKey: index)?.slot { gate?.remove(old) }
        let isEnding = castor_load32(castor_connection_ending(connection)) != CASTOR_ENDING_NOTHING
        if !isEnding, castor_load32(castor_connection_is_held(connection)) == 0 { hold(index, connection) }
        return Change(
            index: index, connection: connection, cookie: connection.pointee.cookie, slot: nil, acknowledged: 0, isEnding: isEnding, isClosing: isEnding)
    }

    /// For a program that has no right to.
    private func readOut(_ connection: UnsafeMutablePointer<castor_connection>) {
        let answer = castor_connection_may_end(connection)
        guard castor_load32(answer) < CASTOR_READ_OUT else { return }
        var isThere = false
        if let socket = held.program.socket(of: connection) {
            if let tcp = try? ReadOut.run(socket: socket) { (connection.pointee.tcp, isThere) = (tcp, true) }
            close(socket)
        }
        castor_store32(answer, isThere ? CASTOR_READ_OUT : CASTOR_NOT_READ_OUT)
        Futex.wake(answer)
    }

    private func hold(_ index: UInt32, _ connection: UnsafeMutablePointer<castor_connection>) {
        if held.open(index, connection) || hasNotedWaits { return }
        hasNotedWaits = true
        note("what the program sends waits in its calls: castor cannot have its sockets (CAP_SYS_PTRACE, or too many)")
    }

    private func isOther(_ a: castor_tcp, _ b: castor_tcp) -> Bool {
        withUnsafeBytes(of: a) { a in withUnsafeBytes(of: b) { b in memcmp(a.baseAddress!, b.baseAddress!, a.count) != 0 } }
    }

    /// A standby has what led to these. What the kernel wanted to acknowledge and could not is made good for at once, or, when the
    /// program has something to send and so acknowledges by itself, in `makeGood`. Ends come next, in `end`.
    func pass(_ changes: [Change], isAnswered: Bool) {
        for change in changes {
            if let slot = change.slot, let gate, gate.acknowledge(slot, upTo: change.acknowledged) {
                if isAnswered { due.insert(slot) } else { gate.sendAcknowledgement(slot) }
            }
            if change.isEnding { endings.append(change) }
        }
    }

    /// After what the threads have sent has gone: lets those connections end of which nothing is held.
    func end() {
        endings.removeAll { change in
            let isSame = change.connection.pointee.cookie == change.cookie
            guard !isSame || held.isReleased(change.connection) else { return false }
            if let slot = change.slot { gate?.allowEnd(slot, ofOutput: !change.isClosing) }
            guard isSame else { return true }
            if change.isClosing { held.close(change.index) }
            let word = castor_connection_may_end(change.connection)
            castor_store32(word, 1)
            Futex.wake(word)
            return true
        }
    }

    /// A little after `pass`: acknowledges what the program has not. With the same lock held.
    func makeGood() {
        guard let gate, !due.isEmpty else { return }
        for slot in due where gate.isAcknowledgementDue(slot) { gate.sendAcknowledgement(slot) }
        due.removeAll()
    }
}
