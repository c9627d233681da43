/// Chunk bodies in and out of zstd.
import CZstd
import Glibc

/// How well, and so how slowly, a log is compressed.
public struct Compression: Equatable, Sendable {
    /// zstd's levels for bodies of events and of contents; nil: stored as they are.
    let events: Int32?
    let blocks: Int32?

    /// Made for recording beside the program, whose processor time is short: coded events are few bytes and shrink to a
    /// third, contents are many and pass at more than 800 MB/s.
    public static let standard = Compression(events: 1, blocks: -5)

    /// Where a manifest has it, among its options.
    public static let option = "compression"
    /// In the order of what they cost.
    public static let names = ["none", "fast", "default", "best"]
    /// zstd's, for both.
    public static let levels: ClosedRange<Int32> = 1...19

    /// nil when the text is neither a name nor a level.
    public init?(_ text: String) {
        switch text {
        case "none": self.init(events: nil, blocks: nil)
        case "fast": self.init(events: -5, blocks: -30)
        case "default": self = .standard
        case "best": self.init(events: 12, blocks: 12)
        default:
            guard let level = Int32(text), Compression.levels.contains(level) else { return nil }
            self.init(events: level, blocks: level)
        }
    }

    /// That of a log.
    public init(of manifest: Manifest) {
        self = manifest.options[Compression.option].flatMap { Compression($0) } ?? .standard
    }

    private init(events: Int32?, blocks: Int32?) {
        self.events = events
        self.blocks = blocks
    }
}

final class Compressor {
    private let compression: Compression
    private let context: OpaquePointer
    private var output = Scratch(capacity: Int(ZSTD_compressBound(2 << 20)))

    init(_ compression: Compression) {
        self.compression = compression
        context = ZSTD_createCCtx()!
    }
    deinit { ZSTD_freeCCtx(context) }

    /// The bytes to store for `body`: valid until the next call, or as long as `body`. Flags gain `raw` when
    /// compression would not save a tenth.
    func store(_ body: UnsafeRawBufferPointer, isBulk: Bool, flags: inout ChunkFlags) -> UnsafeRawBufferPointer {
        output.trim(to: 8 << 20)
        guard let level = isBulk ? compression.blocks : compression.events,
            body.count <= 2 * Compressor.smallestSample || shrinks(body, level: level)
        else {
            flags.insert(.raw)
            return body
        }
        let bound = Int(ZSTD_compressBound(body.count))
        output.reserve(bound)
        let size = ZSTD_compressCCtx(context, output.memory, output.capacity, body.baseAddress, body.count, level)
        if ZSTD_isError(size) != 0 || size > body.count - body.count / 10 {
            flags.insert(.raw)
            return body
        }
        return UnsafeRawBufferPointer(start: output.memory, count: size)
    }

    private static let smallestSample = 16 << 10

    /// Whether a sixteenth of a body, taken in four pieces across it, is worth compressing.
    private func shrinks(_ body: UnsafeRawBufferPointer, level: Int32) -> Bool {
        let piece = min(max(body.count / 16, Compressor.smallestSample), 64 << 10) / 4
        let sample = 4 * piece
        output.reserve(sample + Int(ZSTD_compressBound(sample)))
        for index in 0..<4 {
            let start = (body.count - piece) / 3 * index
            (output.memory + index * piece).copyMemory(from: body.baseAddress! + start, byteCount: piece)
        }
        let target = output.memory + sample
        let size = ZSTD_compressCCtx(context, target, output.capacity - sample, output.memory, sample, level)
        return ZSTD_isError(size) == 0 && size <= sample - sample / 10
    }
}

final class Decompressor {
    private let context: OpaquePointer

    init() { context = ZSTD_createDCtx()! }
    deinit { ZSTD_freeDCtx(context) }

    /// Decodes exactly one frame into the whole of `target`. Returns false when the bytes are anything else.
    func restore(_ stored: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer) -> Bool {
        guard ZSTD_getFrameContentSize(stored.baseAddress, stored.count) == UInt64(target.count),
            ZSTD_findFrameCompressedSize(stored.baseAddress, stored.count) == stored.count
        else { return false }
        let size = ZSTD_decompressDCtx(context, target.baseAddress, target.count, stored.baseAddress, stored.count)
        return ZSTD_isError(size) == 0 && size == target.count
    }
}
