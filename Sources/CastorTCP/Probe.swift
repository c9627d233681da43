/// Asks clients how far their connections are: each is sent one byte that it has received long ago, which every TCP
/// answers at once with an acknowledgement (RFC 9293 section 3.10.7.4), and so without a change to the connection.
///
/// The machine must have the shared address and be known to the clients' neighbours as its owner, and a gate must hold
/// back the RSTs that the kernel has for the answers (`EgressGate.blockEnds`).
import CBpf
import CTSXShim
import Glibc

public enum Probe {
    public typealias Connection = (tcp: castor_tcp, consumed: UInt64, produced: UInt64, retained: UInt64)

    public struct Answer: Equatable, Sendable {
        /// The next byte that the client expects: a sequence number.
        public var acknowledged: UInt32
        /// What the client takes from there on, in bytes.
        public var window: UInt32
        /// The newest of the server's timestamps that the client has seen; nil on a connection without them.
        public var timestampEcho: UInt32?

        public init(acknowledged: UInt32, window: UInt32, timestampEcho: UInt32?) {
            (self.acknowledged, self.window, self.timestampEcho) = (acknowledged, window, timestampEcho)
        }
    }

    /// Asks all clients, those that do not answer several times, until all have answered or `milliseconds` have passed.
    /// Bytes that the program has read and written, and how many of those last written the client may not have
    /// acknowledged: `consumed`, `produced`, `retained`. The answers are in the connections' order; nil: none came, it
    /// was that nobody is there, or it is a connection over IPv6.
    public static func run(_ connections: [Connection], milliseconds: Int) throws(TCPFailure) -> [Answer?] {
        var answers = [Answer?](repeating: nil, count: connections.count)
        var waiting: [Key: Int] = [:]
        waiting.reserveCapacity(connections.count)
        var questions: [Segment?] = []
        questions.reserveCapacity(connections.count)
        for (index, connection) in connections.enumerated() {
            let segment = question(to: connection)
            questions.append(segment)
            if let segment { waiting[Key(peer: segment.peer, ports: segment.ports)] = index }
        }
        guard !waiting.isEmpty else { return answers }
        let listener = try Listener(addresses: Set(questions.lazy.compactMap { $0?.local }))
        let raw = try RawSocket()
        let end = now() + milliseconds * 1_000_000
        var patience = firstPatience
        repeat {
            for (sent, index) in waiting.values.sorted().enumerated() {
                if let segment = questions[index] { _ = raw.send(segment) }
                // The answers of many must not wait in the socket's buffer until all are asked.
                if sent % 64 == 63 { listener.receive { note($0, connections, &waiting, &answers) } }
            }
            let until = min(end, now() + patience)
            repeat {
                listener.receive { note($0, connections, &waiting, &answers) }
            } while !waiting.isEmpty && listener.wait(until: until)
            patience = min(2 * patience, longestPatience)
        } while !waiting.isEmpty && now() < end
        return answers
    }

    /// Nanoseconds until who has not answered is asked again.
    private static let firstPatience = 5_000_000, longestPatience = 20_000_000

    private struct Key: Hashable { let peer: UInt32, ports: UInt32 }

    private static func note(
        _ segment: ReceivedSegment, _ connections: [Connection], _ waiting: inout [Key: Int], _ answers: inout [Answer?]
    ) {
        let key = Key(peer: segment.peer, ports: UInt32(segment.peerPort) | UInt32(segment.localPort) << 16)
        guard let index = waiting[key] else { return }
        if !segment.isReset {
            guard let answer = answer(segment, to: connections[index]) else { return }
            answers[index] = answer
        }
        waiting[key] = nil
    }

    // MARK: - One connection

    /// The first byte that the client may not have acknowledged.
    static func base(_ connection: Connection) -> UInt32 {
        connection.tcp.sent.moved(by: connection.produced - min(connection.produced, connection.retained))
    }

