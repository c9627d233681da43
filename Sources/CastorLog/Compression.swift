/// Chunk bodies in and out of zstd.
import CZstd
import Glibc

/// Raw memory that only grows.
struct Scratch: ~Copyable {
    private(set) var memory: UnsafeMutableRawPointer
    private(set) var capacity: Int

    init(capacity: Int) {
        memory = .allocate(byteCount: capacity, alignment: 64)
        self.capacity = capacity
    }

    deinit { memory.deallocate() }

    /// Makes room for `count` bytes; the content is lost.
    mutating func reserve(_ count: Int) {
        guard count > capacity else { return }
        memory.deallocate()
        capacity = max(count, capacity * 2)
        memory = .allocate(byteCount: capacity, alignment: 64)
    }

    /// Gives back memory that one large chunk needed.
    mutating func trim(to count: Int) {
        guard capacity > count else { return }
        memory.deallocate()
        capacity = count
        memory = .allocate(byteCount: capacity, alignment: 64)
    }
}

final class Compressor {
    /// Level for bodies of events, and for bodies that are mostly large payloads.
    private static let level: Int32 = 1
    private static let bulkLevel: Int32 = -30
    /// Bytes that decide whether a body is worth compressing, taken in four pieces across it.
    private static let sample = 64 << 10

    private let context: OpaquePointer
    private var output = Scratch(capacity: Int(ZSTD_compressBound(2 << 20)))

    init() { context = ZSTD_createCCtx()! }
    deinit { ZSTD_freeCCtx(context) }

    /// The bytes to store for `body`: valid until the next call, or as long as `body`. Flags gain `raw` when
    /// compression would not save a tenth.
    func store(_ body: UnsafeRawBufferPointer, flags: inout ChunkFlags) -> UnsafeRawBufferPointer {
        output.trim(to: 8 << 20)
        let level = flags.contains(.bulk) ? Compressor.bulkLevel : Compressor.level
        if body.count > 2 * Compressor.sample, !shrinks(body, level: level) {
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

    private func shrinks(_ body: UnsafeRawBufferPointer, level: Int32) -> Bool {
        let piece = Compressor.sample / 4
        output.reserve(Compressor.sample + Int(ZSTD_compressBound(Compressor.sample)))
        for index in 0..<4 {
            let start = (body.count - piece) / 3 * index
            (output.memory + index * piece).copyMemory(from: body.baseAddress! + start, byteCount: piece)
        }
        let room = output.capacity - Compressor.sample
        let target = output.memory + Compressor.sample
        let size = ZSTD_compressCCtx(context, target, room, output.memory, Compressor.sample, level)
        return ZSTD_isError(size) == 0 && size <= Compressor.sample - Compressor.sample / 10
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
