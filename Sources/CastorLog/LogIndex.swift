/// Where everything is: one entry per chunk of events, openings or blocks. Body of the index chunk:
///
///     u32 number of chunks of events or openings, then per chunk
///         u64 offset | u64 length | u64 events before | u64 smallest stamp | u64 largest stamp | u32 runs
///         per run: u32 stream | u32 events | u64 first event
///     from version 2 on: u32 number of chunks of blocks, then per chunk
///         u64 offset | u64 length | u64 number of its first block | u32 blocks
public struct LogIndex: Equatable, Sendable {
    public struct Range: Equatable, Sendable {
        public var stream: UInt32
        public var events: UInt32
        /// Index in the stream.
        public var firstEvent: UInt64
    }

    public struct Entry: Equatable, Sendable {
        /// Bytes from the start of the events file.
        public var offset: UInt64
        /// Bytes of the whole chunk.
        public var length: UInt64
        /// Events in the chunks before.
        public var firstEvent: UInt64
        /// TSC ticks; 0: no event of the chunk has a stamp.
        public var minStamp: UInt64
        public var maxStamp: UInt64
        /// By stream, ascending.
        public var ranges: [Range]
        public var events: UInt64 { ranges.reduce(0) { $0 + UInt64($1.events) } }
    }

    /// A chunk of blocks.
    struct Blocks: Equatable, Sendable {
        var offset: UInt64
        var length: UInt64
        var first: UInt64
        var count: UInt32
    }

    public internal(set) var chunks: [Entry] = []
    private(set) var blocks: [Blocks] = []

    /// As versions from 2 on have it.
    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(little: UInt32(chunks.count))
        for chunk in chunks {
            for field in [chunk.offset, chunk.length, chunk.firstEvent, chunk.minStamp, chunk.maxStamp] {
                bytes.append(little: field)
            }
            bytes.append(little: UInt32(chunk.ranges.count))
            for range in chunk.ranges {
                bytes.append(little: range.stream)
                bytes.append(little: range.events)
                bytes.append(little: range.firstEvent)
            }
        }
        bytes.append(little: UInt32(blocks.count))
        for chunk in blocks {
            for field in [chunk.offset, chunk.length, chunk.first] { bytes.append(little: field) }
            bytes.append(little: chunk.count)
        }
        return bytes
    }

    init() {}

    /// nil when the bytes are not an index.
    init?(_ bytes: UnsafeRawBufferPointer, version: UInt16 = logFormatVersion) {
        var reader = ByteReader(bytes)
        guard let count = reader.next(UInt32.self) else { return nil }
        for _ in 0..<count {
            guard let offset = reader.next(UInt64.self), let length = reader.next(UInt64.self),
                let firstEvent = reader.next(UInt64.self), let minStamp = reader.next(UInt64.self),
                let maxStamp = reader.next(UInt64.self), let runs = reader.next(UInt32.self)
            else { return nil }
            var ranges: [Range] = []
            for _ in 0..<runs {
                guard let stream = reader.next(UInt32.self), let events = reader.next(UInt32.self),
                    let first = reader.next(UInt64.self)
                else { return nil }
                ranges.append(Range(stream: stream, events: events, firstEvent: first))
            }
            chunks.append(
                Entry(
                    offset: offset, length: length, firstEvent: firstEvent, minStamp: minStamp, maxStamp: maxStamp,
                    ranges: ranges))
        }
        if version >= 2 {
            guard let count = reader.next(UInt32.self) else { return nil }
            for _ in 0..<count {
                guard let offset = reader.next(UInt64.self), let length = reader.next(UInt64.self),
                    let first = reader.next(UInt64.self), let count = reader.next(UInt32.self)
                else { return nil }
                blocks.append(Blocks(offset: offset, length: length, first: first, count: count))
            }
        }
        guard reader.remaining == 0 else { return nil }
    }

    /// The next chunk of the log, which is one of events, openings or blocks.
    mutating func append(_ header: ChunkHeader, offset: UInt64, runs: [Run]) {
        if header.type == .blocks {
            blocks.append(Blocks(offset: offset, length: header.length, first: header.firstBlock, count: header.blocks))
            return
        }
        chunks.append(
            Entry(
                offset: offset, length: header.length, firstEvent: header.firstEvent, minStamp: header.minStamp,
                maxStamp: header.maxStamp,
                ranges: runs.map { Range(stream: $0.stream, events: $0.events, firstEvent: $0.firstEvent) }))
    }

    /// Forgets the chunks from this offset on.
    mutating func cut(at offset: UInt64) {
        chunks.removeAll { $0.offset >= offset }
        blocks.removeAll { $0.offset >= offset }
    }

    /// Events of the whole log.
    public var events: UInt64 { chunks.last.map { $0.firstEvent &+ $0.events } ?? 0 }

    /// Blocks of the whole log.
    var blockCount: UInt64 { blocks.last.map { $0.first &+ UInt64($0.count) } ?? 0 }

    /// What follows from the order of all chunks in the file.
    struct Layout {
        /// Events by stream.
        var totals: [UInt64] = []
        /// Per chunk of events: where the chunk before it starts, and how many blocks come before it.
        var before: [(offset: UInt64, blocks: UInt64)] = []
        /// Start and end of the last chunk.
        var last = ChunkHeader.noOffset
        var end: UInt64 = 0
    }

    /// nil when the chunks do not follow one upon the other without gaps, or the events of a stream or the blocks do not.
    func layout() -> Layout? {
        var layout = Layout()
        var events: UInt64 = 0
        var seen: UInt64 = 0
        var next = (events: 0, blocks: 0)
        while next.events < chunks.count || next.blocks < blocks.count {
            let start = layout.end
            let length: UInt64
            if next.blocks < blocks.count, blocks[next.blocks].offset == start {
                let chunk = blocks[next.blocks]
                next.blocks += 1
                guard chunk.first == seen else { return nil }
                seen += UInt64(chunk.count)
                length = chunk.length
            } else {
                guard next.events < chunks.count, chunks[next.events].offset == start else { return nil }
                let chunk = chunks[next.events]
                next.events += 1
                guard chunk.firstEvent == events, LogIndex.count(chunk, &layout.totals, &events) else { return nil }
                layout.before.append((layout.last, seen))
                length = chunk.length
            }
            guard length > 0, case (let end, false) = start.addingReportingOverflow(length) else { return nil }
            (layout.last, layout.end) = (start, end)
        }
        return layout
    }

    private static func count(_ chunk: Entry, _ totals: inout [UInt64], _ events: inout UInt64) -> Bool {
        for range in chunk.ranges {
            let stream = Int(range.stream)
            guard stream < LogWriter.streamLimit else { return false }
            if stream >= totals.count { totals += repeatElement(0, count: stream + 1 - totals.count) }
            guard totals[stream] == range.firstEvent else { return false }
            totals[stream] += UInt64(range.events)
            events += UInt64(range.events)
        }
        return true
    }
}
