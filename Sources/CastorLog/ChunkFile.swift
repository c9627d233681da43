/// The events file as chunks: reading one, and opening a complete log through its trailer.

import CTSXShim
import Glibc

final class ChunkFile {
    let file: ReadableFile
    private let decompressor = Decompressor()

    /// The format of the log, as its manifest says: no chunk is of another.
    let version: UInt64

    init(file: ReadableFile, version: UInt64) {
        self.file = file
        self.version = version
    }

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
        try check(header, at: offset)
        guard header.length <= size - offset else {
            throw damaged(offset, "the file ends inside chunk \(header.number)")
        }
        return header
    }

    /// A chunk of another format than the log's belongs to another log.
    func check(_ header: ChunkHeader, at offset: UInt64) throws(LogError) {
        guard UInt64(header.version) == version else {
            throw damaged(offset, "chunk \(header.number) has format \(header.version), the manifest \(version)")
        }
    }

    /// Reads, checks and unpacks the chunk at `offset`, whose header was read before. Its events may refer to the first
    /// `blocks` contents of `store`.
    func chunk(
        _ header: ChunkHeader, at offset: UInt64, blocks: UInt64 = 0, of store: BlockReader? = nil
    ) throws(LogError) -> Chunk {
        let (directory, body) = try unpacked(header, at: offset)
        guard let runs = directory.withUnsafeBytes({ Run.directory($0, header: header) }),
            header.type != .events || !runs.isEmpty
        else {
            free(body.baseAddress)
            throw damaged(offset, "chunk \(header.number): its run directory is not one")
        }
        guard header.type != .openings || header.rawLength == UInt64(header.openings) * UInt64(MemoryLayout<castor_tcp>.size) else {
            free(body.baseAddress)
            throw damaged(offset, "chunk \(header.number): it is too short or too long for its openings")
        }
        return Chunk(
            path: file.path, offset: offset, header: header, runs: runs, body: body, blocks: blocks, store: store)
    }

    /// The contents in the chunk at `offset`.
    func blocks(_ header: ChunkHeader, at offset: UInt64) throws(LogError) -> BlockChunk {
        let (_, body) = try unpacked(header, at: offset)
        guard let blocks = BlockChunk(header, body: body) else {
            throw damaged(offset, "blocks \(header.firstBlock) on: their lengths do not fit together")
        }
        return blocks
    }

    /// Directory and body of a chunk; the body, which the caller frees, is followed by `EventCodec.slack` zero bytes.
    private func unpacked(
        _ header: ChunkHeader, at offset: UInt64
    ) throws(LogError) -> (directory: [UInt8], body: UnsafeMutableRawBufferPointer) {
        let directoryLength = Int(header.directoryLength)
        let stored = try allocate(directoryLength + Int(header.storedLength), at: offset)
        defer { free(stored.baseAddress) }
        try file.read(into: stored, at: offset + UInt64(ChunkHeader.size))
        guard checksum(UnsafeRawBufferPointer(stored)) == header.bodyChecksum else {
            throw damaged(offset, "chunk \(header.number): checksum mismatch")
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
        return (Array(stored[..<directoryLength]), body)
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
        guard let index = LogIndex(chunk.bytes, version: chunk.header.version) else { throw damaged(chunk.offset, "the index chunk holds no index") }
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
        guard let layout = index.layout() else { throw damaged(indexOffset, "the chunks do not follow one upon the other") }
        guard endHeader.type == .end, endOffset + endHeader.length == indexOffset, endHeader.previous == layout.last,
            endOffset == layout.end,
            Int(endHeader.number) == index.chunks.count, Int(indexHeader.number) == index.chunks.count + 1,
            endHeader.firstEvent == index.events, indexHeader.firstEvent == index.events
        else { throw damaged(endOffset, "the end chunk does not fit the index") }
        return LogLayout(index: index, ending: try ending(chunk(endHeader, at: endOffset)))
    }
}
