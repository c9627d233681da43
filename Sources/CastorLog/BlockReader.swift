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
    private var chunks: [LogIndex.Blocks]
    private let monitor = Monitor()
    /// By their place in `chunks`: what is in memory, and when it was asked for last.
    private var kept: [(chunk: BlockChunk?, used: UInt64)]
    private var size = 0
    private var clock: UInt64 = 0

    init(file: ReadableFile, version: UInt64, chunks: [LogIndex.Blocks], limit: Int) {
        self.limit = limit
        self.file = ChunkFile(file: file, version: version)
        self.chunks = chunks
        kept = Array(repeating: (nil, 0), count: chunks.count)
    }

    /// The chunk that holds a block whose number is below `LogIndex.blockCount`.
    func chunk(holding number: UInt64) throws(LogError) -> BlockChunk {
        monitor.lock()
        defer { monitor.unlock() }
        let place = chunks.partitioningIndex { $0.first > number } - 1
        clock += 1
        kept[place].used = clock
        if let chunk = kept[place].chunk { return chunk }
        let chunk = try read(place)
        keep(chunk, place)
        return chunk
    }

    /// The log has grown by this chunk.
    func append(_ chunk: BlockChunk, _ entry: LogIndex.Blocks) {
        monitor.lock()
        defer { monitor.unlock() }
        clock += 1
        chunks.append(entry)
        kept.append((nil, clock))
        keep(chunk, chunks.count - 1)
    }

    private func keep(_ chunk: BlockChunk, _ place: Int) {
        size += chunk.size
        while size > limit, let oldest = oldest() {
            size -= kept[oldest].chunk!.size
            kept[oldest].chunk = nil
        }
        kept[place].chunk = chunk
    }

    private func oldest() -> Int? {
        kept.indices.filter { kept[$0].chunk != nil }.min { kept[$0].used < kept[$1].used }
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
