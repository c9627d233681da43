/// Large payloads: each content is stored once, whatever the way in which it comes and is asked for.
import CTSXShim
import Testing

@testable import CastorLog

@Suite struct BlockTests {
    private let directory = TemporaryDirectory()

    private func event(_ payload: [UInt8], stream: UInt32 = 0) -> Event {
        var entry = castor_entry()
        entry.kind = CASTOR_EV_SYSCALL
        entry.shard = castorNoShard
        entry.payload = UInt32(payload.count)
        return Event(stream: stream, entry: entry, payload: payload)
    }

    private func size() throws -> Int { try readFile("\(directory.path)/events").count }

    @Test func eachContentOnce() throws {
        var random = Random(seed: 41)
        let pages = (0..<20).map { _ in random.bytes(4096) }
        let events = (0..<5000).map { _ in event(pages[random.below(20)], stream: UInt32(random.below(3))) }
        try writeLog(directory.path, events, chunk: 700)
        let reader = try LogReader(directory: directory.path)
        #expect(reader.blockCount == 20)
        #expect(try readAll(reader) == byStream(events))
        #expect(try size() < 20 * 4096 + 30_000)
    }

    /// A file that is read again from its start follows block by block.
    @Test func sequenceOfBlocksCostsAByteEach() throws {
        var random = Random(seed: 42)
        let file = random.bytes(400 * 4096)
        try writeLog(directory.path, [event(file), event(file)], chunk: 1)
        let reader = try LogReader(directory: directory.path)
        #expect(reader.blockCount == 400)
        #expect(try reader.chunk(at: 1).rawLength < 420)
        #expect(try readAll(reader) == byStream([event(file), event(file)]))
    }

    @Test func everyLength() throws {
        var random = Random(seed: 43)
        let source = random.bytes(20_000)
        let lengths =
            [0, 1, 1023, 1024, 1025, 4095, 4096, 4097, 5119, 5120, 5121, 8191, 8192, 12_288]
            + (0..<100).map { _ in random.below(20_000) }
        let events = lengths.map { event(Array(source[..<$0])) }
        try writeLog(directory.path, events, chunk: 10)
        #expect(try readAll(LogReader(directory: directory.path)) == byStream(events))
        // The blocks of the longest, and last blocks of the others.
        #expect(try LogReader(directory: directory.path).blockCount <= UInt64(5 + lengths.count))
    }

    /// Pieces as they come from a ring make the same blocks as the whole.
    @Test(arguments: [1, 64, 1000, 1024, 4096, 5000, 30_000]) func payloadInPieces(piece: Int) throws {
        var random = Random(seed: 44)
        let events = [900, 1500, 4096, 9000, 30_000].map { event(random.bytes($0)) }
        let writer = try LogWriter(directory: directory.path, manifest: sampleManifest())
        for event in events {
            try writer.append(event)
            var entry = event.entry
            try writer.beginEvent(stream: 1, &entry)
            for start in stride(from: 0, to: event.payload.count, by: piece) {
                let part = Array(event.payload[start..<min(start + piece, event.payload.count)])
                try part.withUnsafeBytes { _ = try writer.continuePayload(stream: 1, $0) }
            }
        }
        try writer.finish(sampleEnding)
        let reader = try LogReader(directory: directory.path)
        #expect(reader.blockCount == 0 + 1 + 1 + 2 + 8)  // of 900 bytes none, of 9000 not the last 808
        let all = try readAll(reader)
        #expect(all[0]?.map(\.payload) == events.map(\.payload))
        #expect(all[1]?.map(\.payload) == events.map(\.payload))
    }

    /// What is forgotten is stored again, and read back all the same.
    @Test func boundedMemory() throws {
        var random = Random(seed: 45)
        let pages = (0..<200).map { _ in random.bytes(1500) }
        let events = (0..<3000).map { event(pages[$0 < 1000 ? random.below(6) : random.below(200)]) }
        let sink = PlayedSink()
        let writer = try LogWriter(directory: directory.path, manifest: sampleManifest(), sink: sink, blockSets: 4)
        for event in events { try writer.append(event) }
        try writer.finish(sampleEnding)
        writeFile("\(directory.path)/events", sink.bytes)
        // A reader that can keep one chunk of blocks.
        let reader = try LogReader(directory: directory.path, keptBlocks: 300_000)
        #expect(reader.blockCount > 1500 && reader.index.blocks.count > 5)
        #expect(try readAll(reader) == byStream(events))
    }

    @Test func chunksInAnyOrder() throws {
        var random = Random(seed: 46)
        let pages = (0..<300).map { _ in random.bytes(4096) }
        let events = (0..<1000).map { _ in event(pages[random.below(300)]) }
        try writeLog(directory.path, events, chunk: 50)
        let reader = try LogReader(directory: directory.path)
        #expect(reader.index.blocks.count > 3)
        for number in reader.index.chunks.indices.shuffled(using: &random) {
            var place = number * 50
            try reader.chunk(at: number).forEach(stream: 0) { _, _, payload in
                #expect(payload.elementsEqual(events[place].payload))
                place += 1
            }
        }
    }

    /// What a chunk unpacks to is bounded, however little its references take.
    @Test func referencesEndAChunk() throws {
        let page = [UInt8](repeating: 5, count: 4096)
        try writeLog(directory.path, (0..<5000).map { _ in event(page) })
        let reader = try LogReader(directory: directory.path)
        #expect(reader.index.chunks.count == 20)
        #expect(reader.index.chunks.allSatisfy { $0.events <= 256 })
    }

    /// Blocks come before the chunk that refers to them: a cut never leaves a reference without its block.
    @Test func cutOffAnywhere() throws {
        var random = Random(seed: 47)
        let pages = (0..<100).map { _ in random.bytes(4096) }
        let events = (0..<400).map { event(pages[min(random.below(1 + $0), 99)]) }
        try writeLog(directory.path, events, chunk: 40, ending: nil)
        let whole = try readFile("\(directory.path)/events")
        for length in stride(from: whole.count, to: 0, by: -1777) {
            writeFile("\(directory.path)/events", whole[..<length])
            let reader = try LogReader(directory: directory.path, allowTruncated: true)
            #expect(try readAll(reader) == byStream(events[..<Int(reader.events)]), "length \(length)")
        }
    }
}
