/// What a primary and a replica say to each other: frames on a stream, each direction numbered by itself.
///
///     stream = frame…
///     frame  = header (40 bytes) | body
///
/// Header, little-endian:
///
///      0  u32 magic "CSFT"
///      4  u16 version of the protocol: 2
///      6  u16 type: see `Message`
///      8  u64 epoch that the sender knows
///     16  u64 sequence: 1 for the first frame of a direction, then one more each
///     24  u32 length of the body, at most 1 MiB + 64 bytes
///     28  u32 0
///     32  u64 XXH3-64 of bytes 0–31 and the body
import CastorLog

/// Bytes of the log's `events` file, counted from its start.
public typealias Position = UInt64

/// One run of one process. Drawn at random when it starts, so that a node that has lost what it knew is somebody else.
public typealias NodeID = UInt64

public struct Frame: Equatable, Sendable {
    static let magic: UInt32 = 0x5446_5343  // "CSFT"
    static let headerSize = 40
    /// Longest body.
    public static let bodyLimit = 1 << 20 + 64
    /// Most bytes of the log in one frame.
    public static let logLimit = 1 << 20

    /// The newest epoch that the sender knows.
    public var epoch: UInt64
    public var sequence: UInt64
    public var message: Message

    public init(epoch: UInt64, sequence: UInt64, message: Message) {
        self.epoch = epoch
        self.sequence = sequence
        self.message = message
    }

    /// Header and body. Traps when the body is longer than the limit.
    public var bytes: [UInt8] {
        let body = message.body
        precondition(body.count <= Frame.bodyLimit, "a frame's body of \(body.count) bytes")
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Frame.headerSize + body.count)
        bytes.append(little: Frame.magic)
        bytes.append(little: protocolVersion)
        bytes.append(little: message.type.rawValue)
        bytes.append(little: epoch)
        bytes.append(little: sequence)
        bytes.append(little: UInt32(body.count))
        bytes.append(little: UInt32(0))
        bytes.append(little: body.withUnsafeBytes { checksum(bytes, $0) })
        bytes.append(contentsOf: body)
        return bytes
    }
}

/// The version that this castor speaks; there is no other.
public let protocolVersion: UInt16 = 2

/// Numbers the frames of one direction of one link.
public struct FrameWriter: Sendable {
    private var sequence: UInt64 = 0

    public init() {}

    /// The next frame's bytes. Traps when the message is longer than a frame may be.
    public mutating func bytes(of message: Message, epoch: UInt64) -> [UInt8] {
        sequence += 1
        return Frame(epoch: epoch, sequence: sequence, message: message).bytes
    }
}

/// Why a stream is not one of frames. The link is of no more use.
public enum FrameError: Error, Equatable, Sendable {
    /// The four bytes where a frame should begin.
    case magic(UInt32)
    case version(UInt16)
    case type(UInt16)
    /// Bytes that the header announces for the body.
    case length(UInt32)
    case reserved(UInt32)
    case sequence(expected: UInt64, found: UInt64)
    case checksum
    /// A body that does not fit its type.
    case body(MessageType, String)
}

extension FrameError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .magic(let found): "no frame starts here: 0x\(String(found, radix: 16)); the other side is no castor"
        case .version(let found):
            "the other side speaks version \(found) of the protocol, this castor version \(protocolVersion)"
        case .type(let found): "a frame of the unknown type \(found)"
        case .length(let found): "a frame of \(found) bytes; at most \(Frame.bodyLimit) are allowed"
        case .reserved(let found): "a frame's reserved field is \(found) instead of 0"
        case .sequence(let expected, let found): "frame \(found) came where frame \(expected) should"
        case .checksum: "a frame's checksum does not match: it was damaged on its way"
        case .body(let type, let reason): "a frame of type \(type): \(reason)"
        }
    }
}
