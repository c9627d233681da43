/// Makes the connection that a dead machine had out of a socket that never was connected, by the kernel's TCP_REPAIR.
/// The program holds the socket all the time and notices nothing.
import CTSXShim
import Glibc

public enum Rebuild {
    /// Connects `descriptor`, which need be no more than created, as `tcp` says, where the program has read `consumed`
    /// and written `produced` bytes. The socket keeps its options and is still in repair: nothing is sent and nothing
    /// received until `release`.
    ///
    /// With the client's `answer` the connection goes on at what the client expects next. If that is more than was
    /// produced, it does so only when the program `skips` what the client has already, else at `produced`: the client
    /// drops what it has, as long as that fits into its first window. Without an answer it goes on at the first of the
    /// `retained` bytes that the client may lack. The timestamp clock goes on after the client's echo, or `timestamp`.
    ///
    /// Returns how many bytes, the last of `produced`, must be sent again. The machine must have the local address and
    /// a route to the peer. TCPFailure leaves the socket unconnected or of no use.
    public static func run(
        socket descriptor: Int32, _ tcp: castor_tcp, consumed: UInt64, produced: UInt64, retained: UInt64 = 0,
        answer: Probe.Answer?, timestamp: UInt32, skips: Bool = false
    ) throws(TCPFailure) -> UInt64 {
        let socket = KernelSocket(descriptor)
        let position = Position(
            tcp, consumed: consumed, produced: produced, retained: retained, answer: answer, skips: skips)
        let reuse = try socket.get(SO_REUSEADDR, Int32(0), "SO_REUSEADDR", level: SOL_SOCKET)
        // In repair the kernel binds to ports in use by itself, unless the option is given afterwards.
        try socket.setRepair(.on)
        guard SocketAddress(family: tcp.family, tcp.local, port: tcp.local_port).with({ bind(descriptor, $0, $1) }) == 0
        else {
            throw TCPFailure("binding to a connection's address")
        }
        try socket.select(.receive)
        try socket.set(KernelSocket.Option.queueSequence, position.receive, "TCP_QUEUE_SEQ")
        try socket.select(.send)
        try socket.set(KernelSocket.Option.queueSequence, position.send, "TCP_QUEUE_SEQ")
        try connect(socket, tcp)
        try setOptions(socket, tcp)
        if tcp.hasTimestamps {
            let clock = clock(after: answer?.timestampEcho ?? timestamp, like: tcp.timestamp)
            try socket.set(KernelSocket.Option.timestamp, clock, "TCP_TIMESTAMP")
        }
        try setWindow(socket, answer?.window ?? tcp.mss, at: position.receive)
        try socket.select(.none)
        try socket.set(SO_REUSEADDR, reuse == 0 ? Int32(0) : 1, "SO_REUSEADDR", level: SOL_SOCKET)
        return position.again
    }

