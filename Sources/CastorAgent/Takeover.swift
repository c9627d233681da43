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
        /// Its place in the program; nil when the program has closed it.
        let socket: Int32?
        let tcp: castor_tcp
        /// In its process, in the order in which they were opened.
        let number: UInt32
        let consumed: UInt64, produced: UInt64
        /// The program sends nothing more.
        let hasEnded: Bool

        init(index: UInt32, connection: UnsafeMutablePointer<castor_connection>, socket: Int32? = nil) {
            (self.index, self.connection, self.socket) = (index, connection, socket)
            (tcp, number) = (connection.pointee.tcp, connection.pointee.object)
            (consumed, produced) = (connection.pointee.consumed, connection.pointee.produced)
            hasEnded = connection.pointee.state == CASTOR_CONNECTION_CLOSED || connection.pointee.ending == CASTOR_ENDING_OUTPUT
        }

        func isYounger(than other: Item) -> Bool {
            let clocks = tcp.hasTimestamps ? tcp.timestamp &- other.tcp.timestamp : 0
            return Int32(bitPattern: clocks == 0 ? number &- other.number : clocks) > 0
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
        let begun = Set(waiting.compactMap(TCPEnds.init))
        let all = sockets()
        let open = last(of: all, unlessBegun: begun)
        rebuild(open)
        for item in all { close(item.socket!) }
        let ended = closed()
        let arrivals = letIn(for: open, after: waiting.map { ($0, 0) } + last(of: ended, unlessBegun: []).map { ($0.tcp, $0.consumed) })
        let reopened = Set(arrivals.values.filter(\.isOpening).map(\.ends))
        let closed = last(of: ended, unlessBegun: begun.union(open.compactMap { TCPEnds($0.tcp) }).union(reopened))
        if closed.isEmpty, waiting.isEmpty { return gate?.blockEnds(false) ?? () }
        let backlog = gate.map { Backlog(segment: segment, gate: $0, arrivals: arrivals, note: note) }
        // The kernel's answer to what their clients say is a reset as long as they are not there.
        Thread.start {
            backlog?.fill(waiting)
            // The program is not to wait for clients that say nothing any more.
            if let backlog { Thread.start { backlog.serve() } }
            let finished = finish(closed)
            gate?.blockEnds(false)
            for socket in finished { close(socket) }
        }
    }

    // MARK: - Sockets

    /// The open connections' sockets, out of the program's processes.
    private func sockets() -> [Item] {
        var items: [Item] = []
        var program = ProgramSockets()
        for index in 0..<CASTOR_CONNECTIONS {
            let connection = castor_connection_at(segment.base, index)
            guard castor_load32(castor_connection_state(connection)) == CASTOR_CONNECTION_OPEN else { continue }
            if let socket = program.socket(of: connection) {
                items.append(Item(index: index, connection: connection, socket: socket))
            } else {
                note("a TCP connection is lost: its socket was not found in process \(connection.pointee.pid)")
            }
        }
        return items
    }

    // MARK: - Connections

    /// Those that the program has closed of late.
    private func closed() -> [Item] {
        (0..<CASTOR_CONNECTIONS).compactMap { index in
            let connection = castor_connection_at(segment.base, index)
            let isClosed = castor_load32(castor_connection_state(connection)) == CASTOR_CONNECTION_CLOSED
            return isClosed ? Item(index: index, connection: connection) : nil
        }
    }

    /// Without those after which the client has begun another between the same ends: it has done with them.
    private func last(of items: [Item], unlessBegun begun: Set<TCPEnds>) -> [Item] {
        var last: [TCPEnds: Item] = [:]
        for item in items {
            guard let ends = TCPEnds(item.tcp), last[ends].map(item.isYounger) ?? true else { continue }
            last[ends] = item
        }
        return items.filter { item in
            TCPEnds(item.tcp).map { !begun.contains($0) && last[$0]!.index == item.index } ?? true
        }
    }

    /// The program's connections go on, in their sockets.
    private func rebuild(_ items: [Item]) {
        for (item, answer) in zip(items, ask(items, milliseconds: Takeover.patience)) { rebuild(item, item.socket!, answer) }
    }

    /// Clients get the last bytes of connections that the program had closed. The sockets of those that had not got them.
    private func finish(_ items: [Item]) -> [Int32] {
        zip(items, ask(items, milliseconds: Takeover.patienceWithClosed)).compactMap { item, answer in
            guard let answer, isBehind(answer, item) else { return nil }
            let socket = Glibc.socket(Int32(item.tcp.family), Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            rebuild(item, socket, answer)
            return socket
        }
    }

    /// What clients have sent meanwhile comes in if it is for these connections, or begins others, and is not what these or some `others`
    /// have read, of which the first between the same ends counts. What is not read is returned.
    private func letIn(for items: [Item], after others: [(castor_tcp, UInt64)]) -> [TCPEnds: Arrival] {
        guard let gate else { return [:] }
        gate.collect(seconds: 0)
        var arrivals = gate.collected()
        var seen: Set<TCPEnds> = []
        for (tcp, consumed) in items.map({ ($0.tcp, $0.consumed) }) + others {
            guard let ends = TCPEnds(tcp), seen.insert(ends).inserted, let arrival = arrivals[ends] else { continue }
            if !arrival.isMissing(tcp, consumed: consumed) { arrivals[ends] = nil }
        }
        let coming = items.compactMap { TCPEnds($0.tcp).flatMap { arrivals[$0] } } + arrivals.values.filter(\.isOpening)
        do throws(TCPFailure) { try gate.letIn(coming) } catch { note("what clients have sent has to be sent again: \(error)") }
        return arrivals
    }

    private func ask(_ items: [Item], milliseconds: Int) -> [Probe.Answer?] {
        do throws(TCPFailure) {
            return try Probe.run(
                items.map { ($0.tcp, $0.consumed, $0.produced, min($0.produced, UInt64(CASTOR_RETAINED))) }, milliseconds: milliseconds)
        } catch {
            note("clients cannot be asked how far they are: \(error)")
            return Array(repeating: nil, count: items.count)
        }
    }

    private func rebuild(_ item: Item, _ socket: Int32, _ answer: Probe.Answer?) {
        do throws(TCPFailure) {
            let again = try Rebuild.run(
                socket: socket, item.tcp, consumed: item.consumed, produced: item.produced,
                retained: min(item.produced, UInt64(CASTOR_RETAINED)), answer: answer, timestamp: item.tcp.timestamp &+ Takeover.ahead,
                skips: !item.hasEnded)
            // A client that has the end answers with one more than was produced.
            if !item.hasEnded, let answer { skip(item, answer) }
            try Rebuild.release(socket: socket)
            sendAgain(item, socket, min(again, UInt64(CASTOR_RETAINED)))
        } catch {
            note("a TCP connection is lost: \(error)")
        }
        if item.hasEnded { shutdown(socket, Int32(SHUT_WR)) }
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
    private func sendAgain(_ item: Item, _ socket: Int32, _ count: UInt64) {
        if count == 0 { return }
        let room = SendBuffer(socket, adding: Int(count))
        defer { room.restore() }
        let retained = UnsafeRawPointer(segment.base) + Int(segment.base.pointee.retained_offset) + Int(item.index) * Int(CASTOR_RETAINED)
        var position = item.produced - count
        while position < item.produced {
            let offset = position % UInt64(CASTOR_RETAINED)
            let n = Int(min(item.produced - position, UInt64(CASTOR_RETAINED) - offset))
            let bytes = UnsafeRawBufferPointer(start: retained + Int(offset), count: n)
            let sent = (try? Rebuild.resend(socket: socket, bytes: bytes)) ?? 0
            if sent < n { return note("a TCP connection is lost: the kernel does not take what is to be sent again") }
            position += UInt64(sent)
        }
    }
}
