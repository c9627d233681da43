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
    private(set) var index = LogIndex()
    private(set) var nextNumber: UInt32 = 0
    private(set) var previous = ChunkHeader.noOffset
    /// Events by stream, so far.
    private(set) var totals: [UInt64] = []

    /// Opens the log in `directory`. Throws `missing` or `read`.
    public init(directory: String) throws(LogError) {
        self.directory = directory
        file = ChunkFile(file: try ReadableFile(path: "\(directory)/\(LogWriter.eventsFileName)"))
    }

    public var manifest: Manifest { get throws(LogError) { try Manifest(directory: directory) } }

    /// The next chunk of events; nil when it is not there yet, or when the log has ended. Throws `damaged`, `version` or `read`.
    public func nextChunk() throws(LogError) -> Chunk? {
        guard ending == nil else { return nil }
        let rest = file.file.sizeNow() - length
        guard rest >= UInt64(ChunkHeader.size) else { return nil }
        let header: ChunkHeader
        do throws(ChunkHeader.Invalid) {
            header = try ChunkHeader(try! file.file.bytes(at: length, count: ChunkHeader.size))
        } catch {
            switch error {
            case .version(let found): throw .version(found: found)
            case .damaged(let reason): throw file.damaged(length, reason)
            }
        }
        guard header.length <= rest else { return nil }
        guard header.number == nextNumber, header.previous == previous, header.firstEvent == index.events else {
            throw file.damaged(length, "chunk \(header.number) stands where chunk \(nextNumber) should")
        }
        let chunk = try file.chunk(header, at: length)
        switch header.type {
        case .events:
            try count(chunk)
            index.append(header, offset: length, runs: chunk.runs)
        case .end: ending = try file.ending(chunk)
        case .index: throw file.damaged(length, "an index before the end")
        }
        previous = length
        length += header.length
        nextNumber += 1
        return header.type == .events ? chunk : nil
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
