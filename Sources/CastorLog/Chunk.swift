/// One chunk of events or openings, read, checked and unpacked.
import CTSXShim
import Glibc

public final class Chunk {
    /// The events file, and where the chunk starts in it.
    let path: String
    public let offset: UInt64
    let header: ChunkHeader
    /// One run per stream that has events here, by stream.
    public let runs: [Run]
    /// The body, followed by `EventCodec.slack` zero bytes.
    private let body: UnsafeMutableRawBufferPointer
    /// Contents that events here may refer to: the first so many of the log's.
    let blocks: UInt64
    let store: BlockReader?

    /// Place in the log, from 0.
    public var number: Int { Int(header.number) }
    public var events: Int { Int(header.events) }
    /// Events of all streams in the chunks before.
    public var firstEvent: UInt64 { header.firstEvent }
    /// TSC ticks; 0: no event here has a stamp.
    public var minStamp: UInt64 { header.minStamp }
    public var maxStamp: UInt64 { header.maxStamp }
    /// Bytes of coded events before and after compression.
    public var rawLength: UInt64 { header.rawLength }
    public var storedLength: UInt64 { header.storedLength }
    /// Whether compression was left out.
    public var isRaw: Bool { header.flags.contains(.raw) }

    /// Takes over `body`, which is `header.rawLength` bytes and the slack.
    init(
        path: String, offset: UInt64, header: ChunkHeader, runs: [Run], body: UnsafeMutableRawBufferPointer,
        blocks: UInt64 = 0, store: BlockReader? = nil
    ) {
        self.path = path
        self.offset = offset
        self.header = header
        self.runs = runs
        self.body = body
        self.blocks = blocks
        self.store = store
    }

    deinit { free(body.baseAddress) }

    /// The body without the slack.
    var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: body[..<Int(header.rawLength)])
    }

    /// Connections that clients open, of which no event tells yet.
    public var openings: [castor_tcp] {
        (0..<Int(header.openings)).map { bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<castor_tcp>.size, as: castor_tcp.self) }
    }

    /// The stream's run; nil when it has no events here.
    public func run(stream: UInt32) -> Run? { place(stream).map { runs[$0] } }

    private func place(_ stream: UInt32) -> Int? {
        var low = 0
        var high = runs.count
        while low < high {
            let middle = (low + high) / 2
            if runs[middle].stream < stream { low = middle + 1 } else { high = middle }
        }
        return low < runs.count && runs[low].stream == stream ? low : nil
    }

    /// Reads a stream's events in order; nil when it has none here.
    public func decoder(stream: UInt32) -> EventDecoder? {
        guard let place = place(stream) else { return nil }
        let run = runs[place]
        let sections = (0..<4).map { section in
            UnsafeRawBufferPointer(
                rebasing: body[Int(run.starts[section])..<Int(run.starts[section] + run.lengths[section])])
        }
        return EventDecoder(chunk: self, run: run, sections: sections)
    }

    /// Calls `body` with each event of a stream in order: its index in the stream, the entry, the payload. The
    /// pointers are valid during the call.
    public func forEach(
        stream: UInt32,
        _ body: (_ index: UInt64, _ entry: UnsafePointer<castor_entry>, _ payload: UnsafeRawBufferPointer) throws ->
            Void
    ) throws {
        guard let decoder = decoder(stream: stream) else { return }
        var entry = castor_entry()
        while true {
            let index = decoder.index
            guard let payload = try decoder.next(&entry) else { return }
            try body(index, &entry, payload)
        }
    }
}
