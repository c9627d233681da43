/// A connection between primary and replica that carries frames, by TLS or plainly. One thread receives; any may send, and nobody who
/// sends waits for the other side: what the socket does not take at once a thread of the connection's own writes. Credit bounds that.
import CastorLog
import CastorStandby
import Glibc

final class Connection: @unchecked Sendable {
    private let descriptor: Int32
    private var reader = FrameReader()
    private var buffer = [UInt8](repeating: 0, count: 256 << 10)
    private let sending = Monitor()
    private var writer = FrameWriter()
    private var isBroken = false
    /// In order, what the socket did not take yet; while there is any, a thread writes it.
    private var queue: [ArraySlice<UInt8>] = []
    private let patience: Milliseconds
    /// A frame has come.
    private var hasHeard = false
    /// nil: plain text. Set before any other thread has the connection.
    private var tls: TLSSession?
    /// So long may the other side take to agree upon keys.
    private static let handshakeLimit: Milliseconds = 3000
    /// Sealed at a time: whoever receives waits no longer for the lock than this takes.
    private static let sealed = 64 << 10

    /// Takes the socket over. A send that makes no progress for `patience` milliseconds breaks the link.
    init(descriptor: Int32, patience: Milliseconds) {
        self.descriptor = descriptor
        self.patience = patience
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
    }

    deinit { Glibc.close(descriptor) }

    /// Agrees upon keys with the other side and finds out whether it is the right one. Before any frame.
    func secure(_ context: TLSContext, _ side: TLSSession.Side) throws(End) {
        do throws(TLSFailure) {
            let session = try TLSSession(context, side)
            let deadline = now() + Connection.handshakeLimit
            var count = 0
            while try !shake(session, count) { count = try nextBytes(before: deadline) }
            // Frames may have come with the last of it.
            try session.open([]) { reader.append($0) }
            tls = session
        } catch { throw .tls(error) }
    }

    /// One step of the handshake, with so many bytes that have come. Whether it was the last one.
    private func shake(_ session: TLSSession, _ count: Int) throws(TLSFailure) -> Bool {
        var reply: [UInt8] = []
        defer { put(reply[...]) }
        return try session.handshake(buffer[..<count], reply: &reply)
    }

    private func nextBytes(before deadline: Milliseconds) throws(TLSFailure) -> Int {
        while true {
            var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let left = deadline - now()
            guard left > 0 else {
                throw TLSFailure("the other side has said nothing for \(Connection.handshakeLimit / 1000) s; perhaps it does not speak TLS")
            }
            guard poll(&wait, 1, Int32(left)) > 0 else { continue }
            let n = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if n > 0 { return n }
            if n < 0, errno == EAGAIN || errno == EINTR { continue }
            throw TLSFailure("the other side closed the connection instead of agreeing upon keys; perhaps it does not speak TLS")
        }
    }

    /// False when the link is broken; the receiver finds out.
    @discardableResult
    func send(_ message: Message, epoch: UInt64) -> Bool {
        sending.lock()
        defer { sending.unlock() }
        if isBroken { return false }
        let bytes = writer.bytes(of: message, epoch: epoch)
        guard let tls else { return put(bytes[...]) }
        var rest = bytes[...]
        while !rest.isEmpty {
            guard let piece = try? tls.seal(rest.prefix(Connection.sealed)) else { return fail() }
            guard put(piece[...]) else { return false }
            rest = rest.dropFirst(Connection.sealed)
        }
        return true
    }

    /// Only for whoever sends.
    @discardableResult
    private func put(_ bytes: ArraySlice<UInt8>) -> Bool {
        guard queue.isEmpty else {
            queue.append(bytes)
            return true
        }
        var rest = bytes
        guard write(&rest) else { return fail() }
        if rest.isEmpty { return true }
        queue.append(rest)
        Thread.start(isUrgent: true) { self.writeQueue() }
        return true
    }

    /// Takes off what the socket takes at once; false when it is broken.
    private func write(_ bytes: inout ArraySlice<UInt8>) -> Bool {
        while !bytes.isEmpty {
            let n = bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress!, $0.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)) }
            if n > 0 {
                bytes = bytes.dropFirst(n)
            } else if n < 0, errno == EAGAIN {
                return true
            } else if n == 0 || errno != EINTR {
                return false
            }
        }
        return true
    }

    private func writeQueue() {
        while true {
            var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            let ready = poll(&wait, 1, Int32(clamping: patience))
            if ready < 0, errno == EINTR { continue }
            sending.lock()
            defer { sending.unlock() }
            guard ready > 0, !isBroken else { return _ = fail() }
            var written = 0
            while written < queue.count {
                guard write(&queue[written]) else { return _ = fail() }
                if !queue[written].isEmpty { break }
                written += 1
            }
            queue.removeFirst(written)
            if queue.isEmpty { return sending.changed() }
        }
    }

    /// Returns when the socket has everything that was sent; false when the link is broken.
    func flush() -> Bool {
        sending.lock()
        defer { sending.unlock() }
        while !queue.isEmpty { sending.wait() }
        return !isBroken
    }

    private func fail() -> Bool {
        isBroken = true
        queue = []
        sending.changed()
        shutdown(descriptor, Int32(SHUT_RDWR))
        return false
    }

    /// Why nothing more comes.
    enum End: Error {
        case closed
        /// Closed before any frame came.
        case silent
        case failed(errno: Int32)
        case frame(FrameError)
        case tls(TLSFailure)
    }

    /// The next frame; nil when none came within `milliseconds`.
    func receive(milliseconds: Int32) throws(End) -> Frame? {
        while true {
            do throws(FrameError) {
                if let frame = try reader.next() {
                    hasHeard = true
                    return frame
                }
            } catch { throw .frame(error) }
            var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let ready = poll(&wait, 1, milliseconds)
            if ready == 0 || (ready < 0 && errno == EINTR) { return nil }
            let n = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if n == 0 { throw hasHeard || tls != nil ? .closed : .silent }
            if n < 0 {
                if errno == EAGAIN || errno == EINTR { continue }
                throw .failed(errno: errno)
            }
            try take(n)
        }
    }

    /// The first bytes of the buffer have come.
    private func take(_ count: Int) throws(End) {
        guard let tls else { return reader.append(buffer[..<count]) }
        do throws(TLSFailure) {
            try tls.open(buffer[..<count]) { reader.append($0) }
        } catch { throw .tls(error) }
    }

    /// Ends it for both sides; whoever receives finds out.
    func close() { shutdown(descriptor, Int32(SHUT_RDWR)) }
}

extension Connection.End: CustomStringConvertible {
    var description: String {
        switch self {
        case .closed: "the other side closed the connection"
        case .silent: "the other side said nothing and closed the connection; perhaps it has no use for another, or speaks TLS"
        case .failed(let code): String(cString: strerror(code))
        // A handshake of TLS: a record of type 22, version 3.1.
        case .frame(.magic(let found)) where found & 0xffff == 0x0316: "the other side speaks TLS, this one does not"
        case .frame(let error): "\(error)"
        case .tls(let error): "\(error)"
        }
    }
}
