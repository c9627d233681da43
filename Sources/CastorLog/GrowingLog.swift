/// A log that is still being written, read as it grows: what a standby replays. Used by one thread at a time.
///
/// Chunks are checked as everywhere. What has not come yet is no error: `nextChunk` says nil until the next chunk is there whole.
import Glibc

public final class GrowingLog {
    public let directory: String
    /// How the recording ended; nil as long as the log does not say so.
    public private(set) var ending: Ending?
    /// Bytes of the events file that have been returned as chunks: all that is certain. What follows may be cut off.
    public private(set) var length: UInt64 = 0

    private let file: ChunkFile
    private let blocks: BlockReader
    private(set) var index = LogIndex()
    private var previous = ChunkHeader.noOffset
    /// Events by stream, so far.
    private var totals: [UInt64] = []

    /// Opens the log in `directory`. Throws `missing` or `read`.
    public init(directory: String) throws(LogError) {
        self.directory = directory
        let version = try Manifest(directory: directory).formatVersion
        file = ChunkFile(file: try ReadableFile(path: "\(directory)/\(LogWriter.eventsFileName)"), version: version)
        blocks = BlockReader(file: file.file, version: version, chunks: [], limit: BlockReader.standardLimit)
    }

    public var manifest: Manifest { get throws(LogError) { try Manifest(directory: directory) } }

    /// The next chunk of events or openings; nil when it is not there yet, or when the log has ended. Throws `damaged`, `version` or `read`.
    public func nextChunk() throws(LogError) -> Chunk? {
        while ending == nil, let header = try nextHeader() {
            let offset = length
            switch header.type {
            case .blocks:
                let chunk = try file.blocks(header, at: offset)
                index.append(header, offset: offset, runs: [])
                blocks.append(chunk, index.blocks.last!)
                advance(header)
            case .events, .openings:
                let chunk = try file.chunk(header, at: offset, blocks: index.blockCount, of: blocks)
                try count(chunk)
                index.append(header, offset: offset, runs: chunk.runs)
                advance(header)
                return chunk
            case .end: ending = try file.ending(file.chunk(header, at: offset))
            case .index: throw file.damaged(offset, "an index before the end")
            }
        }
        return nil
    }

    /// The chunks of events and openings from an offset on that `length` was once.
    public func chunks(from offset: UInt64) throws(LogError) -> [Chunk] {
        var chunks: [Chunk] = []
        for entry in index.chunks where entry.offset >= offset {
            let header = try file.header(at: entry.offset)
            chunks.append(try file.chunk(header, at: entry.offset, blocks: index.blockCount, of: blocks))
        }
        return chunks
    }

    /// Takes back what follows an offset that `length` was once: a writer goes on from there.
    public func cut(at offset: UInt64) {
        index.cut(at: offset)
        length = offset
        let layout = index.layout()
        previous = layout?.last ?? ChunkHeader.noOffset
        totals = layout?.totals ?? []
    }

    /// The header of the next chunk, when all of that is there.
    private func nextHeader() throws(LogError) -> ChunkHeader? {
        let rest = file.file.sizeNow() - length
        guard rest >= UInt64(ChunkHeader.size) else { return nil }
        let bytes = try file.file.bytes(at: length, count: ChunkHeader.size)
        let header: ChunkHeader
        do throws(ChunkHeader.Invalid) {
            header = try ChunkHeader(bytes)
        } catch {
            switch error {
            case .version(let found): throw .version(found: found)
            case .damaged(let reason): throw file.damaged(length, reason)
            }
        }
        try file.check(header, at: length)
        guard header.length <= rest else { return nil }
        let number = header.type == .blocks ? index.blocks.count : index.chunks.count
        guard header.number == number, header.previous == previous, header.firstEvent == index.events,
            header.type != .blocks || header.firstBlock == index.blockCount
        else { throw file.damaged(length, "chunk \(header.number) stands where chunk \(number) should") }
        return header
    }

    private func advance(_ header: ChunkHeader) {
        previous = length
        length += header.length
    }

    private func count(_ chunk: Chunk) throws(LogError) {
        for run in chunk.runs {
            let stream = Int(run.stream)
            guard stream < LogWriter.streamLimit else { throw file.damaged(length, "stream number \(stream)") }
            if stream >= totals.count { totals += repeatElement(0, count: stream + 1 - totals.count) }
            guard totals[stream] == run.firstEvent else {
                throw file.damaged(length, "the events of stream \(stream) do not follow one upon the other")
            }
            totals[stream] += UInt64(run.events)
        }
    }
}
