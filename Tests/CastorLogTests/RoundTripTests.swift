import CTSXShim
import Testing

@testable import CastorLog

@Suite struct RoundTripTests {
    @Test(arguments: [1, 2, 3, 4, 5] as [UInt64]) func randomEvents(seed: UInt64) throws {
        var random = Random(seed: seed)
        let events = random.events(3000, streams: 1 + random.below(9))
        let directory = TemporaryDirectory()
        try writeLog(directory.path, events, chunk: 1 + random.below(1500))
        let reader = try LogReader(directory: directory.path)
        #expect(try readAll(reader) == byStream(events), "seed \(seed)")
        #expect(reader.events == UInt64(events.count))
        #expect(!reader.isTruncated)
        for (stream, list) in byStream(events) { #expect(reader.totals[Int(stream)] == UInt64(list.count)) }
    }

    /// Among the events, in a whole log, in one that is cut off, and in one that grows.
    @Test func openings() throws {
        var random = Random(seed: 12)
        let events = random.events(300, streams: 3)
        for ending in [sampleEnding, nil] {
            let directory = TemporaryDirectory()
            try writeLog(directory.path, events, chunk: 100, openings: 5, ending: ending)
            let reader = try LogReader(directory: directory.path, allowTruncated: true)
            let chunks = try (0..<reader.index.chunks.count).map { try reader.chunk(at: $0) }
            let expected = sampleOpenings(5)
            #expect(chunks.filter { $0.events == 0 }.count == 3 && reader.events == 300)
            for chunk in chunks where chunk.events == 0 {
                #expect(chunk.openings.count == 5 && zip(chunk.openings, expected).allSatisfy { "\($0)" == "\($1)" })
            }
            #expect(try readAll(reader) == byStream(events))
            let growing = try GrowingLog(directory: directory.path)
            var seen = 0
            while let chunk = try growing.nextChunk() { seen += chunk.openings.count }
            #expect(seen == 15)
        }
    }

    @Test func everyKindKeepsEveryField() throws {
        var random = Random(seed: 77)
        let events = (0...CASTOR_EV_OWNED).flatMap { kind in
            (0..<20).map { index in
                var event = random.events(1, streams: 1)[0]
                event.entry.kind = UInt16(kind)
                if index < 2 {
                    // The extremes of every field.
                    let ones: UInt64 = index == 0 ? .max : 0
                    event.entry.nr = UInt16(truncatingIfNeeded: ones)
                    event.entry.shard = UInt32(truncatingIfNeeded: ones)
                    event.entry.version = ones
                    event.entry.stamp = ones
                    event.entry.result = index == 0 ? .min : .max
                    event.entry.object = ones
                    event.entry.hash = ones
                    event.entry.value = ones
                    event.entry.flags = UInt32(truncatingIfNeeded: ones)
                }
                return event
            }
        }
        let directory = TemporaryDirectory()
        try writeLog(directory.path, events)
        #expect(try readAll(LogReader(directory: directory.path)) == byStream(events))
    }

    @Test func emptyLog() throws {
        let directory = TemporaryDirectory()
        try writeLog(directory.path, [])
        let reader = try LogReader(directory: directory.path)
        #expect(try reader.nextChunk() == nil)
        #expect(reader.totals == [])
        var ending = sampleEnding
        ending.events = []
        #expect(reader.ending == ending)
        #expect(reader.manifest == sampleManifest())
    }

    @Test func manyStreamsInAnyOrder() throws {
        var random = Random(seed: 5)
        var events = random.events(2000, streams: 1, largestPayload: 10)
        for index in events.indices { events[index].stream = UInt32(random.below(100_000)) }
        let directory = TemporaryDirectory()
        try writeLog(directory.path, events, chunk: 700)
        let reader = try LogReader(directory: directory.path)
        #expect(try readAll(reader) == byStream(events))
        let stream = events[1500].stream
        #expect(reader.chunks(stream: stream, events: 0..<UInt64.max).contains(2 * 1500 / 1400))
    }

    @Test func largePayloads() throws {
        var random = Random(seed: 6)
        var events = random.events(40, streams: 3)
        for index in events.indices where index % 4 == 0 {
            events[index].payload = index % 8 == 0 ? random.bytes(200_000) : Array(repeating: 7, count: 200_000)
            events[index].entry.payload = 200_000
        }
        let directory = TemporaryDirectory()
        try writeLog(directory.path, events)
        #expect(try readAll(LogReader(directory: directory.path)) == byStream(events))
    }

    @Test func storedRawWhenCompressionIsVain() throws {
        var random = Random(seed: 8)
        // Too short to be blocks.
        let events = (0..<1000).map { index in
            var event = random.events(1, streams: 1)[0]
            event.payload = index < 500 ? random.bytes(1000) : Array(repeating: 1, count: 1000)
            event.entry.payload = 1000
            return event
        }
        let directory = TemporaryDirectory()
        try writeLog(directory.path, events, chunk: 500)
        let reader = try LogReader(directory: directory.path)
        let chunks = [try reader.chunk(at: 0), try reader.chunk(at: 1)]
        #expect(chunks[0].isRaw && chunks[0].storedLength == chunks[0].rawLength)
        #expect(!chunks[1].isRaw && chunks[1].storedLength < 20_000)
        #expect(reader.blockCount == 0)
    }

    @Test func chunksEndByThemselves() throws {
        let directory = TemporaryDirectory()
        var random = Random(seed: 9)
        let writer = try LogWriter(directory: directory.path, manifest: sampleManifest())
        for stream in 0..<2500 {
            var event = random.withPayload(1000)
            event.stream = UInt32(stream % 3)
            try writer.append(event)
        }
        try writer.settle()
        #expect(writer.bytesWritten > 0)
        #expect(writer.events == 2500)
        try writer.finish(sampleEnding)
        #expect(try LogReader(directory: directory.path).index.chunks.count == 3)
    }

    /// As a ring is drained: lines of small events among whole entries, in batches of any length, the last line in pieces
    /// while it grows.
    @Test(arguments: [1, 2, 3] as [UInt64]) func linesOfSmallEvents(seed: UInt64) throws {
        var random = Random(seed: seed)
        let slots = 4096
        let ring = UnsafeMutableRawPointer.allocate(byteCount: Int(CASTOR_RING_HEADER) + slots * 64, alignment: 64)
            .bindMemory(to: castor_ring.self, capacity: 1)
        defer { ring.deallocate() }
        ring.initialize(to: castor_ring())
        ring.pointee.mask = UInt64(slots - 1)
        let kinds: [(head: UInt16, kind: UInt16)] = [
            (CASTOR_SMALL_SYMBOL, CASTOR_EV_SYMBOL), (CASTOR_SMALL_ATOMIC, CASTOR_EV_ATOMIC), (CASTOR_SMALL_LOAD, CASTOR_EV_LOAD),
            (CASTOR_SMALL_CLOCK, CASTOR_EV_CLOCK), (CASTOR_SMALL_VALUE_EVENT, CASTOR_EV_VALUE),
        ]
        var events: [Event] = []
        let directory = TemporaryDirectory()
        let log = try LogWriter(directory: directory.path, manifest: sampleManifest())
        var head: UInt64 = 0
        var skipped = 0
        while ring.pointee.tail < UInt64(slots) - 2 {
            var e = castor_entry()
            e.object = random.anyLength()
            e.shard = random.chance(80) ? UInt32(random.below(24576)) : castorNoShard
            e.version = random.anyLength() & 0xffff_ffff
            if random.chance(80) {
                let kind = kinds[random.below(kinds.count)]
                (e.kind, e.nr) = (kind.kind, UInt16(random.below(512)))
                if random.chance(50) { e.result = Int64(bitPattern: random.anyLength()) }
                if random.chance(30) { e.hash = random.anyLength() }
                if random.chance(50) { e.value = random.anyLength() }
                if ring.pointee.packed + 40 > 64 { castor_close_line(ring) }
                castor_pack(
                    ring, kind.head | e.nr, e.shard, e.version, e.object, UInt64(bitPattern: e.result), e.hash, e.value)
            } else {
                if ring.pointee.packed != 0 { castor_close_line(ring) }
                (e.kind, e.stamp) = (CASTOR_EV_SYSCALL, random.next())
                castor_slot(ring, ring.pointee.tail).pointee = e
                ring.pointee.tail += 1
            }
            events.append(Event(stream: 3, entry: e, payload: []))
            if random.chance(5), Int(ring.pointee.packed) > (head == ring.pointee.tail ? skipped : 0) {
                if head < ring.pointee.tail {
                    let lines = Int(ring.pointee.tail - head)
                    #expect(
                        try log.lane.append(
                            stream: 3, entries: castor_slot(ring, head), count: lines, skipped: skipped,
                            before: CASTOR_EV_UNSUPPORTED) == lines)
                    (head, skipped) = (ring.pointee.tail, 0)
                }
                try log.lane.append(stream: 3, line: castor_slot(ring, head), from: skipped, to: Int(ring.pointee.packed))
                skipped = Int(ring.pointee.packed)
                #expect(log.events == UInt64(events.count))
            }
        }
        if ring.pointee.packed != 0 { castor_close_line(ring) }
        _ = try log.lane.append(
            stream: 3, entries: castor_slot(ring, head), count: Int(ring.pointee.tail - head), skipped: skipped,
            before: CASTOR_EV_UNSUPPORTED)
        try log.finish(sampleEnding)
        #expect(try readAll(LogReader(directory: directory.path)) == byStream(events))
    }

