/// A connection between primary and replica that carries frames. One thread receives; any may send.
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

    /// Takes the socket over. A send that makes no progress for `patience` milliseconds breaks the link.
    init(descriptor: Int32, patience: Milliseconds) {
        self.descriptor = descriptor
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
        var limit = timeval(tv_sec: Int(patience / 1000), tv_usec: Int(patience % 1000 * 1000))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { Glibc.close(descriptor) }

    /// False when the link is broken; the receiver finds out.
    @discardableResult
    func send(_ message: Message, epoch: UInt64) -> Bool {
        sending.lock()
        defer { sending.unlock() }
        if isBroken { return false }
        let bytes = writer.bytes(of: message, epoch: epoch)
        var sent = 0
        while sent < bytes.count {
            let n = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            if n < 0, errno == EINTR { continue }
            if n <= 0 {
                isBroken = true
                shutdown(descriptor, Int32(SHUT_RDWR))
                return false
            }
            sent += n
        }
        return true
    }

    /// Why nothing more comes.
    enum End: Error {
        case closed
        case failed(errno: Int32)
        case frame(FrameError)
    }

    /// The next frame; nil when none came within `milliseconds`.
    func receive(milliseconds: Int32) throws(End) -> Frame? {
        while true {
            do throws(FrameError) {
                if let frame = try reader.next() { return frame }
            } catch { throw .frame(error) }
            var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let ready = poll(&wait, 1, milliseconds)
            if ready == 0 || (ready < 0 && errno == EINTR) { return nil }
            let n = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if n == 0 { throw .closed }
            if n < 0 {
                if errno == EAGAIN || errno == EINTR { continue }
                throw .failed(errno: errno)
            }
            reader.append(buffer[..<n])
        }
    }

    /// Ends it for both sides; whoever receives finds out.
    func close() { shutdown(descriptor, Int32(SHUT_RDWR)) }
}

extension Connection.End: CustomStringConvertible {
    var description: String {
        switch self {
        case .closed: "the other side closed the connection"
        case .failed(let code): String(cString: strerror(code))
        case .frame(let error): "\(error)"
        }
    }
}
