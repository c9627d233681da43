/// Contents that events refer to, read back.
import Glibc

/// A chunk of blocks, unpacked. Its body:
///
///     u32 length of each block | the blocks' bytes, one after the other
final class BlockChunk {
    let first: UInt64
    let count: Int
    /// Bytes in memory.
    var size: Int { body.count }
    private let body: UnsafeMutableRawBufferPointer
    /// Where each block starts in the body, and where the last one ends.
    private var starts: [Int] = []

    /// Takes over `body`. nil when it is none: then it has been freed.
    init?(_ header: ChunkHeader, body: UnsafeMutableRawBufferPointer) {
        self.body = body
        first = header.firstBlock
        count = Int(header.blocks)
        var reader = ByteReader(UnsafeRawBufferPointer(rebasing: body[..<Int(header.rawLength)]))
        var end = 4 * count
        guard !first.addingReportingOverflow(UInt64(count)).overflow, end <= Int(header.rawLength) else { return nil }
        for _ in 0..<count {
            starts.append(end)
            guard let length = reader.next(UInt32.self), length > 0, length <= BlockStore.longest else { return nil }
            end += Int(length)
        }
        starts.append(end)
        guard end == Int(header.rawLength) else { return nil }
    }

    deinit { free(body.baseAddress) }

    func holds(_ number: UInt64) -> Bool { number &- first < UInt64(count) }

    func bytes(_ number: UInt64) -> UnsafeRawBufferPointer {
        let place = Int(number - first)
        return UnsafeRawBufferPointer(rebasing: body[starts[place]..<starts[place + 1]])
    }
}

/// Finds blocks by their numbers, and keeps the chunks that were asked for last. Used by any thread.
final class BlockReader: @unchecked Sendable {
    /// Bytes of unpacked chunks that are kept.
    static let standardLimit = 256 << 20
    private let limit: Int

    private let file: ChunkFile
    private let chunks: [LogIndex.Blocks]
    private let monitor = Monitor()
    /// By their place in `chunks`.
    private var kept: [Int: (chunk: BlockChunk, used: UInt64)] = [:]
    private var size = 0
    private var clock: UInt64 = 0
    private var last: BlockChunk?

    init(file: ReadableFile, version: UInt64, chunks: [LogIndex.Blocks], limit: Int) {
        self.limit = limit
        self.file = ChunkFile(file: file, version: version)
        self.chunks = chunks
    }

    /// The chunk that holds a block whose number is below `LogIndex.blockCount`.
    func chunk(holding number: UInt64) throws(LogError) -> BlockChunk {
        monitor.lock()
        defer { monitor.unlock() }
        if let last, last.holds(number) { return last }
        let place = chunks.partitioningIndex { $0.first > number } - 1
        clock += 1
        let chunk: BlockChunk
        if let found = kept[place] {
            chunk = found.chunk
        } else {
            chunk = try read(place)
            size += chunk.size
            while size > limit, let oldest = kept.min(by: { $0.value.used < $1.value.used }) {
                size -= oldest.value.chunk.size
                kept[oldest.key] = nil
            }
        }
        kept[place] = (chunk, clock)
        last = chunk
        return chunk
    }

    private func read(_ place: Int) throws(LogError) -> BlockChunk {
        let entry = chunks[place]
        let header = try file.header(at: entry.offset)
        guard header.type == .blocks, header.number == place, header.length == entry.length,
            header.firstBlock == entry.first, header.blocks == entry.count
        else { throw file.damaged(entry.offset, "blocks \(entry.first) on: not the chunk in the index") }
        return try file.blocks(header, at: entry.offset)
    }
}
