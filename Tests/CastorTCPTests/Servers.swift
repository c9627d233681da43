/// The server as the tests' primary (primary.py, and who keeps its log) and as the replica that goes on with its
/// connections.
import CTSXShim
import Foundation
import Synchronization

@testable import CastorTCP

/// What a standby knows of a connection.
struct KnownConnection {
    var number: Int
    var tcp: castor_tcp
    var consumed: UInt64 = 0, produced: UInt64 = 0
}

/// Runs primary.py behind a gate, and is its log: what is older than `lag` is known, and acknowledged.
final class PrimaryServer: @unchecked Sendable {
    private let process = Process()
    private let output = Pipe(), input = Pipe()
    private let gate: EgressGate
    /// Milliseconds.
    private let lag: Double
    private let isDead = Atomic(false)
    private var known: [Int: KnownConnection] = [:]
    private var slots: [Int: EgressGate.Slot] = [:]
    private let log = DispatchSemaphore(value: 0)

    init(_ machine: Machine, gate: EgressGate, lag: Double) throws {
        (self.gate, self.lag) = (gate, lag)
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/primary.py"
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            "ip", "netns", "exec", machine.namespace, "python3", script, Machines.shared, "7000",
            lag > 0 ? "1000" : "0",
        ]
        (process.standardInput, process.standardOutput) = (input, output)
        try process.run()
        guard read(24)?.count == 24 else { throw Failure("primary.py does not start") }
        Thread { [self] in
            follow()
            log.signal()
        }.start()
    }

    deinit { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }

    /// In the middle of what it does; returns what the standby knows then.
    func die() -> [KnownConnection] {
        // A log that lags has lost its end by now.
        isDead.store(true, ordering: .relaxed)
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        log.wait()
        return known.values.sorted { $0.number < $1.number }
    }

    private func read(_ count: Int) -> Data? { try? output.fileHandleForReading.read(upToCount: count) }

    private struct Record {
        let kind: UInt32, number: Int, consumed: UInt64, produced: UInt64
        let tcp: castor_tcp?
        let time = milliseconds()
    }

    private func next() -> Record? {
        guard let head = whole(24) else { return nil }
        let kind = head.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
        var tcp: castor_tcp?
        if kind == 1 {
            guard let body = whole(64) else { return nil }
            tcp = body.withUnsafeBytes { $0.loadUnaligned(as: castor_tcp.self) }
        }
        return head.withUnsafeBytes {
            Record(
                kind: kind, number: Int($0.loadUnaligned(fromByteOffset: 4, as: UInt32.self)),
                consumed: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self),
                produced: $0.loadUnaligned(fromByteOffset: 16, as: UInt64.self), tcp: tcp)
        }
    }

    private func whole(_ count: Int) -> Data? {
        var data = Data()
        while data.count < count {
            guard let more = read(count - data.count), !more.isEmpty else { return nil }
            data += more
        }
        return data
    }

    private func follow() {
        // Of bulk transfers only: requests wait for it.
        var late: ArraySlice<Record> = []
        let descriptor = output.fileHandleForReading.fileDescriptor
        while true {
            while let first = late.first, first.time + lag <= milliseconds(), !isDead.load(ordering: .relaxed) {
                take(late.removeFirst())
            }
            if !late.isEmpty, !isReadable(descriptor, milliseconds: 5) { continue }
            guard let record = next() else { return }
            if record.kind == 3, lag > 0 {
                late.append(record)
            } else {
                take(record)
                if record.kind < 3 { try? input.fileHandleForWriting.write(contentsOf: [1]) }
            }
        }
    }

    private func take(_ record: Record) {
        if let tcp = record.tcp {
            known[record.number] = KnownConnection(number: record.number, tcp: tcp)
            slots[record.number] = gate.add(tcp)
        }
        (known[record.number]!.consumed, known[record.number]!.produced) = (record.consumed, record.produced)
        guard let slot = slots[record.number] else { return }
        if gate.acknowledge(slot, upTo: known[record.number]!.tcp.received.moved(by: record.consumed)) {
            gate.sendAcknowledgement(slot)
        }
    }
}