    static func question(to connection: Connection) -> Segment? {
        let tcp = connection.tcp
        // A client may take the window for true: a few segments, until the connection itself says more.
        let window = UInt16(clamping: max(1, (4 * tcp.mss) >> UInt32(tcp.receive_scale)))
        // A clock that stands cannot make the client refuse what the connection sends later; it answers to one that is
        // behind, too.
        var segment = Segment(
            tcp, sequence: base(connection) &- 1, acknowledged: tcp.received.moved(by: connection.consumed),
            window: window,
            timestamps: tcp.hasTimestamps ? (tcp.timestamp, 0) : nil)
        segment?.hasByte = true
        return segment
    }

    /// nil when the segment cannot be of this connection as it is now.
    static func answer(_ segment: ReceivedSegment, to connection: Connection) -> Answer? {
        guard segment.acknowledged.distance(after: base(connection)) >= 0 else { return nil }
        return Answer(
            acknowledged: segment.acknowledged, window: UInt32(segment.window) << UInt32(connection.tcp.send_scale),
            timestampEcho: connection.tcp.hasTimestamps ? segment.echo : nil)
    }

    /// CLOCK_MONOTONIC, ns.
    private static func now() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }
}

extension Segment {
    /// The peer's, and ours.
    fileprivate var ports: UInt32 { UInt32(peerPort) | UInt32(localPort) << 16 }
}

/// Receives copies of the headers that come in for some addresses.
private final class Listener {
    private let socket: PacketSocket
    /// More than the longest headers of IPv4 and TCP.
    private static let length = 120
    private let packet = UnsafeMutableRawBufferPointer.allocate(byteCount: length, alignment: 8)

    init(addresses: Set<UInt32>) throws(TCPFailure) {
        socket = try PacketSocket(hasHeader: false)
        var size: Int32 = 8 << 20
        setsockopt(socket.descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &size, 4)
        var filter = Listener.filter(addresses)
        let isFiltering = filter.withUnsafeMutableBufferPointer { filter in
            var program = sock_fprog(len: UInt16(filter.count), filter: filter.baseAddress)
            return setsockopt(
                socket.descriptor, SOL_SOCKET, SO_ATTACH_FILTER, &program, socklen_t(MemoryLayout<sock_fprog>.size)) == 0
        }
        guard isFiltering else { throw TCPFailure("the filter of a packet socket") }
        // Not before the filter is there.
        try socket.bind(toKind: ETH_P_IP)
    }

    deinit { packet.deallocate() }

    /// Takes TCP to one of the addresses, as long as there are few enough of them to compare; classic BPF over the IPv4
    /// header.
    private static func filter(_ addresses: Set<UInt32>) -> [sock_filter] {
        let load = UInt16(BPF_LD | BPF_ABS)
        let byte = UInt16(BPF_B)
        let word = UInt16(BPF_W)
        let equal = UInt16(BPF_JMP | BPF_JEQ)
        let take = sock_filter(code: UInt16(BPF_RET), jt: 0, jf: 0, k: UInt32(length))
        let drop = sock_filter(code: UInt16(BPF_RET), jt: 0, jf: 0, k: 0)
        var filter = [
            sock_filter(code: load | byte, jt: 0, jf: 0, k: 9),
            sock_filter(code: equal, jt: 1, jf: 0, k: UInt32(IPPROTO_TCP)), drop,
        ]
        guard addresses.count <= 16 else { return filter + [take] }
        filter.append(sock_filter(code: load | word, jt: 0, jf: 0, k: 16))
        for address in addresses {
            filter.append(sock_filter(code: equal, jt: 0, jf: 1, k: address.bigEndian))
            filter.append(take)
        }
        return filter + [drop]
    }

    /// Calls `body` with all that has come by now.
    func receive(_ body: (ReceivedSegment) -> Void) {
        while true {
            let length = recv(socket.descriptor, packet.baseAddress, packet.count, 0)
            guard length > 0 else { return }
            if let segment = ReceivedSegment(UnsafeRawBufferPointer(rebasing: packet[..<length])) { body(segment) }
        }
    }

    /// Waits until something comes; false when CLOCK_MONOTONIC is past `until`, in ns.
    func wait(until: Int) -> Bool {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        let left = until - now.tv_sec * 1_000_000_000 - now.tv_nsec
        guard left > 0 else { return false }
        var one = pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0)
        poll(&one, 1, Int32((left + 999_999) / 1_000_000))
        return true
    }
}
