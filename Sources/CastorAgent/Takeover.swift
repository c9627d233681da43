/// Takes over the clients of a primary that is gone: its address, and its TCP connections, each in the socket that has its place in
/// the program since the program accepted it. The program stands still meanwhile.
import CTSXShim
import CastorTCP
import Glibc

struct Takeover: @unchecked Sendable {
    /// A connection as it was when the primary was gone: its place may get another once the program goes on.
    private struct Item: @unchecked Sendable {
        let index: UInt32
        let connection: UnsafeMutablePointer<castor_connection>
        let socket: Int32
        let tcp: castor_tcp
        let consumed: UInt64, produced: UInt64
        /// The program sends nothing more.
        let hasEnded: Bool

        init(index: UInt32, connection: UnsafeMutablePointer<castor_connection>, socket: Int32) {
            (self.index, self.connection, self.socket) = (index, connection, socket)
            (tcp, consumed, produced) = (connection.pointee.tcp, connection.pointee.consumed, connection.pointee.produced)
            hasEnded = connection.pointee.state == CASTOR_CONNECTION_CLOSED || connection.pointee.ending == CASTOR_ENDING_OUTPUT
        }
    }

    private let segment: Segment
    private let gate: EgressGate?
    /// Connections that the primary's program had not accepted.
    private let waiting: [castor_tcp]
    private let note: (String) -> Void
    /// So long for clients to answer; those that are still there do within a round trip.
    private static let patience = 100
    /// Of those that were closed, for whom the program does not wait.
    private static let patienceWithClosed = 1000
    /// Milliseconds that a connection's own clock is set ahead when nobody tells how far it was: ahead is harmless.
    static let ahead: UInt32 = 10_000

    init(segment: Segment, gate: EgressGate?, waiting: [castor_tcp], note: @escaping (String) -> Void) {
        self.segment = segment
        self.gate = gate
        self.waiting = waiting
        self.note = note
    }

    /// Makes the open connections work again; the address must be here already. Then those that the program had not accepted yet, and
    /// those that it had closed, whose last bytes may not have arrived: the program need not wait for these.
    func run() {
        ProcessSockets.allowMany()
        rebuild(sockets(), isClosed: false)
        let closed = (0..<CASTOR_CONNECTIONS).compactMap { index -> Item? in
            let connection = castor_connection_at(segment.base, index)
            guard castor_load32(castor_connection_state(connection)) == CASTOR_CONNECTION_CLOSED else { return nil }
            return Item(index: index, connection: connection, socket: socket(Int32(connection.pointee.tcp.family), 1, 0))
        }
        if closed.isEmpty, waiting.isEmpty { return gate?.blockEnds(false) ?? () }
        let backlog = gate.map { Backlog(segment: segment, gate: $0, note: note) }
        // The kernel's answer to what their clients say is a reset as long as they are not there.
        Thread.start {
            backlog?.fill(waiting)
            // The program is not to wait for clients that say nothing any more.
            if let backlog { Thread.start { backlog.serve() } }
            rebuild(closed, isClosed: true)
            gate?.blockEnds(false)
            for item in closed { close(item.socket) }
        }
    }

    // MARK: - Sockets

    /// The open connections' sockets, out of the program's processes.
    private func sockets() -> [Item] {
        var items: [Item] = []
        var processes: [UInt32: ProcessSockets] = [:]
        for index in 0..<CASTOR_CONNECTIONS {
            let connection = castor_connection_at(segment.base, index)
            guard castor_load32(castor_connection_state(connection)) == CASTOR_CONNECTION_OPEN else { continue }
            let count = items.count
            for pid in Connections.holders(connection) where items.count == count {
                let process = processes[pid] ?? ProcessSockets(pid)
                processes[pid] = process
                guard let socket = process.socket(connection.pointee.cookie, at: connection.pointee.descriptor) else { continue }
                items.append(Item(index: index, connection: connection, socket: socket))
            }
            if items.count == count {
                note("a TCP connection is lost: its socket was not found in process \(connection.pointee.pid)")
            }
        }
        return items
    }

    // MARK: - Connections

    private func rebuild(_ items: [Item], isClosed: Bool) {
        if items.isEmpty { return }
        let asked = items.map { ($0.tcp, $0.consumed, $0.produced, min($0.produced, UInt64(CASTOR_RETAINED))) }
        var answers = [Probe.Answer?](repeating: nil, count: items.count)
        do throws(TCPFailure) {
            answers = try Probe.run(asked, milliseconds: isClosed ? Takeover.patienceWithClosed : Takeover.patience)
        } catch {
            note("clients cannot be asked how far they are: \(error)")
        }
        for (item, answer) in zip(items, answers) where !isClosed || answer.map({ isBehind($0, item) }) ?? false {
            do throws(TCPFailure) {
                let again = try Rebuild.run(
                    socket: item.socket, item.tcp, consumed: item.consumed, produced: item.produced,
                    retained: min(item.produced, UInt64(CASTOR_RETAINED)), answer: answer, timestamp: item.tcp.timestamp &+ Takeover.ahead,
                    skips: !item.hasEnded)
                // A client that has the end answers with one more than was produced.
                if !item.hasEnded, let answer { skip(item, answer) }
                try Rebuild.release(socket: item.socket)
                sendAgain(item, min(again, UInt64(CASTOR_RETAINED)))
            } catch {
                note("a TCP connection is lost: \(error)")
            }
            if item.hasEnded { shutdown(item.socket, Int32(SHUT_WR)) }
        }
        if !isClosed { for item in items { close(item.socket) } }
    }

    /// Whether a client has not got everything, the end included.
    private func isBehind(_ answer: Probe.Answer, _ item: Item) -> Bool {
        let end = item.tcp.sent &+ UInt32(truncatingIfNeeded: item.produced) &+ 1
        return Int32(bitPattern: answer.acknowledged &- end) < 0
    }

    /// The primary died in a call that sent: the client has more than is known here, and what it has the program does not send.
    private func skip(_ item: Item, _ answer: Probe.Answer) {
        let ahead = Int32(bitPattern: answer.acknowledged &- item.tcp.sent &- UInt32(truncatingIfNeeded: item.produced))
        if ahead <= 0 { return }
        castor_store(castor_connection_skip(item.connection), UInt64(ahead))
        _ = castor_fetch_add32(castor_segment_skipping(segment.base), 1)
    }

    /// The last bytes that the program sent, which the client may not have.
    private func sendAgain(_ item: Item, _ count: UInt64) {
        if count == 0 { return }
        let room = SendBuffer(item.socket, adding: Int(count))
        defer { room.restore() }
        let retained = UnsafeRawPointer(segment.base) + Int(segment.base.pointee.retained_offset) + Int(item.index) * Int(CASTOR_RETAINED)
        var position = item.produced - count
        while position < item.produced {
            let offset = position % UInt64(CASTOR_RETAINED)
            let n = Int(min(item.produced - position, UInt64(CASTOR_RETAINED) - offset))
            let bytes = UnsafeRawBufferPointer(start: retained + Int(offset), count: n)
            let sent = (try? Rebuild.resend(socket: item.socket, bytes: bytes)) ?? 0
            if sent < n { return note("a TCP connection is lost: the kernel does not take what is to be sent again") }
            position += UInt64(sent)
        }
    }
}
