/// The events file as chunks: reading one, and opening a complete log through its trailer.

import Glibc

final class ChunkFile {
    let file: ReadableFile
    private let decompressor = Decompressor()

    init(file: ReadableFile) { self.file = file }

    var size: UInt64 { file.size }

    func damaged(_ offset: UInt64, _ reason: String) -> LogError {
        .damaged(path: file.path, offset: offset, reason: reason)
    }

    /// Reads and checks the header at `offset`, and that the whole chunk is in the file.
    func header(at offset: UInt64) throws(LogError) -> ChunkHeader {
        let header: ChunkHeader
        let bytes = try file.bytes(at: offset, count: ChunkHeader.size)
        do throws(ChunkHeader.Invalid) {
            header = try ChunkHeader(bytes)
        } catch {
            switch error {
            case .damaged(let reason): throw damaged(offset, reason)
            case .version(let found): throw .version(found: found)
            }
        }
        guard header.length <= size - offset else {
            throw damaged(offset, "the file ends inside chunk \(header.number)")
        }
        return header
    }

    /// Reads, checks and unpacks the chunk at `offset`, whose header was read before.
    func chunk(_ header: ChunkHeader, at offset: UInt64) throws(LogError) -> Chunk {
        let directoryLength = Int(header.directoryLength)
        let stored = try allocate(directoryLength + Int(header.storedLength), at: offset)
        defer { free(stored.baseAddress) }
        try file.read(into: stored, at: offset + UInt64(ChunkHeader.size))
        guard checksum(UnsafeRawBufferPointer(stored)) == header.bodyChecksum else {
            throw damaged(offset, "chunk \(header.number): checksum mismatch")
        }
        let directory = UnsafeRawBufferPointer(rebasing: stored[..<directoryLength])
        guard let runs = Run.directory(directory, header: header), header.type != .events || !runs.isEmpty else {
            throw damaged(offset, "chunk \(header.number): its run directory is not one")
        }
        let packed = UnsafeRawBufferPointer(rebasing: stored[directoryLength...])
        let rawLength = Int(header.rawLength)
        let body = try allocate(rawLength + EventCodec.slack, at: offset)
        let target = UnsafeMutableRawBufferPointer(rebasing: body[..<rawLength])
        if header.flags.contains(.raw) {
            target.copyMemory(from: packed)
        } else if !decompressor.restore(packed, into: target) {
            free(body.baseAddress)
            throw damaged(offset, "chunk \(header.number): cannot be decompressed")
        }
        UnsafeMutableRawBufferPointer(rebasing: body[rawLength...]).initializeMemory(as: UInt8.self, repeating: 0)
        return Chunk(path: file.path, offset: offset, header: header, runs: runs, body: body)
    }

    /// Memory for a length that a file gave: refused rather than fatal when there is not so much.
    private func allocate(_ count: Int, at offset: UInt64) throws(LogError) -> UnsafeMutableRawBufferPointer {
        guard let memory = malloc(max(count, 1)) else { throw .read(path: file.path, errno: ENOMEM) }
        return UnsafeMutableRawBufferPointer(start: memory, count: count)
    }

    /// The content of an end chunk.
    func ending(_ chunk: Chunk) throws(LogError) -> Ending {
        guard let json = try? JSON(parsing: Array(chunk.bytes)), let ending = Ending(json: json) else {
            throw damaged(chunk.offset, "the end chunk holds no ending")
        }
        return ending
    }

    /// The content of an index chunk.
    func index(_ chunk: Chunk) throws(LogError) -> LogIndex {
        guard let index = LogIndex(chunk.bytes) else { throw damaged(chunk.offset, "the index chunk holds no index") }
        return index
    }

    /// The layout of a complete log; nil when the file does not end in a trailer of its own.
    func indexed() throws(LogError) -> LogLayout? {
        guard size >= UInt64(Trailer.size) else { return nil }
        let trailerOffset = size - UInt64(Trailer.size)
        guard let trailer = Trailer(try file.bytes(at: trailerOffset, count: Trailer.size)), trailer.fileLength == size
        else { return nil }
        let indexOffset = trailer.indexOffset
        guard indexOffset <= trailerOffset else { throw damaged(trailerOffset, "the trailer leads outside the file") }
        let indexHeader = try header(at: indexOffset)
        guard indexHeader.type == .index, indexOffset + indexHeader.length == trailerOffset else {
            throw damaged(indexOffset, "no index where the trailer leads")
        }
        let index = try index(chunk(indexHeader, at: indexOffset))
        let endOffset = indexHeader.previous
        guard endOffset < indexOffset else { throw damaged(indexOffset, "the index leads to no end chunk") }
        let endHeader = try header(at: endOffset)
        let last = index.chunks.last
        guard endHeader.type == .end, endOffset + endHeader.length == indexOffset,
            endHeader.previous == last?.offset ?? ChunkHeader.noOffset,
            endOffset == last.map({ $0.offset &+ $0.length }) ?? 0,
            Int(endHeader.number) == index.chunks.count, Int(indexHeader.number) == index.chunks.count + 1,
            endHeader.firstEvent == index.events, indexHeader.firstEvent == index.events
        else { throw damaged(endOffset, "the end chunk does not fit the index") }
        return LogLayout(index: index, ending: try ending(chunk(endHeader, at: endOffset)))
    }
}
