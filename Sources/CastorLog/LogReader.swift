/// Reads a log. Used by one thread at a time; the chunks it returns may be used by others.
///
/// A complete log is opened through its trailer and index; a log without them is scanned from its start, header
/// by header. Chunks are checked when they are read, so a damaged one does not hide those before it. Contents that events
/// refer to are read when an event's payload is asked for.
import Glibc

public final class LogReader {
    public let manifest: Manifest
    /// How the recording ended; nil when the log is cut off before it says so.
    public let ending: Ending?
    /// Whether the log is cut off. Only ever true when it was opened with `allowTruncated`.
    public let isTruncated: Bool
    public let index: LogIndex
    /// Events by stream.
    public let totals: [UInt64]
    /// Length of the events file in bytes, including what follows the last whole chunk.
    public var size: UInt64 { file.size }
    /// Events in all.
    public var events: UInt64 { index.events }

    private let file: ChunkFile
    private let layout: LogIndex.Layout
    private let blocks: BlockReader
    private var position = 0

    /// Opens the log in `directory`. Throws `missing`, `damaged`, `version`, `read`, or, unless
    /// `allowTruncated`, `truncated`.
    public convenience init(directory: String, allowTruncated: Bool = false) throws(LogError) {
        try self.init(directory: directory, allowTruncated: allowTruncated, keptBlocks: BlockReader.standardLimit)
    }

    /// Keeps `keptBlocks` bytes of contents in memory.
    init(directory: String, allowTruncated: Bool = false, keptBlocks: Int) throws(LogError) {
        let path = "\(directory)/\(LogWriter.eventsFileName)"
        manifest = try Manifest(directory: directory)
        file = ChunkFile(file: try ReadableFile(path: path), version: manifest.formatVersion)
        let found: LogLayout
        if let indexed = try file.indexed() { found = indexed } else { found = try LogScan(file).layout() }
        index = found.index
        ending = found.ending
        isTruncated = found.isTruncated
        guard let layout = index.layout() else { throw file.damaged(0, "the chunks do not follow one upon the other") }
        if let ending, ending.events != layout.totals { throw file.damaged(0, "the ending and the chunks disagree") }
        self.layout = layout
        totals = layout.totals
        blocks = BlockReader(file: file.file, version: manifest.formatVersion, chunks: index.blocks, limit: keptBlocks)
        if isTruncated && !allowTruncated { throw .truncated(eventsReadable: index.events) }
    }

    /// The next chunk in the log's order; nil at the end.
    public func nextChunk() throws(LogError) -> Chunk? {
        guard position < index.chunks.count else { return nil }
        let chunk = try chunk(at: position)
        position += 1
        return chunk
    }

    /// Whether `nextChunk` has returned the last one.
    public var isAtEnd: Bool { position >= index.chunks.count }

    /// Lets `nextChunk` go on from this chunk.
    public func seek(to number: Int) { position = number }

    /// Reads chunk `number`, which is below `index.chunks.count`.
    public func chunk(at number: Int) throws(LogError) -> Chunk {
        let entry = index.chunks[number]
        let header = try file.header(at: entry.offset)
        let before = layout.before[number]
        guard header.type == .events || header.type == .openings, header.number == number, header.previous == before.offset,
            header.length == entry.length,
            header.firstEvent == entry.firstEvent, header.minStamp == entry.minStamp, header.maxStamp == entry.maxStamp
        else { throw file.damaged(entry.offset, "chunk \(number) is not the one in the index") }
        let chunk = try file.chunk(header, at: entry.offset, blocks: before.blocks, of: blocks)
        guard
            chunk.runs.elementsEqual(
                entry.ranges,
                by: { run, range in
                    run.stream == range.stream && run.events == range.events && run.firstEvent == range.firstEvent
                })
        else { throw file.damaged(entry.offset, "chunk \(number): its runs are not those in the index") }
        return chunk
    }

    /// Bytes of all chunks before and after compression, from their headers alone: of coded events, and of the contents that
    /// they refer to.
    public func lengths() throws(LogError) -> (raw: UInt64, stored: UInt64) {
        var sum: (raw: UInt64, stored: UInt64) = (0, 0)
        for offset in index.chunks.map(\.offset) + index.blocks.map(\.offset) {
            let header = try file.header(at: offset)
            sum.raw += header.rawLength
            sum.stored += header.storedLength
        }
        return sum
    }

    /// Contents that events refer to.
    public var blockCount: UInt64 { index.blockCount }

    /// Numbers of the chunks that hold events of `stream` with indices in `range`.
    public func chunks(stream: UInt32, events range: Range<UInt64>) -> [Int] {
        index.chunks.indices.filter { number in
            index.chunks[number].ranges.contains {
                $0.stream == stream && $0.firstEvent < range.upperBound
                    && $0.firstEvent + UInt64($0.events) > range.lowerBound
            }
        }
    }
}

extension LogReader {
    /// Whether a writer has the log open: it holds a lock on the events file until it finishes or dies.
    public static func isBeingWritten(directory: String) -> Bool {
        let descriptor = open("\(directory)/\(LogWriter.eventsFileName)", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK
    }
}

/// What opening a log finds out.
struct LogLayout {
    var index = LogIndex()
    var ending: Ending?
    var isTruncated = false
}
