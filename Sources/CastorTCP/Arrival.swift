/// What a client sent while no kernel was here that knows its connection: a frame that a primary's gate has passed on before its machine
/// died, or that has come since. It can be let in once the connection is here; the client would send it again later, by its own clock.
import CBpf
import CTSXShim
import Glibc

public struct Arrival: Sendable {
    public let ends: TCPEnds
    /// It opens the connection.
    public let isOpening: Bool
    /// The sequence number after its last.
    public let end: UInt32
    /// From the Ethernet header on.
    let frame: [UInt8]

    /// nil when it is not what was sent: its checksum says so.
    init?(_ collected: castor_gate_frame) {
        let start = MemoryLayout<castor_gate_frame>.offset(of: \.bytes)!
        var frame = withUnsafeBytes(of: collected) { Array($0[start...].prefix(Int(collected.length))) }
        guard let segment = frame.withUnsafeMutableBytes(Arrival.read) else { return nil }
        (ends, isOpening, end) = segment
        self.frame = frame
    }

    /// Whether a connection that has received `consumed` bytes lacks some of it.
    public func isMissing(_ tcp: castor_tcp, consumed: UInt64 = 0) -> Bool { end.isAfter(tcp.received.moved(by: consumed)) }

    private static let ethernet = 14

    /// Fills in the checksum where the sender's kernel had left that to its card.
    private static func read(_ frame: UnsafeMutableRawBufferPointer) -> (TCPEnds, Bool, UInt32)? {
        guard frame.count >= ethernet + 40 else { return nil }
        let ip = UnsafeMutableRawBufferPointer(rebasing: frame[ethernet...])
        let (header, length) = (Int(ip[0] & 15) * 4, Int(ip.loadUnaligned(fromByteOffset: 2, as: UInt16.self).bigEndian))
        guard header >= 20, length >= header + 20, length <= ip.count else { return nil }
        let tcp = UnsafeMutableRawBufferPointer(rebasing: ip[header..<length])
        let payload = tcp.count - Int(tcp[12] >> 4) * 4
        guard payload >= 0 else { return nil }
        let (peer, local) = (ip.loadUnaligned(fromByteOffset: 12, as: UInt32.self), ip.loadUnaligned(fromByteOffset: 16, as: UInt32.self))
        let found = tcp.loadUnaligned(fromByteOffset: 16, as: UInt16.self)
        tcp.storeBytes(of: 0, toByteOffset: 16, as: UInt16.self)
        let sum = Segment.checksum(UnsafeRawBufferPointer(tcp), length: tcp.count, local, peer)
        guard found == sum || found == ~Segment.checksum(UnsafeRawBufferPointer(tcp), length: 0, of: tcp.count, local, peer) else {
            return nil
        }
        tcp.storeBytes(of: sum, toByteOffset: 16, as: UInt16.self)
        let isOpening = tcp[13] & Segment.Flags.syn != 0
        let sequence = tcp.loadUnaligned(fromByteOffset: 4, as: UInt32.self).bigEndian
        let ports = (peer: tcp.loadUnaligned(fromByteOffset: 0, as: UInt16.self), local: tcp.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
        return (
            TCPEnds(local: local, localPort: ports.local, peer: peer, peerPort: ports.peer), isOpening,
            sequence &+ UInt32(payload) &+ (isOpening ? 1 : 0)
        )
    }
}

/// Puts frames to where an interface's own arrive; the gate turns them round.
struct Door {
    private let socket: PacketSocket
    private let device: UInt32

    /// In the network namespace of the calling thread.
    init(device: UInt32) throws(TCPFailure) {
        self.device = device
        socket = try PacketSocket(hasHeader: true)
        var mark = CASTOR_GATE_COMES_IN
        guard setsockopt(socket.descriptor, SOL_SOCKET, SO_MARK, &mark, 4) == 0 else { throw TCPFailure("a packet socket") }
    }

    /// False when the kernel does not take it.
    func letIn(_ frame: [UInt8]) -> Bool { socket.send(frame, ofKind: ETH_P_IP, on: device) }
}
