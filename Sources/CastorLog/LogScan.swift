/// Opens a log that does not end in its trailer, by reading its chunks from the start.
///
/// Such a log is cut off (the machine or the agent died, or somebody copied a part), damaged, or both. It counts
/// as cut off when everything up to some place is whole and nothing after that place is: then it can be read up
/// to there. When more follows a broken part, the log is damaged.
import Glibc

struct LogScan {
    private let file: ChunkFile

    init(_ file: ChunkFile) { self.file = file }

    func layout() throws(LogError) -> LogLayout {
        var layout = LogLayout()
        layout.isTruncated = true
        var offset: UInt64 = 0
        var previous = ChunkHeader.noOffset
        var number: UInt32 = 0
        var blocks: UInt32 = 0
        while let header = try wholeHeader(at: offset) {
            let isOfBlocks = header.type == .blocks
            guard header.number == (isOfBlocks ? blocks : number), header.previous == previous,
                header.firstEvent == layout.index.events, !isOfBlocks || header.firstBlock == layout.index.blockCount
            else { throw file.damaged(offset, "chunk \(header.number) stands where chunk \(number) should") }
            guard layout.ending == nil || header.type == .index else {
                throw file.damaged(offset, "a chunk after the end chunk")
            }
            guard let content = try wholeContent(header, at: offset) else { break }
            switch content {
            case .blocks: layout.index.append(header, offset: offset, runs: [])
            case .chunk(let chunk) where header.type == .events || header.type == .openings:
                layout.index.append(header, offset: offset, runs: chunk.runs)
            case .chunk(let chunk) where header.type == .end: layout.ending = try file.ending(chunk)
            case .chunk(let chunk):
                guard layout.ending != nil, try file.index(chunk) == layout.index else {
                    throw file.damaged(offset, "the index does not fit the chunks")
                }
                try checkTail(from: offset + header.length)
                return layout
            }
            previous = offset
            offset += header.length
            if isOfBlocks { blocks += 1 } else { number += 1 }
        }
        return layout
    }

    /// The header of the chunk at `offset`; nil when the log is cut off there.
    private func wholeHeader(at offset: UInt64) throws(LogError) -> ChunkHeader? {
        let rest = file.size - offset
        guard rest >= UInt64(ChunkHeader.size) else { return nil }
        let bytes = try file.file.bytes(at: offset, count: ChunkHeader.size)
        let header: ChunkHeader
        do throws(ChunkHeader.Invalid) {
            header = try ChunkHeader(bytes)
        } catch {
            switch error {
            case .version(let found): throw .version(found: found)
            case .damaged(let reason):
                if try hasHeader(after: offset) { throw file.damaged(offset, reason) }
                return nil
            }
        }
        try file.check(header, at: offset)
        return header.length > rest ? nil : header
    }

    private enum Content {
        case chunk(Chunk)
        case blocks(BlockChunk)
    }

    /// What the chunk holds; nil when it is the last thing in the file and not whole.
    private func wholeContent(_ header: ChunkHeader, at offset: UInt64) throws(LogError) -> Content? {
        do {
            return header.type == .blocks
                ? .blocks(try file.blocks(header, at: offset)) : .chunk(try file.chunk(header, at: offset))
        } catch .damaged where header.length == file.size - offset {
            return nil
        }
    }

    /// What follows the index of a log without a trailer at its very end.
    private func checkTail(from offset: UInt64) throws(LogError) {
        let rest = file.size - offset
        if rest < UInt64(Trailer.size) { return }
        let trailer = Trailer(try file.file.bytes(at: offset, count: Trailer.size))
        // A whole log and something after it.
        if trailer?.fileLength == offset + UInt64(Trailer.size) { return }
        throw file.damaged(offset, "no trailer after the index")
    }

    /// Whether a valid chunk header starts anywhere after `offset`.
    private func hasHeader(after offset: UInt64) throws(LogError) -> Bool {
        let block: UInt64 = 1 << 20
        var start = offset + 1
        while file.size - start >= UInt64(ChunkHeader.size) {
            let count = min(file.size - start, block + UInt64(ChunkHeader.size) - 1)
            let bytes = try file.file.bytes(at: start, count: Int(count))
            if LogScan.containsHeader(bytes) { return true }
            start += count - UInt64(ChunkHeader.size) + 1
        }
        return false
    }

    private static func containsHeader(_ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { buffer in
            let base = buffer.baseAddress!
            let last = buffer.count - ChunkHeader.size
            var position = 0
            while position <= last, let found = memchr(base + position, 0x43, last - position + 1) {
                position = UnsafeRawPointer(found) - base
                if buffer.loadUnaligned(fromByteOffset: position, as: UInt64.self).littleEndian == ChunkHeader.magic,
                    (try? ChunkHeader(Array(bytes[position..<position + ChunkHeader.size]))) != nil
                {
                    return true
                }
                position += 1
            }
            return false
        }
    }
}
