/// Connections that the last machine's kernel had accepted and its program had not. None of their bytes is lost, for the gate held back
/// every acknowledgement, and the clients still send. But nobody can put a connection into a listener's queue. So castor connects to the
/// listener itself, once for each, and when the program accepts such a connection (Backlog.swift in the runtime), the client's takes
/// its place.
import CTSXShim
import CastorTCP
import Glibc

final class Backlog: @unchecked Sendable {
    private struct Place {
        var tcp: castor_tcp
        var answer: Probe.Answer
        /// Our end.
        var socket: Int32
    }

    private let segment: Segment
    private let gate: EgressGate
    private let note: (String) -> Void
    /// What clients have sent meanwhile.
    private let arrivals: [TCPEnds: Arrival]
    /// By the port of our end, in network byte order.
    private var places: [UInt16: Place] = [:]
    /// Milliseconds for clients to answer, and for a listener.
    private static let patience = 100
    private static let second = 1000

    init(segment: Segment, gate: EgressGate, arrivals: [TCPEnds: Arrival], note: @escaping (String) -> Void) {
        self.segment = segment
        self.gate = gate
        self.arrivals = arrivals
        self.note = note
    }

    /// Lets the program accept those of these connections whose clients are still there. The address must be here already, and the gate
    /// hold back all ends.
    func fill(_ waiting: [castor_tcp]) {
        if waiting.isEmpty { return }
        do throws(TCPFailure) {
            let answers = try Probe.run(waiting.map { ($0, 0, 0, 0) }, milliseconds: Backlog.patience)
            for (tcp, answer) in zip(waiting, answers) {
                // Who has not got the kernel's answer to the SYN sends that again, and connects anew.
                guard let answer, answer.acknowledged == tcp.sent else { continue }
                // This kernel does not know the connection, and would say so as soon as ends are let through.
                gate.hold(tcp)
                connect(tcp, answer)
            }
        } catch {
            note("connections that the program had not accepted are lost: \(error)")
        }
        for (port, place) in places where !greets(place) { drop(port) }
    }

    /// Answers the program until it has accepted all.
    func serve() {
        let calls = castor_segment_backlog_calls(segment.base)
        while !places.isEmpty {
            let seen = castor_load32(calls)
            for index in 0..<CASTOR_CONNECTIONS {
                let connection = castor_connection_at(segment.base, index)
                if castor_load32(castor_connection_state(connection)) == CASTOR_CONNECTION_AWAITED { answer(connection) }
            }
            castor_store32(castor_segment_backlog(segment.base), UInt32(places.count))
            if places.isEmpty { return }
            Futex.wait(calls, seen, milliseconds: Backlog.second)
            // The program does not listen any more.
            for (port, place) in places where hasEnded(place) { drop(port) }
        }
    }

    // MARK: - Our ends

    private func connect(_ tcp: castor_tcp, _ answer: Probe.Answer) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var own = tcp
        own.local_port = 0
        guard descriptor >= 0, own.withLocal({ bind(descriptor, $0, $1) }) == 0,
            let port = castor_tcp.port({ getsockname(descriptor, $0, &$1) })
        else {
            if descriptor >= 0 { close(descriptor) }
            gate.forget(tcp)
            return note("a connection that the program had not accepted is lost: \(String(cString: strerror(errno)))")
        }
        places[port] = Place(tcp: tcp, answer: answer, socket: descriptor)
        // Before the program can accept it.
        castor_store32(castor_segment_backlog(segment.base), UInt32(places.count))
        _ = tcp.withLocal { Glibc.connect(descriptor, $0, $1) }
    }

    /// Whether a listener has it, or will. A byte, for there are listeners that wait for one (TCP_DEFER_ACCEPT); it goes with the
    /// connection.
    private func greets(_ place: Place) -> Bool {
        var one = pollfd(fd: place.socket, events: Int16(POLLOUT), revents: 0)
        // The queue may be full: the kernel tries again.
        if poll(&one, 1, Int32(Backlog.patience)) == 0 { return true }
        var byte: UInt8 = 0
        return send(place.socket, &byte, 1, Int32(MSG_NOSIGNAL)) == 1
    }

    private func hasEnded(_ place: Place) -> Bool {
        var one = pollfd(fd: place.socket, events: 0, revents: 0)
        return poll(&one, 1, 0) == 1
    }

    private func drop(_ port: UInt16) {
        guard let place = places.removeValue(forKey: port) else { return }
        close(place.socket)
        gate.forget(place.tcp)
        castor_store32(castor_segment_backlog(segment.base), UInt32(places.count))
    }

    // MARK: - The program's ends

    /// The program has accepted something.
    private func answer(_ connection: UnsafeMutablePointer<castor_connection>) {
        let answer = castor_connection_may_end(connection)
        guard castor_load32(answer) < CASTOR_READ_OUT else { return }
        let process = ProcessSockets(connection.pointee.pid)
        var isReplaced = false
        if let socket = process.socket(connection.pointee.cookie, at: connection.pointee.descriptor) {
            isReplaced = replace(socket)
            close(socket)
        }
        castor_store32(answer, isReplaced ? CASTOR_READ_OUT : CASTOR_NOT_READ_OUT)
        Futex.wake(answer)
    }

    /// Gives a socket that is connected with one of ours its client's connection.
    private func replace(_ socket: Int32) -> Bool {
        guard let port = castor_tcp.port({ getpeername(socket, $0, &$1) }), let place = places.removeValue(forKey: port) else { return false }
        defer { close(place.socket) }
        var domain: Int32 = 0
        var size: socklen_t = 4
        getsockopt(socket, SOL_SOCKET, 39, &domain, &size)  // SO_DOMAIN
        let tcp = domain == AF_INET6 ? place.tcp.mapped : place.tcp
        do throws(TCPFailure) {
            try Rebuild.disconnect(socket: socket)
            _ = try Rebuild.run(
                socket: socket, tcp, consumed: 0, produced: 0, answer: place.answer, timestamp: tcp.timestamp &+ Takeover.ahead)
            try Rebuild.release(socket: socket)
        } catch {
            gate.forget(tcp)
            note("a connection that the program had not accepted is lost: \(error)")
            return false
        }
        guard let arrival = TCPEnds(tcp).flatMap({ arrivals[$0] }), arrival.isMissing(tcp) else { return true }
        do throws(TCPFailure) { try gate.letIn([arrival]) } catch { note("what a client has sent has to be sent again: \(error)") }
        return true
    }
}
