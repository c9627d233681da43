import Glibc
import Testing

@testable import CastorLog

@Suite struct WriteErrorTests {
    private let directory = TemporaryDirectory()
    private let sink = PlayedSink()
    private let events: [Event]

    init() {
        var random = Random(seed: 21)
        events = random.events(900, streams: 4)
    }

    private func writer(workers: Int = 0) throws -> LogWriter {
        try LogWriter(directory: directory.path, manifest: sampleManifest(), sink: sink, workers: workers)
    }

    private func reader(allowTruncated: Bool = false) throws -> LogReader {
        writeFile("\(directory.path)/events", sink.bytes)
        return try LogReader(directory: directory.path, allowTruncated: allowTruncated)
    }

    @Test(arguments: [0, 1, 3]) func interruptedAndShortWritesAreContinued(workers: Int) throws {
        let writer = try writer(workers: workers)
        for (index, event) in events.enumerated() {
            try writer.append(event)
            if index % 100 == 0 {
                sink.answers = [.fail(EINTR), .short(1), .fail(EINTR), .fail(EINTR), .short(7), .short(90), .short(3)]
                try writer.flush()
                try writer.settle()
            }
        }
        try writer.finish(sampleEnding)
        #expect(sink.truncations == 0)
        #expect(try readAll(reader()) == byStream(events))
    }

    @Test(arguments: [ENOSPC, EIO], [0, 1, 3]) func failedWriteLeavesWholeChunks(code: Int32, workers: Int) throws {
        let writer = try writer(workers: workers)
        for event in events[..<300] { try writer.append(event) }
        try writer.flush()
        try writer.settle()
        let whole = sink.bytes
        for event in events[300..<600] { try writer.append(event) }
        sink.answers = [.short(50), .short(100), .fail(code)]
        #expect(throws: LogError.write(errno: code)) {
            try writer.flush()
            try writer.settle()
        }
        #expect(sink.bytes == whole)
        // The error stays.
        #expect(throws: LogError.write(errno: code)) { try writer.append(events[0]) }
        #expect(throws: LogError.write(errno: code)) { try writer.flush() }
        #expect(writer.events == 300)
        #expect(throws: LogError.truncated(eventsReadable: 300)) { try reader() }
        #expect(try readAll(reader(allowTruncated: true)) == byStream(events[..<300]))
        // Finishing says where the log ends.
        try writer.finish(Ending(outcome: .unknown, tail: .diskFull))
        let log = try reader()
        #expect(log.ending?.tail == .diskFull)
        #expect(try readAll(log) == byStream(events[..<300]))
    }

    @Test(arguments: [0, 1, 3]) func fullDiskAtAnyByte(workers: Int) throws {
        for capacity in stride(from: 0, to: 30_000, by: 487) {
            let sink = PlayedSink()
            sink.capacity = capacity
            let directory = TemporaryDirectory()
            let writer = try LogWriter(
                directory: directory.path, manifest: sampleManifest(), sink: sink, workers: workers)
            var written = 0
            do {
                for (index, event) in events.enumerated() {
                    try writer.append(event)
                    if (index + 1) % 90 == 0 {
                        try writer.flush()
                        try writer.settle()
                        written = index + 1
                    }
                }
                try writer.finish(sampleEnding)
            } catch {
                #expect(error as? LogError == .write(errno: ENOSPC))
            }
            writeFile("\(directory.path)/events", sink.bytes)
            let reader = try LogReader(directory: directory.path, allowTruncated: true)
            #expect(reader.events == UInt64(written))
            #expect(try readAll(reader) == byStream(events[..<written]), "capacity \(capacity)")
        }
    }

    @Test func aSinkThatTakesNothingIsAnError() throws {
        let writer = try writer()
        try writer.append(events[0])
        sink.answers = [.short(0)]
        #expect(throws: LogError.write(errno: EIO)) { try writer.flush() }
    }
}
