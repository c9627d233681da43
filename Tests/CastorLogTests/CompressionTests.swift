import CTSXShim
import Testing

@testable import CastorLog

@Suite struct CompressionTests {
    @Test func names() {
        #expect(Compression("default") == .standard)
        for name in Compression.names { #expect(Compression(name) != nil, "\(name)") }
        for level in Compression.levels { #expect(Compression("\(level)")?.events == level) }
        for text in ["", "0", "20", "-1", "Best", "fast ", "1.5"] { #expect(Compression(text) == nil, "'\(text)'") }
    }

    /// Events and contents that every level reads back; the better it is, the smaller.
    @Test(arguments: [0, 2]) func everyLevel(workers: Int) throws {
        var random = Random(seed: 71)
        var events = random.events(4000, streams: 3, largestPayload: 30)
        for index in stride(from: 0, to: 4000, by: 10) {
            events[index].payload = (0..<2000 + random.below(4000)).map { UInt8(truncatingIfNeeded: $0 * index / 50) & 63 }
            events[index].entry.payload = UInt32(events[index].payload.count)
        }
        var sizes: [String: UInt64] = [:]
        for name in Compression.names + ["1", "19"] {
            let directory = TemporaryDirectory()
            let compression = try #require(Compression(name))
            let writer = try LogWriter(
                directory: directory.path, manifest: sampleManifest(), compression: compression, workers: workers)
            for event in events { try writer.append(event) }
            try writer.finish(sampleEnding)
            sizes[name] = writer.bytesWritten
            let reader = try LogReader(directory: directory.path)
            #expect(try (name != "none") || reader.chunk(at: 0).isRaw)
            #expect(try readAll(reader) == byStream(events), "\(name)")
        }
        #expect(sizes["none"]! > sizes["fast"]! && sizes["fast"]! >= sizes["default"]!, "\(sizes)")
        #expect(sizes["default"]! >= sizes["best"]! && sizes["best"]! >= sizes["19"]!, "\(sizes)")
    }
}
