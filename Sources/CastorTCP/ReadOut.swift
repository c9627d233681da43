/// Reads out of the kernel what a connection is rebuilt from, while nobody else uses the socket: threads that do would
/// see errors.
import CTSXShim
import Glibc

public enum ReadOut {
    /// The connection of a connected socket; sends nothing. `received` is the first byte that has not been read.
    /// TCPFailure: not a TCP connection, no privilege.
    public static func run(socket descriptor: Int32) throws(TCPFailure) -> castor_tcp {
        let socket = KernelSocket(descriptor)
        try socket.setRepair(.on)
        do throws(TCPFailure) {
            let tcp = try read(socket)
            try socket.select(.none)
            try restore(socket)
            return tcp
        } catch {
            try? restore(socket)
            throw error
        }
    }

    private static func restore(_ socket: KernelSocket) throws(TCPFailure) { try socket.setRepair(.offSilently) }

    private static func read(_ socket: KernelSocket) throws(TCPFailure) -> castor_tcp {
        var tcp = castor_tcp()
        var state = ConnectionState()
        try socket.select(.receive)
        // Segments go on to arrive: once more until none came in between.
        var end: UInt32 = 0
        repeat {
            end = try sequence(socket)
            var waiting: Int32 = 0
            guard ioctl(socket.descriptor, UInt(FIONREAD), &waiting) == 0 else {
                throw TCPFailure("what a socket has received")
            }
            state = try socket.get(KernelSocket.Option.info, state, "TCP_INFO")
            // A FIN takes one number, and is not counted as waiting.
            tcp.received = end &- UInt32(waiting) &- (state.state == ConnectionState.closeWait ? 1 : 0)
        } while try sequence(socket) != end
        try socket.select(.send)
        tcp.sent = try sequence(socket)
        tcp.mss = try socket.get(KernelSocket.Option.maximumSegment, UInt32(0), "TCP_MAXSEG")
        tcp.timestamp = try socket.get(KernelSocket.Option.timestamp, UInt32(0), "TCP_TIMESTAMP")
        tcp.options =
            (state.hasSelectiveAcknowledgements ? CASTOR_TCP_SACK : 0)
            | (state.hasTimestamps ? CASTOR_TCP_TIMESTAMPS : 0)
            | (state.hasScales ? CASTOR_TCP_SCALES : 0)
        (tcp.send_scale, tcp.receive_scale) = (state.sendScale, state.receiveScale)
        guard let local = SocketAddress({ getsockname(socket.descriptor, $0, &$1) }),
            let peer = SocketAddress({ getpeername(socket.descriptor, $0, &$1) })
        else { throw TCPFailure("the addresses of a socket") }
        tcp.family = local.family
        (tcp.local, tcp.local_port) = local.parts
        (tcp.peer, tcp.peer_port) = peer.parts
        return tcp
    }

    private static func sequence(_ socket: KernelSocket) throws(TCPFailure) -> UInt32 {
        try socket.get(KernelSocket.Option.queueSequence, UInt32(0), "TCP_QUEUE_SEQ")
    }
}
