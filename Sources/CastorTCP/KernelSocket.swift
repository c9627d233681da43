/// The options by which a socket's connection is taken out and put in: TCP_REPAIR and what goes with it (tcp(7) has it
/// not; CRIU's libsoccr, and net/ipv4/tcp.c).
import CTSXShim
import Glibc

struct KernelSocket {
    let descriptor: Int32

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    enum Option {
        static let maximumSegment: Int32 = 2, info: Int32 = 11, repair: Int32 = 19, repairQueue: Int32 = 20,
            queueSequence: Int32 = 21,
            repairOptions: Int32 = 22, timestamp: Int32 = 24, repairWindow: Int32 = 29
    }

    enum Repair: Int32 {
        case on = 1
        /// Off, and the peer is probed: it learns how far we are and answers how far it is.
        case off = 0
        case offSilently = -1
    }

    enum Queue: UInt32 {
        case none = 0
        case receive = 1
        case send = 2
    }

    func setRepair(_ repair: Repair) throws(TCPFailure) { try set(Option.repair, repair.rawValue, "TCP_REPAIR") }

    func select(_ queue: Queue) throws(TCPFailure) { try set(Option.repairQueue, queue.rawValue, "TCP_REPAIR_QUEUE") }

    // MARK: - Any option of a fixed size

    func set<T: BitwiseCopyable>(_ option: Int32, _ value: T, _ name: String, level: Int32 = Int32(IPPROTO_TCP))
        throws(TCPFailure)
    {
        let code = withUnsafeBytes(of: value) {
            setsockopt(descriptor, level, option, $0.baseAddress, socklen_t($0.count))
        }
        guard code == 0 else { throw TCPFailure("setting \(name) of a socket") }
    }

    func get<T: BitwiseCopyable>(_ option: Int32, _ initial: T, _ name: String, level: Int32 = Int32(IPPROTO_TCP))
        throws(TCPFailure) -> T
    {
        var value = initial
        var length = socklen_t(MemoryLayout<T>.size)
        let code = withUnsafeMutableBytes(of: &value) { getsockopt(descriptor, level, option, $0.baseAddress, &length) }
        guard code == 0 else { throw TCPFailure("reading \(name) of a socket") }
        return value
    }
}

/// struct tcp_repair_window
struct RepairWindow: BitwiseCopyable {
    /// The sequence number of the segment that told the send window, the window, and the largest so far: bytes.
    var updatedAt: UInt32 = 0, send: UInt32 = 0, largest: UInt32 = 0
    var receive: UInt32 = 0, receiveUpdatedAt: UInt32 = 0
}

/// The beginning of struct tcp_info.
struct ConnectionState: BitwiseCopyable {
    var state: UInt8 = 0, congestion: UInt8 = 0, retransmits: UInt8 = 0, probes: UInt8 = 0, backoff: UInt8 = 0
    /// TCPI_OPT_*
    var options: UInt8 = 0
    private var scales: UInt8 = 0
    private var flags: UInt8 = 0

    static let established: UInt8 = 1, closeWait: UInt8 = 8

    var hasTimestamps: Bool { options & 1 != 0 }
    var hasSelectiveAcknowledgements: Bool { options & 2 != 0 }
    var hasScales: Bool { options & 4 != 0 }
    var sendScale: UInt8 { scales & 15 }
    var receiveScale: UInt8 { scales >> 4 }
}
