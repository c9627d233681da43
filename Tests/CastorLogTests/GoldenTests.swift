/// Logs of every format version that was ever released must decode to the same listing for ever. They are never
/// regenerated; a new format version gets a directory of its own, written once with CASTOR_WRITE_GOLDEN set.
import Glibc
import Testing

@testable import CastorLog

@Suite struct GoldenTests {
    private static let folder = String(#filePath.prefix(upTo: #filePath.lastIndex(of: "/")!)) + "/Golden"

    private func listing(_ reader: LogReader) throws -> String {
        var lines = [reader.manifest.json.text(), reader.ending?.json.text() ?? "no ending"]
        while let chunk = try reader.nextChunk() {
            lines.append("chunk \(chunk.number) events \(chunk.events) stamps \(chunk.minStamp)-\(chunk.maxStamp)")
            lines += chunk.openings.map { "\($0)" }
            for run in chunk.runs {
                lines.append("run \(run.stream) \(run.firstEvent) \(run.events) \(run.minVersion)-\(run.maxVersion)")
                try chunk.forEach(stream: run.stream) { _, entry, payload in
                    lines.append("\(Event(stream: run.stream, entry: entry.pointee, payload: Array(payload)))")
                }
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    @Test(arguments: [1, 2, 3]) func decodesAsEver(version: Int) throws {
        let path = "\(GoldenTests.folder)/v\(version)"
        let expected = String(decoding: try readFile("\(path)/listing.txt"), as: UTF8.self)
        #expect(try listing(LogReader(directory: path)) == expected)
    }

    @Test(.enabled(if: getenv("CASTOR_WRITE_GOLDEN") != nil)) func write() throws {
        let path = "\(GoldenTests.folder)/v\(logFormatVersion)"
        mkdir(GoldenTests.folder, 0o755)
        var random = Random(seed: 1)
        var events = random.events(180, streams: 3, largestPayload: 60)
        for index in stride(from: 10, to: 180, by: 30) {  // contents that are stored once
            events[index].payload = (0..<1000 * (1 + index % 7)).map { UInt8(truncatingIfNeeded: $0 / 10) }
            events[index].entry.payload = UInt32(events[index].payload.count)
        }
        try writeLog(path, events, chunk: 70, openings: 2)
        writeFile("\(path)/listing.txt", try listing(LogReader(directory: path)).utf8)
    }
}