    /// Takes the connection that it has from a socket, which can be used for another then.
    public static func disconnect(socket descriptor: Int32) throws(TCPFailure) {
        var nobody = sockaddr(sa_family: sa_family_t(AF_UNSPEC), sa_data: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
        guard Glibc.connect(descriptor, &nobody, socklen_t(MemoryLayout<sockaddr>.size)) == 0 else {
            throw TCPFailure("disconnecting a socket")
        }
        // The kernel calls it an error.
        _ = try KernelSocket(descriptor).get(SO_ERROR, Int32(0), "SO_ERROR", level: SOL_SOCKET)
    }

    /// The connection lives: the client is told how far it is, and answers.
    public static func release(socket descriptor: Int32) throws(TCPFailure) {
        let socket = KernelSocket(descriptor)
        let reuse = try socket.get(SO_REUSEADDR, Int32(0), "SO_REUSEADDR", level: SOL_SOCKET)
        try socket.setRepair(.off)
        // The kernel forgets it with the repair, and who listens to the port later would fail.
        if reuse != 0 { try socket.set(SO_REUSEADDR, Int32(1), "SO_REUSEADDR", level: SOL_SOCKET) }
    }

    /// Writes as many of the bytes as the socket takes at once; returns how many, 0 when there is no room. TCPFailure:
    /// the connection is broken.
    public static func resend(socket descriptor: Int32, bytes: UnsafeRawBufferPointer) throws(TCPFailure) -> Int {
        var sent = 0
        while sent < bytes.count {
            let count = send(
                descriptor, bytes.baseAddress! + sent, bytes.count - sent, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
            if count < 0 {
                if errno == EINTR { continue }
                guard errno == EAGAIN || errno == EWOULDBLOCK else { throw TCPFailure("sending again") }
                break
            }
            sent += count
        }
        return sent
    }

    // MARK: - Steps

    /// The kernel computes the size of segments when it connects, from the largest that the program allows for or from
    /// 536, and, though the peer's is among the options that are restored later, not again.
    private static func connect(_ socket: KernelSocket, _ tcp: castor_tcp) throws(TCPFailure) {
        let option = KernelSocket.Option.maximumSegment
        let unset: Int32 = 536
        let chosen = try socket.get(option, Int32(0), "TCP_MAXSEG")
        try socket.set(option, Int32(min(max(tcp.mss, 88), 0x7fff)), "TCP_MAXSEG")
        let address = SocketAddress(family: tcp.family, tcp.peer, port: tcp.peer_port)
        guard address.with({ Glibc.connect(socket.descriptor, $0, $1) }) == 0 else {
            throw TCPFailure("restoring a connection")
        }
        try socket.set(option, chosen == unset ? 0 : chosen, "TCP_MAXSEG")
    }

    /// struct tcp_repair_opt: kinds of options (RFC 9293, 2018, 7323), and values.
    private static func setOptions(_ socket: KernelSocket, _ tcp: castor_tcp) throws(TCPFailure) {
        var options: [(kind: UInt32, value: UInt32)] = [(2, tcp.mss)]
        if tcp.options & CASTOR_TCP_SACK != 0 { options.append((4, 0)) }
        if tcp.options & CASTOR_TCP_SCALES != 0 {
            options.append((3, UInt32(tcp.send_scale) | UInt32(tcp.receive_scale) << 16))
        }
        if tcp.hasTimestamps { options.append((8, 0)) }
        let code = options.withUnsafeBytes {
            setsockopt(
                socket.descriptor, Int32(IPPROTO_TCP), KernelSocket.Option.repairOptions, $0.baseAddress,
                socklen_t($0.count))
        }
        guard code == 0 else { throw TCPFailure("restoring the options of a connection") }
    }

    /// The window of a client that did not answer is unknown: one segment, and its first acknowledgement tells.
    private static func setWindow(_ socket: KernelSocket, _ bytes: UInt32, at sequence: UInt32) throws(TCPFailure) {
        var window = try socket.get(KernelSocket.Option.repairWindow, RepairWindow(), "TCP_REPAIR_WINDOW")
        (window.updatedAt, window.send) = (sequence, bytes)
        // What was the largest is unknown; of a small one the kernel would fill halves only.
        window.largest = max(bytes, 0xffff)
        try socket.set(KernelSocket.Option.repairWindow, window, "TCP_REPAIR_WINDOW")
    }

    /// Where a connection goes on.
    struct Position: Equatable {
        /// The next byte that is received, and that is sent.
        let receive: UInt32, send: UInt32
        /// How many of the produced bytes are sent again.
        let again: UInt64

        init(
            _ tcp: castor_tcp, consumed: UInt64, produced: UInt64, retained: UInt64, answer: Probe.Answer?, skips: Bool = false
        ) {
            receive = tcp.received.moved(by: consumed)
            let end = tcp.sent.moved(by: produced)
            if skips, let acknowledged = answer?.acknowledged, acknowledged.isAfter(end) {
                (again, send) = (0, acknowledged)
                return
            }
            let missing = answer.map { UInt64(max(0, -Int64($0.acknowledged.distance(after: end)))) } ?? retained
            again = min(missing, produced)
            send = end &- UInt32(truncatingIfNeeded: again)
        }
    }

    /// A time that the client takes for later than `echo`, with what may still be on its way. A clock ahead harms
    /// nothing; one behind, and the client drops every segment (RFC 7323 section 5). `clock` is any of the connection's
    /// times: the kernel, since Linux 6.7, marks clocks that count microseconds by the lowest bit, and takes the mark
    /// back (tcp(7): TCP_TIMESTAMP).
    static func clock(after echo: UInt32, like clock: UInt32) -> UInt32 {
        let later = echo &+ (clock & 1 == 0 ? 10 : 10_000)
        return later & 1 == clock & 1 ? later : later &+ 1
    }
}
