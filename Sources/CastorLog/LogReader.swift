/// Reads a log. Used by one thread at a time; the chunks it returns may be used by others.
///
/// A complete log is opened through its trailer and index; a log without them is scanned from its start, header
/// by header. Chunks are checked when they are read, so a damaged one does not hide those before it.
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
    private var position = 0

    /// Opens the log in `directory`. Throws `missing`, `damaged`, `version`, `read`, or, unless
    /// `allowTruncated`, `truncated`.
    public init(directory: String, allowTruncated: Bool = false) throws(LogError) {
        let path = "\(directory)/\(LogWriter.eventsFileName)"
        manifest = try Manifest(directory: directory)
        file = ChunkFile(file: try ReadableFile(path: path))
        let layout: LogLayout
        if let indexed = try file.indexed() { layout = indexed } else { layout = try LogScan(file).layout() }
        index = layout.index
        ending = layout.ending
        isTruncated = layout.isTruncated
        guard let totals = index.totals() else { throw file.damaged(0, "the chunks do not follow one upon the other") }
        if let ending, ending.events != totals { throw file.damaged(0, "the ending and the chunks disagree") }
        self.totals = totals
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
        let previous = number == 0 ? ChunkHeader.noOffset : index.chunks[number - 1].offset
        guard header.type == .events, header.number == number, header.previous == previous,
            header.length == entry.length,
            header.firstEvent == entry.firstEvent, header.minStamp == entry.minStamp, header.maxStamp == entry.maxStamp
        else { throw file.damaged(entry.offset, "chunk \(number) is not the one in the index") }
        let chunk = try file.chunk(header, at: entry.offset)
        guard
            chunk.runs.elementsEqual(
                entry.ranges,
                by: { run, range in
                    run.stream == range.stream && run.events == range.events && run.firstEvent == range.firstEvent
                })
        else { throw file.damaged(entry.offset, "chunk \(number): its runs are not those in the index") }
        return chunk
    }

    /// Bytes of chunk `number`'s coded events before and after compression, from its header alone.
    public func lengths(ofChunk number: Int) throws(LogError) -> (raw: UInt64, stored: UInt64) {
        let header = try file.header(at: index.chunks[number].offset)
        return (header.rawLength, header.storedLength)
    }

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
