/// The events file as it is written: one chunk after the other. Used by one thread at a time.
///
/// When the sink refuses a chunk the file is cut back to its last whole one.
import Glibc

final class ChunkWriter {
    private let sink: any ByteSink
    /// Bytes of the file.
    private(set) var bytesWritten: UInt64
    /// Events in the chunks written.
    private(set) var events: UInt64
    private(set) var index: LogIndex
    private var previous: UInt64
    private var chunks: UInt32
    private var blockChunks: UInt32

    /// `sink` holds the chunks of `index`, which has this layout.
    init(sink: any ByteSink, index: LogIndex, _ layout: LogIndex.Layout) {
        self.sink = sink
        self.index = index
        (previous, bytesWritten, events) = (layout.last, layout.end, index.events)
        (chunks, blockChunks) = (UInt32(index.chunks.count), UInt32(index.blocks.count))
    }

    deinit { sink.close() }

    /// Writes one chunk: fills in what its header says of the chunks before it. Directory and stored body have been
    /// checksummed.
    func write(_ header: inout ChunkHeader, runs: [Run], directory: [UInt8], stored: UnsafeRawBufferPointer) throws(LogError) {
        header.number = header.type == .blocks ? blockChunks : chunks
        header.firstEvent = events
        header.previous = previous
        let start = bytesWritten
        try write([header.bytes + directory], then: stored)
        previous = start
        if header.type == .blocks { blockChunks += 1 } else { chunks += 1 }
        events += UInt64(header.events)
        if [.events, .openings, .blocks].contains(header.type) { index.append(header, offset: start, runs: runs) }
    }

    /// The last parts of a log: how it ended, the index, the trailer. Waits for the disk.
    func finish(_ ending: Ending) throws(LogError) {
        var ending = ending
        ending.events = index.layout()!.totals
        try write(.end, body: Array(ending.json.text().utf8))
        let indexOffset = bytesWritten
        try write(.index, body: index.bytes)
        let trailer = Trailer(indexOffset: indexOffset, fileLength: bytesWritten + UInt64(Trailer.size))
        try write([trailer.bytes])
        let code = sink.synchronize()
        sink.close()
        guard code == 0 else { throw .write(errno: code) }
    }

    private func write(_ type: ChunkType, body: [UInt8]) throws(LogError) {
        let compressor = Compressor(.standard)
        try body.withUnsafeBufferPointer { bytes throws(LogError) in
            let body = UnsafeRawBufferPointer(bytes)
            var header = ChunkHeader(type: type, number: 0, firstEvent: 0, previous: 0)
            let stored = compressor.store(body, isBulk: false, flags: &header.flags)
            header.describe(body: body, stored: stored, directory: [])
            try write(&header, runs: [], directory: [], stored: stored)
        }
    }

    /// Writes all of it, or cuts the file back to where it was.
    private func write(
        _ parts: [[UInt8]], then rest: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)
    ) throws(LogError) {
        var code: Int32 = 0
        var length = rest.count
        for part in parts where code == 0 {
            length += part.count
            code = part.withUnsafeBytes { writeWhole($0, to: sink) }
        }
        if code == 0 { code = writeWhole(rest, to: sink) }
        guard code == 0 else {
            _ = sink.truncate(to: bytesWritten)
            throw .write(errno: code)
        }
        bytesWritten += UInt64(length)
    }
}

extension ChunkHeader {
    /// Fills in lengths and checksum.
    mutating func describe(body: UnsafeRawBufferPointer, stored: UnsafeRawBufferPointer, directory: [UInt8]) {
        rawLength = UInt64(body.count)
        storedLength = UInt64(stored.count)
        bodyChecksum = checksum(directory, stored)
    }
}
