/// The socket between agent and castor: short text messages, one a packet.
///
///     agent → castor   ready | failed TEXT | rejoin TEXT | note TEXT | info TEXT | diverged | deadlock | finished EVENTS BYTES
///     castor → agent   exited CODE | signalled NUMBER | quit
import Glibc

final class Control: @unchecked Sendable {
    let descriptor: Int32
    /// castor is gone: nobody to tell, nobody who will.
    private(set) var isClosed = false

    init(descriptor: Int32) { self.descriptor = descriptor }

    func send(_ message: String) {
        let bytes = Array(message.utf8)
        while Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) < 0, errno == EINTR {}
    }

    /// A waiting message, if any.
    func receive() -> String? {
        if isClosed { return nil }
        var buffer = [UInt8](repeating: 0, count: 256)
        let n = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        if n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) { isClosed = true }
        return n > 0 ? String(decoding: buffer[..<n], as: UTF8.self) : nil
    }
}