    @Test func payloadInPieces() throws {
        var random = Random(seed: 10)
        let event = random.withPayload(10_000)
        let other = random.events(1, streams: 1)[0]
        let directory = TemporaryDirectory()
        let writer = try LogWriter(directory: directory.path, manifest: sampleManifest())
        var entry = event.entry
        try writer.beginEvent(stream: 4, &entry)
        var isComplete = false
        for start in stride(from: 0, to: 10_000, by: 900) {
            try writer.append(other)
            if start == 4500 { try writer.flush() }
            let piece = event.payload[start..<min(start + 900, 10_000)]
            isComplete = try Array(piece).withUnsafeBytes { try writer.continuePayload(stream: 4, $0) }
        }
        #expect(isComplete)
        #expect(throws: LogError.self) { try [1].withUnsafeBytes { _ = try writer.continuePayload(stream: 4, $0) } }
        // Never completed, so never in the log.
        try writer.beginEvent(stream: 5, &entry)
        try writer.finish(sampleEnding)
        let all = try readAll(LogReader(directory: directory.path))
        #expect(all[4]?.map(\.payload) == [event.payload])
        #expect(all[0]?.count == 12)
        #expect(all[5] == nil)
    }

    /// A chunk that is written while a stream's first event in it is still incomplete has nothing of that stream.
    @Test func chunkWithoutTheEventThatWaits() throws {
        let directory = TemporaryDirectory()
        let log = try LogWriter(directory: directory.path, manifest: sampleManifest())
        var waiting = Event(stream: 0, entry: castor_entry(), payload: [1, 2, 3, 4])
        waiting.entry.kind = CASTOR_EV_SYSCALL
        waiting.entry.payload = 4
        #expect(try log.lane.append(stream: 0, entries: &waiting.entry, count: 1, before: CASTOR_EV_UNSUPPORTED) == 0)
        try log.beginEvent(stream: 0, &waiting.entry)
        let other = Event(stream: 1, entry: castor_entry(), payload: [])
        try log.append(other)
        try log.flush()
        _ = try waiting.payload.withUnsafeBytes { try log.continuePayload(stream: 0, $0) }
        try log.append(other)
        try log.finish(sampleEnding)
        #expect(try readAll(LogReader(directory: directory.path)) == byStream([waiting, other, other]))
    }

