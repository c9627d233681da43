import CTSXShim
import Glibc
import Testing

@testable import CastorLog

@Suite struct DamageTests {
    private let directory = TemporaryDirectory()
    private let events: [Event]
    private var eventsPath: String { "\(directory.path)/events" }
    private var manifestPath: String { "\(directory.path)/manifest.json" }

    init() throws {
        var random = Random(seed: 31)
        var events = random.events(400, streams: 3, largestPayload: 40)
        // Some with contents that are stored as blocks, most of them more than once.
        let contents = [1100, 5000, 4096].map { length in (0..<length).map { UInt8(truncatingIfNeeded: $0 * $0 / 7) } }
        for index in stride(from: 5, to: 400, by: 20) {
            events[index].payload = contents[random.below(3)]
            events[index].entry.payload = UInt32(events[index].payload.count)
        }
        self.events = events
        try writeLog(directory.path, events, chunk: 90)
    }

    private func open(allowTruncated: Bool = false) throws -> LogReader {
        try LogReader(directory: directory.path, allowTruncated: allowTruncated)
    }

    /// Events of the first `count` whole chunks.
    private func first(_ count: Int) -> [UInt32: [Event]] { byStream(events[..<min(count * 90, events.count)]) }

    @Test func truncationAtEveryByte() throws {
        let whole = try readFile(eventsPath)
        let index = try open().index
        let descriptor = Glibc.open(eventsPath, O_WRONLY)
        defer { close(descriptor) }
        for length in (0..<whole.count).reversed() {
            ftruncate(descriptor, off_t(length))
            let chunks = index.chunks.prefix { $0.offset + $0.length <= UInt64(length) }
            let readable = chunks.last.map { $0.firstEvent + $0.events } ?? 0
            #expect(throws: LogError.truncated(eventsReadable: readable), "length \(length)") { try open() }
            if length % 61 == 0 || whole.count - length < 100 {
                let reader = try open(allowTruncated: true)
                #expect(reader.isTruncated)
                #expect(try readAll(reader) == first(chunks.count), "length \(length)")
            }
        }
    }

