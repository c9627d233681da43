/// A socket's room for what it sends, made larger for a while: what is given to it next must fit at once.
import Glibc

struct SendBuffer {
    private let socket: Int32
    private let old: Int32
    private let locks: Int32
    // asm-generic/socket.h
    private static let force: Int32 = 32  // SO_SNDBUFFORCE
    private static let lock: Int32 = 72  // SO_BUF_LOCK: bit 0: the size was chosen by the program

    /// With room for `count` bytes more. The kernel counts its own overhead.
    init(_ socket: Int32, adding count: Int) {
        self.socket = socket
        old = SendBuffer.get(socket, SO_SNDBUF)
        locks = SendBuffer.get(socket, SendBuffer.lock)
        SendBuffer.set(socket, SendBuffer.force, Int32(clamping: Int(old) + 2 * count + 65536))
    }

    func restore() {
        if locks & 1 != 0 { SendBuffer.set(socket, SendBuffer.force, old / 2) }
        SendBuffer.set(socket, SendBuffer.lock, locks)
    }

    private static func get(_ socket: Int32, _ name: Int32) -> Int32 {
        var value: Int32 = 0
        var size: socklen_t = 4
        getsockopt(socket, SOL_SOCKET, name, &value, &size)
        return value
    }
    private static func set(_ socket: Int32, _ name: Int32, _ value: Int32) {
        var value = value
        setsockopt(socket, SOL_SOCKET, name, &value, 4)
    }
}
