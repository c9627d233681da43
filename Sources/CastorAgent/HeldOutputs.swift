/// Sends what the program's threads have sent (HeldOutputs.swift in the runtime), once a standby has what led to it.
///
/// The agent has each connection's socket as well as the program, from soon after `accept` until the program is about to close it: a
/// socket that somebody else has open would stay in the program's epoll sets. One thread at a time drains; release and end of connections
/// are for whoever holds `Outputs`' lock.
import CTSXShim
import CastorLog
import Glibc

final class HeldOutputs: @unchecked Sendable {
    /// A ring's outputs before this one may go.
    struct Allowance {
        var ring: UInt32
        var upTo: UInt64
    }

    private let segment: Segment
    private let sockets = Monitor()
    private var socketOf: [UInt32: Int32] = [:]
    /// For the thread that drains.
    var program = ProgramSockets()
    /// By ring: outputs of which the log has the event.
    private var told: [UInt64]
    /// Rings with outputs that may go and have not gone, and how far they may.
    private var allowed: [UInt32: UInt64] = [:]
    /// By ring: bytes of the first output that have gone.
    private var begun: [UInt32: UInt32] = [:]
    private var isHolding: Bool { segment.base.pointee.held_offset != 0 }

    init(segment: Segment) {
        self.segment = segment
        told = Array(repeating: 0, count: Int(segment.base.pointee.ring_count))
        if isHolding { ProcessSockets.allowMany() }
    }

    // MARK: - For the thread that drains

    /// A connection is new: what it sends may be held from now on. False when its socket cannot be had: its calls wait.
    func open(_ index: UInt32, _ connection: UnsafeMutablePointer<castor_connection>) -> Bool {
        guard isHolding else { return true }
        guard let socket = program.socket(of: connection) else {
            let state = castor_load32(castor_connection_state(connection))
            return state != CASTOR_CONNECTION_OPEN && state != CASTOR_CONNECTION_DATAGRAMS  // closed meanwhile
        }
        close(index)
        sockets.lock()
        socketOf[index] = socket
        sockets.unlock()
        castor_store32(castor_connection_is_held(connection), 1)
        return true
    }

    /// Whether a ring has outputs of which nobody was told.
    func hasNews(_ ring: UInt32) -> Bool {
        isHolding && castor_load(castor_output_queue_added(castor_output_queue_at(segment.base, ring))) != told[Int(ring)]
    }

    /// Those of a ring whose events are before `line`, if some are new.
    func news(_ ring: UInt32, before line: UInt64) -> Allowance? {
        guard hasNews(ring) else { return nil }
        let queue = castor_output_queue_at(segment.base, ring)
        let added = castor_load(castor_output_queue_added(queue))
        let first = told[Int(ring)]
        var upTo = first
        while upTo < added, castor_output_queue_slot(queue, upTo).pointee.line <= line { upTo += 1 }
        told[Int(ring)] = upTo
        return upTo > first ? Allowance(ring: ring, upTo: upTo) : nil
    }

    // MARK: - For whoever releases

    /// Sends what may go. A connection's bytes keep their order when several threads have sent them.
    func release(_ allowances: [Allowance]) {
        for allowance in allowances { allowed[allowance.ring] = max(allowance.upTo, allowed[allowance.ring] ?? 0) }
        var hasMoved = true
        while hasMoved, !allowed.isEmpty {
            hasMoved = false
            for (ring, upTo) in allowed where send(ring, upTo) { hasMoved = true }
        }
    }

    /// Nothing of the connection is held.
    func isReleased(_ connection: UnsafeMutablePointer<castor_connection>) -> Bool {
        castor_load(castor_connection_writes(connection)) == castor_load(castor_connection_writes_done(connection))
    }

    /// The program may close it now.
    func close(_ index: UInt32) {
        sockets.lock()
        let socket = socketOf.removeValue(forKey: index)
        sockets.unlock()
        guard let socket else { return }
        castor_store32(castor_connection_is_held(castor_connection_at(segment.base, index)), 0)
        Glibc.close(socket)
    }

    /// Whether anything has gone.
    private func send(_ ring: UInt32, _ upTo: UInt64) -> Bool {
        let queue = castor_output_queue_at(segment.base, ring)
        let first = queue.pointee.taken
        while queue.pointee.taken < upTo, send(castor_output_queue_slot(queue, queue.pointee.taken).pointee, of: ring) {
            castor_store(castor_output_queue_taken(queue), queue.pointee.taken + 1)
        }
        if queue.pointee.taken == upTo { allowed[ring] = nil }
        return queue.pointee.taken != first
    }

    /// Whether the output is over.
    private func send(_ output: castor_held_output, of ring: UInt32) -> Bool {
        let connection = castor_connection_at(segment.base, output.connection)
        let done = begun[ring] ?? 0
        // A stream's bytes keep their order; datagrams have none.
        guard output.name > 0 || castor_load(castor_connection_released(connection)) == output.position + UInt64(done) else { return false }
        sockets.lock()
        let socket = socketOf[output.connection]
        sockets.unlock()
        let start = Int(segment.base.pointee.held_bytes_offset) + Int(ring) * Int(CASTOR_HELD_BYTES) + Int(output.at)
        let bytes = UnsafeRawBufferPointer(
            start: UnsafeRawPointer(segment.base) + start + Int(done), count: Int(output.length - done))
        let sent: Int?
        if output.name > 0 {
            let name = UnsafeRawBufferPointer(start: bytes.baseAddress! + bytes.count, count: Int(output.name))
            if let socket { send(bytes, to: name, over: socket) }
            sent = bytes.count
        } else {
            sent = socket.map { send(bytes, over: $0) } ?? nil
            if sent == nil { castor_store32(castor_connection_is_broken(connection), 1) }
        }
        let moved = sent ?? bytes.count  // what a broken connection does not take is lost, as it would be in the kernel
        _ = castor_fetch_add(castor_connection_released(connection), UInt64(moved))
        let isOver = moved == bytes.count
        begun[ring] = isOver ? nil : done + UInt32(moved)
        if isOver { _ = castor_fetch_add(castor_connection_writes_done(connection), 1) }
        castor_fence()
        if castor_load32(castor_connection_released_waiting(connection)) != 0 { Futex.wake(castor_connection_released(connection)) }
        return isOver
    }

    /// A datagram. Nobody is told when it is lost.
    private func send(_ bytes: UnsafeRawBufferPointer, to name: UnsafeRawBufferPointer, over socket: Int32) {
        let address = name.assumingMemoryBound(to: sockaddr.self).baseAddress
        _ = sendto(socket, bytes.baseAddress, bytes.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL), address, socklen_t(name.count))
    }

    /// How many bytes the kernel has taken; nil when it takes none any more. It had room for them when the program sent them; if it
    /// has less now, it is given more, for the program believes that they are gone.
    private func send(_ bytes: UnsafeRawBufferPointer, over socket: Int32) -> Int? {
        let flags = Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)
        var sent = Glibc.send(socket, bytes.baseAddress, bytes.count, flags)
        if sent == bytes.count { return sent }
        guard sent >= 0 || errno == EAGAIN || errno == ENOBUFS || errno == EINTR else { return nil }
        sent = max(sent, 0)
        let room = SendBuffer(socket, adding: bytes.count - sent)
        defer { room.restore() }
        let rest = Glibc.send(socket, bytes.baseAddress! + sent, bytes.count - sent, flags)
        return sent + max(rest, 0)
    }
}
