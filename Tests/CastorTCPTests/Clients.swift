/// Clients of primary.py and of its replica, each with a thread of its own, which verify every byte.
import Foundation

@testable import CastorTCP

/// What a connection does: its number modulo 4.
enum Work: Int {
    case upload, download, requests, idle

    init(_ number: Int) { self = Work(rawValue: number % 4)! }
}

/// Shared by threads.
final class Clients: @unchecked Sendable {
    private let lock = NSLock()
    private var failures: [String] = []
    private var bytes: [UInt64]
    private var isEnding = false
    private let threads = DispatchGroup()

    init(_ count: Int) { bytes = .init(repeating: 0, count: count) }

    /// The connection is open, and the server has been told its number.
    func start(_ number: Int, _ descriptor: Int32) {
        var time = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        withUnsafeBytes(of: UInt32(number)) { _ = writeBytes(descriptor, Array($0)) }
        threads.enter()
        let thread = Thread { [self] in
            do { try work(number, descriptor) } catch {
                lock.withLock { failures.append("connection \(number), \(Work(number)): \(error)") }
            }
            close(descriptor)
            threads.leave()
        }
        thread.start()
    }

    /// Bytes that the connections have carried so far, each.
    var progress: [UInt64] { lock.withLock { bytes } }

    /// All end in good order; returns what went wrong.
    func end() -> [String] {
        lock.withLock { isEnding = true }
        guard threads.wait(timeout: .now() + 40) == .success else {
            return lock.withLock { failures } + ["a client hangs"]
        }
        return lock.withLock { failures }
    }

    private var mustEnd: Bool { lock.withLock { isEnding } }
    private func note(_ number: Int, _ count: UInt64) { lock.withLock { bytes[number] = count } }

    private func work(_ number: Int, _ descriptor: Int32) throws {
        switch Work(number) {
        case .upload: try upload(number, descriptor)
        case .download: try download(number, descriptor)
        case .requests: try requests(number, descriptor, pause: 0)
        case .idle: try requests(number, descriptor, pause: 20)
        }
    }

    private func upload(_ number: Int, _ descriptor: Int32) throws {
        var sent: UInt64 = 0
        while !mustEnd {
            let count = writeBytes(descriptor, Pattern(stream: number).piece(at: sent, count: 16384))
            guard count > 0 else { throw error("sending byte \(sent)") }
            sent += UInt64(count)
            note(number, sent)
        }
        shutdown(descriptor, Int32(SHUT_WR))
        // The server says how many it got.
        let answer = readBytes(descriptor, 8)
        guard answer.count == 8 else { throw error("the answer to \(sent) bytes") }
        let received = answer.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
        guard received == sent else { throw Failure("\(received) of \(sent) bytes arrived") }
        try expectEnd(descriptor)
    }

    private func download(_ number: Int, _ descriptor: Int32) throws {
        var received: UInt64 = 0
        var isStopping = false
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            if mustEnd, !isStopping {
                isStopping = true
                writeBytes(descriptor, [0])
            }
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count >= 0 else { throw error("receiving byte \(received)") }
            if count == 0 { break }
            guard
                buffer.withUnsafeBytes({ Pattern(stream: number).matches(.init(rebasing: $0[..<count]), at: received) })
            else {
                throw Failure("other bytes from \(received) on")
            }
            received += UInt64(count)
            note(number, received)
        }
        if !isStopping { throw Failure("it ended at \(received)") }
    }

    private func requests(_ number: Int, _ descriptor: Int32, pause: Int) throws {
        var done: UInt64 = 0
        repeat {
            writeBytes(descriptor, Pattern(stream: number).piece(at: done * 100, count: 100))
            let answer = readBytes(descriptor, 200)
            guard answer.count == 200, answer.withUnsafeBytes({ Pattern(stream: number).matches($0, at: done * 200) })
            else {
                throw error("answer \(done), of \(answer.count) bytes")
            }
            done += 1
            note(number, done)
            for _ in 0..<pause * 100 where !mustEnd { usleep(10_000) }
        } while !mustEnd
        if pause > 0 {
            writeBytes(descriptor, Pattern(stream: number).piece(at: done * 100, count: 100))
            guard readBytes(descriptor, 200).count == 200 else { throw error("the last answer") }
        }
        shutdown(descriptor, Int32(SHUT_WR))
        try expectEnd(descriptor)
    }

    private func expectEnd(_ descriptor: Int32) throws {
        var byte: UInt8 = 0
        guard recv(descriptor, &byte, 1, 0) == 0 else { throw error("the end") }
    }

    private func error(_ what: String) -> Failure { Failure("\(what): \(String(cString: strerror(errno)))") }
}
