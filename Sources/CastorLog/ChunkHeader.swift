/// The fixed parts of the `events` file: chunk headers, run directories and the trailer. All numbers are
/// little-endian.
///
///     events file = chunk… | end chunk | index chunk | trailer
///     chunk       = header (96 bytes) | directory (48 bytes × runs) | stored body
///
/// Header:
///
///      0  u64 magic "CASTORCK"           48  u64 smallest stamp in the chunk, 0: none; number of the first block
///      8  u16 format version             56  u64 largest stamp
///     10  u16 header length: 96          64  u64 raw length of the body
///     12  u8  type                       72  u32 number of runs
///     13  u8  flags                      76  u32 events, or blocks, or openings, in the chunk
///     14  u16 0                          80  u64 XXH3-64 of directory and stored body
///     16  u32 chunk number, from 0       88  u64 XXH3-64 of bytes 0–87
///     20  u32 0
///     24  u64 events in the chunks before this one
///     32  u64 offset of the chunk before, all ones: none
///     40  u64 stored length of the body
///
/// Chunks of blocks are numbered by themselves.

enum ChunkType: UInt8 {
    case events = 1
    case index = 2
    case end = 3
    /// Contents that events refer to: see `BlockStore`. From version 2 on.
    case blocks = 4
    /// Connections that clients of a program with a standby open: castor_tcp each. Numbered with the chunks of events, of which it
    /// has none. From version 3 on.
    case openings = 5
}

struct ChunkFlags: OptionSet, Sendable {
    let rawValue: UInt8
    /// The body is stored as it is. Without it the body is one zstd frame.
    static let raw = ChunkFlags(rawValue: 1)
    /// More than half of the body is contents rather than events.
    static let bulk = ChunkFlags(rawValue: 2)
    static let known: ChunkFlags = [.raw, .bulk]
}

struct ChunkHeader: Equatable, Sendable {
    static let magic: UInt64 = 0x4b43_524f_5453_4143  // "CASTORCK"
    static let size = 96
    static let noOffset = UInt64.max
    /// Longest body that is believed: one event with the largest payload, and room.
    static let rawLimit: UInt64 = 1 << 33

    var version = logFormatVersion
    var type: ChunkType
    var flags: ChunkFlags = []
    var number: UInt32
    var firstEvent: UInt64
    var previous: UInt64
    var storedLength: UInt64 = 0
    var minStamp: UInt64 = 0
    var maxStamp: UInt64 = 0
    var rawLength: UInt64 = 0
    var runs: UInt32 = 0
    /// How many it has of what it consists of.
    private var count: UInt32 = 0
    var bodyChecksum: UInt64 = 0

    var events: UInt32 {
        get { type == .blocks || type == .openings ? 0 : count }
        set { count = newValue }
    }
    var openings: UInt32 {
        get { type == .openings ? count : 0 }
        set { count = newValue }
    }
    var blocks: UInt32 {
        get { type == .blocks ? count : 0 }
        set { count = newValue }
    }
    /// Of a chunk of blocks: the number of its first one.
    var firstBlock: UInt64 {
        get { minStamp }
        set { minStamp = newValue }
    }

    var directoryLength: UInt64 { UInt64(runs) * UInt64(Run.size(version)) }
    /// Header, directory and stored body.
    var length: UInt64 { UInt64(ChunkHeader.size) + directoryLength + storedLength }

    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(ChunkHeader.size)
        bytes.append(little: ChunkHeader.magic)
        bytes.append(little: version)
        bytes.append(little: UInt16(ChunkHeader.size))
        bytes.append(type.rawValue)
        bytes.append(flags.rawValue)
        bytes.append(little: UInt16(0))
        bytes.append(little: number)
        bytes.append(little: UInt32(0))
        for field in [firstEvent, previous, storedLength, minStamp, maxStamp, rawLength] { bytes.append(little: field) }
        bytes.append(little: runs)
        bytes.append(little: count)
        bytes.append(little: bodyChecksum)
        bytes.append(little: checksum(bytes))
        return bytes
    }

    init(type: ChunkType, number: UInt32, firstEvent: UInt64, previous: UInt64) {
        self.type = type
        self.number = number
        self.firstEvent = firstEvent
        self.previous = previous
    }

    enum Invalid: Error, Equatable {
        case damaged(String)
        case version(UInt64)
    }

    /// Reads a header from 96 bytes and checks everything that can be checked without its neighbours.
    init(_ bytes: [UInt8]) throws(Invalid) {
        func number<T: FixedWidthInteger>(_ offset: Int, _: T.Type = T.self) -> T {
            bytes.withUnsafeBytes { T(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: T.self)) }
        }
        precondition(bytes.count == ChunkHeader.size)
        guard number(0) == ChunkHeader.magic else { throw .damaged("no chunk starts here") }
        guard number(88) == checksum(Array(bytes[..<88])) else { throw .damaged("chunk header: checksum mismatch") }
        // A format of another version keeps these three fields and the length, so that it can be told apart.
        let version: UInt16 = number(8)
        guard readableLogFormats.contains(UInt64(version)) else { throw .version(UInt64(version)) }
        guard number(10) == UInt16(ChunkHeader.size), number(14) == UInt16(0), number(20) == UInt32(0),
            let type = ChunkType(rawValue: bytes[12]), type != .blocks || version >= 2, type != .openings || version >= 3
        else { throw .damaged("chunk header: unknown type or length") }
        self.version = version
        self.type = type
        flags = ChunkFlags(rawValue: bytes[13])
        self.number = number(16)
        firstEvent = number(24)
        previous = number(32)
        storedLength = number(40)
        minStamp = number(48)
        maxStamp = number(56)
        rawLength = number(64)
        runs = number(72)
        count = number(76)
        bodyChecksum = number(80)
        guard flags.isSubset(of: .known), rawLength <= ChunkHeader.rawLimit, storedLength <= rawLength,
            !flags.contains(.raw) || storedLength == rawLength, type == .events || runs == 0 && (type == .blocks || type == .openings) == (count > 0)
        else { throw .damaged("chunk header: lengths do not fit together") }
    }
}

/// The last 32 bytes of a complete log.
///
///      0  u64 magic "CASTORTR"
///      8  u64 offset of the index chunk
///     16  u64 length of the file
///     24  u64 XXH3-64 of bytes 0–23
struct Trailer: Equatable {
    static let magic: UInt64 = 0x5254_524f_5453_4143  // "CASTORTR"
    static let size = 32

    var indexOffset: UInt64
    var fileLength: UInt64

    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(little: Trailer.magic)
        bytes.append(little: indexOffset)
        bytes.append(little: fileLength)
        bytes.append(little: checksum(bytes))
        return bytes
    }

    init(indexOffset: UInt64, fileLength: UInt64) {
        self.indexOffset = indexOffset
        self.fileLength = fileLength
    }

    /// nil when the bytes are not a trailer.
    init?(_ bytes: [UInt8]) {
        let fields = bytes.withUnsafeBytes { buffer in
            var reader = ByteReader(buffer)
            return (0..<4).compactMap { _ in reader.next(UInt64.self) }
        }
        guard fields.count == 4, fields[0] == Trailer.magic, fields[3] == checksum(Array(bytes[..<24])) else {
            return nil
        }
        self.init(indexOffset: fields[1], fileLength: fields[2])
    }
}