    @Test func truncationOfALargerLog() throws {
        var random = Random(seed: 32)
        let events = random.events(6000, streams: 5)
        let directory = TemporaryDirectory()
        try writeLog(directory.path, events, chunk: 1000)
        let size = try readFile("\(directory.path)/events").count
        for length in stride(from: size / 4096 * 4096, to: 0, by: -4096) {
            truncate("\(directory.path)/events", off_t(length))
            #expect {
                try LogReader(directory: directory.path)
            } throws: { error in
                if case .truncated = error as? LogError { true } else { false }
            }
            let reader = try LogReader(directory: directory.path, allowTruncated: true)
            #expect(try readAll(reader) == byStream(events[..<Int(reader.events)]))
        }
    }

    @Test(arguments: [1, 2] as [UInt64]) func bitFlips(seed: UInt64) throws {
        var random = Random(seed: seed)
        let files = [try readFile(manifestPath), try readFile(eventsPath)]
        for _ in 0..<500 {
            let which = random.chance(20) ? 0 : 1
            let place = random.below(files[which].count)
            let bit = random.below(8)
            var damaged = files[which]
            damaged[place] ^= 1 << bit
            writeFile(which == 0 ? manifestPath : eventsPath, damaged)
            let comment: Comment = "seed \(seed), file \(which), byte \(place), bit \(bit)"
            #expect(throws: LogError.self, comment) { _ = try readAll(open()) }
            // Where something can be read all the same, it is the truth.
            if let reader = try? open(allowTruncated: true) {
                while true {
                    guard let chunk = try? reader.nextChunk() else { break }
                    for run in chunk.runs {
                        let expected = byStream(events)[run.stream]!
                        // Blocks may be damaged.
                        try? chunk.forEach(stream: run.stream) { index, entry, payload in
                            let event = Event(stream: run.stream, entry: entry.pointee, payload: Array(payload))
                            #expect(event == expected[Int(index)], comment)
                        }
                    }
                }
            }
            writeFile(which == 0 ? manifestPath : eventsPath, files[which])
        }
    }

    @Test func flippedBitInTheMiddleOfACutLogIsDamage() throws {
        let index = try open().index
        var bytes = try readFile(eventsPath)
        bytes.removeLast(200)
        for place in [
            Int(index.chunks[1].offset) + 3, Int(index.chunks[1].offset) + 50, Int(index.chunks[2].offset) + 300,
        ] {
            var damaged = bytes
            damaged[place] ^= 4
            writeFile(eventsPath, damaged)
            #expect {
                try open(allowTruncated: true)
            } throws: { error in
                if case .damaged = error as? LogError { true } else { false }
            }
        }
    }

    @Test(arguments: [1, 31, 32, 95, 96, 5000]) func foreignBytesAtTheEnd(count: Int) throws {
        var random = Random(seed: 33)
        let whole = try readFile(eventsPath)
        for garbage in [random.bytes(count), Array(repeating: 0, count: count)] {
            writeFile(eventsPath, whole + garbage)
            #expect(throws: LogError.truncated(eventsReadable: 400)) { try open() }
            let reader = try open(allowTruncated: true)
            #expect(reader.ending?.outcome == .exited(code: 3))
            #expect(try readAll(reader) == byStream(events))
        }
    }

    @Test func chunksMissingOrTwice() throws {
        let whole = try readFile(eventsPath)
        let chunks = try open().index.chunks
        // Blocks stand before the events that refer to them.
        var start = 0
        let parts = chunks.map { chunk in
            let end = Int(chunk.offset + chunk.length)
            defer { start = end }
            return Array(whole[start..<end])
        }
        let rest = Array(whole[Int(chunks.last!.offset + chunks.last!.length)...])
        for arrangement in [[0, 2, 3, 4], [0, 1, 1, 2, 3, 4], [1, 0, 2, 3, 4], [0, 1, 2, 3], [4, 3, 2, 1, 0]] {
            for tail in [rest, []] {
                writeFile(eventsPath, arrangement.flatMap { parts[$0] } + tail)
                #expect(throws: LogError.self) { _ = try readAll(open()) }
            }
        }
    }

    @Test func missingFiles() throws {
        #expect(throws: LogError.missing(path: "/nonexistent/manifest.json")) {
            try LogReader(directory: "/nonexistent")
        }
        unlink(eventsPath)
        #expect(throws: LogError.missing(path: eventsPath)) { try open() }
    }

    @Test func otherVersions() throws {
        var bytes = try readFile(eventsPath)
        let start = Int(try open().index.chunks[0].offset)
        for version in [UInt8(logFormatVersion + 1), 1] {
            bytes[start + 8] = version
            let sum = checksum(Array(bytes[start..<start + 88]))
            withUnsafeBytes(of: sum) { for index in 0..<8 { bytes[start + 88 + index] = $0[index] } }
            writeFile(eventsPath, bytes)
            let reader = try open()
            // One that is not known, and one that is not the log's.
            #expect {
                try reader.nextChunk()
            } throws: { error in
                if case .damaged = error as? LogError { version == 1 } else { error as? LogError == .version(found: UInt64(logFormatVersion + 1)) }
            }
        }
        var manifest = sampleManifest()
        manifest.formatVersion = 7
        try manifest.write(directory: directory.path)
        #expect(throws: LogError.version(found: 7)) { try open() }
    }

    /// Past the checksums: bodies that no encoder wrote must end in events or an error, never in a trap.
    @Test(arguments: [1, 2, 3] as [UInt64]) func decoderOnForeignBytes(seed: UInt64) throws {
        var random = Random(seed: seed)
        let chunk = try #require(try open().nextChunk())
        var header = chunk.header
        #expect(chunk.blocks > 0)
        for round in 0..<2000 {
            var bytes = Array(chunk.bytes)
            if round % 4 == 0 { bytes = random.bytes(1 + random.below(400)) }
            for _ in 0..<1 + random.below(8) {
                bytes[random.below(bytes.count)] = UInt8(truncatingIfNeeded: random.next())
            }
            let memory = malloc(bytes.count + EventCodec.slack)!
            let body = UnsafeMutableRawBufferPointer(start: memory, count: bytes.count + EventCodec.slack)
            body.initializeMemory(as: UInt8.self, repeating: 0)
            body.copyBytes(from: bytes)
            header.rawLength = UInt64(bytes.count)
            var run = Run(stream: 0, events: 1000, firstEvent: 0, minVersion: 0, maxVersion: 0)
            // Sections of any length, one after the other.
            var left = UInt64(bytes.count)
            for section in 0..<4 {
                run.starts[section] = UInt64(bytes.count) - left
                run.lengths[section] = section == 3 ? left : left * UInt64(random.below(100)) / 100
                left -= run.lengths[section]
            }
            let foreign = Chunk(path: "", offset: 0, header: header, runs: [run], body: body, blocks: chunk.blocks, store: chunk.store)
            var count = 0
            #expect(throws: LogError.self, "seed \(seed), round \(round)") {
                try foreign.forEach(stream: 0) { _, _, payload in count += payload.reduce(1) { $0 | Int($1) } }
            }
        }
    }

    /// Past the checksums: fixed parts with fields that do not fit together.
    @Test func foreignHeaders() throws {
        var random = Random(seed: 34)
        let whole = try readFile(eventsPath)
        let index = try open().index
        let lastEvents = try #require(index.chunks.last)
        let indexOffset = try #require(Trailer(Array(whole.suffix(32)))).indexOffset
        let offsets = [0, try #require(index.blocks.last).offset, index.chunks[0].offset, index.chunks[2].offset, lastEvents.offset + lastEvents.length, indexOffset].map { Int($0) }
        for round in 0..<3000 {
            var bytes = whole
            let offset = offsets[random.below(offsets.count)]
            let field = [8, 10, 12, 13, 16, 24, 32, 40, 48, 56, 64, 72, 76, 80][random.below(14)]
            let value = random.chance(50) ? random.anyLength() : UInt64(random.below(10))
            withUnsafeBytes(of: value) {
                for index in 0..<random.below(9) where field + index < 88 { bytes[offset + field + index] = $0[index] }
            }
            let sum = checksum(Array(bytes[offset..<offset + 88]))
            withUnsafeBytes(of: sum) { for index in 0..<8 { bytes[offset + 88 + index] = $0[index] } }
            if bytes == whole { continue }
            writeFile(eventsPath, random.chance(50) ? bytes : bytes.dropLast(10))
            let all = try? readAll(open(allowTruncated: true))
            // Stamps of the chunk headers are hints that nothing else repeats in a cut log.
            if let all {
                #expect(all == byStream(events) || all.values.map(\.count).reduce(0, +) % 90 == 0, "round \(round)")
            }
        }
    }

    /// Past the checksums: chunks of blocks whose lengths do not fit.
    @Test func foreignBlocks() throws {
        var random = Random(seed: 36)
        let file = ChunkFile(file: try ReadableFile(path: eventsPath), version: UInt64(logFormatVersion))
        let offset = try #require(try open().index.blocks.first).offset
        var header = try file.header(at: offset)
        let whole = Array(try file.chunk(header, at: offset).bytes)
        for _ in 0..<2000 {
            var bytes = whole
            for _ in 0..<1 + random.below(3) { bytes[random.below(random.chance(80) ? 12 : bytes.count)] ^= 1 << random.below(8) }
            if random.chance(20) { header.blocks = UInt32(truncatingIfNeeded: random.anyLength()) }
            if random.chance(20) { header.firstBlock = random.anyLength() }
            let body = UnsafeMutableRawBufferPointer(start: malloc(bytes.count)!, count: bytes.count)
            body.copyBytes(from: bytes)
            guard let blocks = BlockChunk(header, body: body), blocks.count < 1000 else { continue }
            var sum = 0
            for number in 0..<blocks.count { sum += blocks.bytes(blocks.first + UInt64(number)).count }
            #expect(sum + 4 * blocks.count == bytes.count)
        }
    }

    /// Past the checksums: directories and indexes that do not fit.
    @Test func foreignDirectories() throws {
        var random = Random(seed: 35)
        let chunk = try #require(try open().nextChunk())
        var directory: [UInt8] = []
        for run in chunk.runs { run.append(to: &directory) }
        let index = try open().index
        for _ in 0..<1000 {
            var bytes = directory
            bytes[random.below(bytes.count)] = UInt8(truncatingIfNeeded: random.next())
            if let runs = bytes.withUnsafeBytes({ Run.directory($0, header: chunk.header) }) {
                #expect(runs.count == chunk.runs.count)
            }
            bytes = index.bytes
            for _ in 0..<1 + random.below(3) {
                bytes[random.below(bytes.count)] = UInt8(truncatingIfNeeded: random.next())
            }
            if random.chance(10) { bytes.removeLast(1 + random.below(30)) }
            if let foreign = bytes.withUnsafeBytes({ LogIndex($0) }) {
                // Counting by stream is slow where a damaged number makes very many.
                if foreign.chunks.allSatisfy({ $0.ranges.allSatisfy { $0.stream < 10_000 } }) { _ = foreign.layout() }
                _ = foreign.events
            }
        }
    }
}