/// Takes over: probes, rebuilds, goes on.
final class ReplicaServer: @unchecked Sendable {
    private let machine: Machine
    private let gate: EgressGate
    private let lock = NSLock()
    private var failures: [String] = []
    /// Milliseconds.
    private(set) var probing = 0.0, rebuilding = 0.0
    private(set) var answered = 0
    /// Whose client had acknowledged more than was known to be produced.
    private(set) var ahead = 0
    /// More than the largest send buffer.
    private static let retained: UInt64 = 8 << 20

    init(_ machine: Machine) throws {
        self.machine = machine
        gate = try machine.gate()
        gate.blockEnds(true)
    }

    /// As many sockets as the program would have.
    func placeholders(_ count: Int) throws -> [Int32] {
        try machine.within {
            (0..<count).map { _ in
                let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
                var one: Int32 = 1
                setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, 4)
                return descriptor
            }
        }
    }

    func takeOver(_ known: [KnownConnection], _ sockets: [Int32]) throws {
        try machine.take(Machines.shared)
        try machine.within { [self] in
            let start = milliseconds()
            let answers = try Probe.run(
                known.map { ($0.tcp, $0.consumed, $0.produced, min($0.produced, ReplicaServer.retained)) },
                milliseconds: 1000)
            probing = milliseconds() - start
            answered = answers.count { $0 != nil }
            var again: [UInt64] = []
            for (index, one) in known.enumerated() {
                let answer = answers[index]
                if let answer, answer.acknowledged.isAfter(one.tcp.sent.moved(by: one.produced)) { ahead += 1 }
                again.append(
                    try Rebuild.run(
                        socket: sockets[index], one.tcp, consumed: one.consumed, produced: one.produced,
                        retained: min(one.produced, 65536),
                        answer: answer, timestamp: one.tcp.timestamp &+ 60_000))
            }
            for (index, one) in known.enumerated() {
                try Rebuild.release(socket: sockets[index])
                let missing = Pattern(stream: one.number).piece(
                    at: one.produced - again[index], count: Int(min(again[index], 60_000)))
                let sent = try missing.withUnsafeBytes { try Rebuild.resend(socket: sockets[index], bytes: $0) }
                again[index] -= UInt64(sent)
            }
            rebuilding = milliseconds() - start - probing
            gate.blockEnds(false)
            for (index, one) in known.enumerated() {
                let socket = sockets[index]
                let missing = again[index]
                Thread { [self] in
                    do { try serve(one, socket, missing) } catch {
                        lock.withLock {
                            failures.append("replica, connection \(one.number), \(Work(one.number)): \(error)")
                        }
                    }
                    close(socket)
                }.start()
            }
        }
    }

    var problems: [String] { lock.withLock { failures } }

    // MARK: - One connection

    private func serve(_ known: KnownConnection, _ socket: Int32, _ missing: UInt64) throws {
        let pattern = Pattern(stream: known.number)
        var consumed = known.consumed
        var sent = known.produced - missing
        func send(to end: UInt64) throws {
            while sent < end {
                let count = writeBytes(socket, pattern.piece(at: sent, count: Int(min(end - sent, 16384))))
                guard count > 0 else { throw Failure("sending byte \(sent): \(String(cString: strerror(errno)))") }
                sent += UInt64(count)
            }
        }
        /// Bytes that were read; 0 at the end.
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        func receive(flags: Int32 = 0) throws -> Int {
            let count = recv(socket, &buffer, buffer.count, flags)
            guard count >= 0 else {
                if errno == EAGAIN { return -1 }
                throw Failure("receiving byte \(consumed): \(String(cString: strerror(errno)))")
            }
            if Work(known.number) != .download {
                guard buffer.withUnsafeBytes({ pattern.matches(.init(rebasing: $0[..<count]), at: consumed - 4) })
                else {
                    throw Failure("other bytes from \(consumed - 4) on")
                }
            }
            consumed += UInt64(count)
            return count
        }
        try send(to: known.produced)
        switch Work(known.number) {
        case .upload:
            while try receive() > 0 {}
            withUnsafeBytes(of: consumed - 4) { _ = writeBytes(socket, Array($0)) }
        case .download:
            while try receive(flags: Int32(MSG_DONTWAIT)) < 0 { try send(to: sent + 16384) }
        case .requests, .idle:
            while try receive() > 0 { try send(to: 200 * ((consumed - 4) / 100)) }
        }
    }
}