    @Test func payloadMustBeAsAnnounced() throws {
        let directory = TemporaryDirectory()
        let writer = try LogWriter(directory: directory.path, manifest: sampleManifest())
        var entry = castor_entry()
        entry.payload = 3
        #expect(throws: LogError.self) {
            try [UInt8](repeating: 0, count: 2).withUnsafeBytes { try writer.append(stream: 0, &entry, payload: $0) }
        }
        #expect(throws: LogError.self) {
            try writer.append(stream: UInt32.max, &entry, payload: .init(start: nil, count: 0))
        }
    }

    @Test func existingLogIsNotOverwritten() throws {
        let directory = TemporaryDirectory()
        try writeLog(directory.path, [])
        #expect(throws: LogError.exists(path: directory.path)) {
            try LogWriter(directory: directory.path, manifest: sampleManifest())
        }
    }

    /// The count follows from the row before; only the hash is news.
    @Test func rowsOfOwnedOperationsCostTheirHash() throws {
        var random = Random(seed: 11)
        var count: UInt64 = 1000
        let events = (0..<5000).map { _ in
            var entry = castor_entry()
            entry.kind = CASTOR_EV_OWNED
            entry.shard = castorNoShard
            entry.value = UInt64(1 + random.below(60))
            count += entry.value
            entry.object = count
            entry.hash = random.next()
            return Event(stream: 0, entry: entry, payload: [])
        }
        let directory = TemporaryDirectory()
        try writeLog(directory.path, events)
        let reader = try LogReader(directory: directory.path)
        #expect(try reader.chunk(at: 0).rawLength < 5000 * 11 + 100)
        #expect(try readAll(reader) == byStream(events))
    }

    @Test func aRepeatedPatternCostsAByte() throws {
        let directory = TemporaryDirectory()
        let events = (0..<10_000).map { index in
            var entry = castor_entry()
            entry.kind = CASTOR_EV_SYMBOL
            entry.nr = 7
            entry.object = 0x7fff_0000_1000 + UInt64(index % 2) * 64
            entry.shard = UInt32(100 + index % 2)
            entry.version = UInt64(index / 2)
            return Event(stream: 0, entry: entry, payload: [])
        }
        try writeLog(directory.path, events)
        let chunk = try #require(try LogReader(directory: directory.path).nextChunk())
        #expect(chunk.rawLength < 10_100)
        #expect(chunk.storedLength < 200)
    }
}

extension Random {
    func withPayload(_ count: Int) -> Event {
        var random = self
        var event = random.events(1, streams: 1)[0]
        event.payload = random.bytes(count)
        event.entry.payload = UInt32(count)
        return event
    }
}
