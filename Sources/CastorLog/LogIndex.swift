/// Where everything is: one entry per events chunk. Body of the index chunk:
///
///     u32 number of chunks, then per chunk
///         u64 offset | u64 length | u64 events before | u64 smallest stamp | u64 largest stamp | u32 runs
///         per run: u32 stream | u32 events | u64 first event
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

    public internal(set) var chunks: [Entry] = []

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
        return bytes
    }

    init() {}

    /// nil when the bytes are not an index.
    init?(_ bytes: UnsafeRawBufferPointer) {
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
        guard reader.remaining == 0 else { return nil }
    }

    mutating func append(_ header: ChunkHeader, offset: UInt64, runs: [Run]) {
        chunks.append(
            Entry(
                offset: offset, length: header.length, firstEvent: header.firstEvent, minStamp: header.minStamp,
                maxStamp: header.maxStamp,
                ranges: runs.map { Range(stream: $0.stream, events: $0.events, firstEvent: $0.firstEvent) }))
    }

    /// Events of the whole log.
    public var events: UInt64 { chunks.last.map { $0.firstEvent &+ $0.events } ?? 0 }

    /// Events by stream, or nil when the chunks do not follow one upon the other without gaps, or the events
    /// of a stream do not.
    func totals() -> [UInt64]? {
        var totals: [UInt64] = []
        var offset: UInt64 = 0
        var events: UInt64 = 0
        for chunk in chunks {
            guard chunk.offset == offset, chunk.firstEvent == events,
                case (let end, false) = offset.addingReportingOverflow(chunk.length)
            else { return nil }
            for range in chunk.ranges {
                let stream = Int(range.stream)
                guard stream < LogWriter.streamLimit else { return nil }
                if stream >= totals.count { totals += repeatElement(0, count: stream + 1 - totals.count) }
                guard totals[stream] == range.firstEvent else { return nil }
                totals[stream] += UInt64(range.events)
                events += UInt64(range.events)
            }
            offset = end
        }
        return totals
    }
}
