/// What a standby is asked to do, and how patient everybody is.
import CastorLog

/// Time of one node's own clock. It never goes backward and goes on while the node is stopped or its machine sleeps (CLOCK_BOOTTIME).
public typealias Milliseconds = Int64

/// What releases an output.
public enum Release: UInt8, Sendable {
    /// The replicas have the log up to it.
    case received = 1
    /// Their replays have done the log up to it, which proves that they did not diverge.
    case consumed = 2
}

/// What primary and replicas must agree upon; 28 bytes of a hello:
///
///     u64 window | u32 heartbeat | u32 silence | u32 lease | u32 f | u16 log format | u8 release | u8 0
public struct Agreement: Equatable, Sendable {
    /// f: how many replicas an output waits for.
    public var replicas: UInt32 = 1
    public var release = Release.consumed
    /// Both sides say something at least this often, in ms.
    public var heartbeat: UInt32 = 10
    /// T: a primary of which nothing was heard for this long is suspected, in ms.
    public var silence: UInt32 = 100
    /// L: the primary is silent when the store confirmed its lease longer ago than this, in ms of its own clock.
    public var lease: UInt32 = 1000
    /// Bytes of the log that may be on their way or not consumed yet.
    public var window: UInt64 = 4 << 20
    public var logFormat: UInt16 = logFormatVersion

    public init() {}

    static let size = 28

    func append(to body: inout [UInt8]) {
        body.append(little: window)
        for field in [heartbeat, silence, lease, replicas] { body.append(little: field) }
        body.append(little: logFormat)
        body.append(little: release.rawValue)
        body.append(little: UInt8(0))
    }

    /// nil when the bytes are none.
    init?(_ reader: inout ByteReader) {
        guard let window = reader.next(UInt64.self), let heartbeat = reader.next(UInt32.self),
            let silence = reader.next(UInt32.self), let lease = reader.next(UInt32.self),
            let replicas = reader.next(UInt32.self), let logFormat = reader.next(UInt16.self),
            let release = Release(rawValue: reader.next(UInt8.self) ?? 0), reader.next(UInt8.self) == 0
        else { return nil }
        self.window = window
        self.heartbeat = heartbeat
        self.silence = silence
        self.lease = lease
        self.replicas = replicas
        self.logFormat = logFormat
        self.release = release
    }
}

public struct StandbyOptions: Equatable, Sendable {
    public var agreement = Agreement()
    /// A replica that has acknowledged nothing for this long while outputs wait is dropped.
    public var deadline: Milliseconds = 500
    /// Between two attempts at what failed: the store, a connection.
    public var retry: Milliseconds = 20
    /// A replica that lacks no more than this many bytes is near enough for outputs to wait for it.
    public var nearness: UInt64 = 256 << 10
    /// There is a store that arbitrates.
    public var hasStore = true
    /// Without a store: take over without being told to. Two nodes that merely do not hear each other will then both be live.
    public var isAutomatic = false

    public init() {}

    var lease: Milliseconds { Milliseconds(agreement.lease) }
    var heartbeat: Milliseconds { Milliseconds(agreement.heartbeat) }
    var silence: Milliseconds { Milliseconds(agreement.silence) }
    var replicas: Int { Int(agreement.replicas) }
    /// How often the lease is renewed.
    var renewal: Milliseconds { max(lease / 4, 1) }

    /// How long the store keeps a lease that is not renewed, by the store's clock: longer than L by any two clocks whose rates differ by
    /// less than 4 %, so that the primary is silent before the store gives the lease away.
    public var leaseInStore: Milliseconds { lease + lease / 20 + 10 }

    /// Why these options make no sense; nil when they do.
    public var problem: String? {
        if agreement.replicas == 0 { return "outputs must wait for at least one replica" }
        if agreement.heartbeat == 0 { return "a heartbeat of 0 ms" }
        if agreement.silence < 2 * agreement.heartbeat {
            return "the primary is suspected before two heartbeats can have been missed"
        }
        if agreement.lease < 4 || agreement.lease < agreement.heartbeat {
            return "the lease is shorter than a heartbeat"
        }
        if agreement.window == 0 { return "a window of 0 bytes" }
        if deadline <= 0 || retry <= 0 { return "a deadline of 0 ms" }
        if isAutomatic && hasStore { return "with a lease store every take-over is automatic" }
        if isAutomatic && agreement.replicas > 1 {
            return "of \(agreement.replicas) replicas that outputs wait for all would take over by themselves: that needs a lease store"
        }
        return nil
    }
}
