/// Chunks on their way to the file: several threads that append, several that compress, a disk that is slow.
import CTSXShim
import Glibc
import Synchronization
import Testing

@testable import CastorLog

/// Runs `body` on so many threads and waits for them.
private func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    final class Job: Sendable {
        let number: Int
        let body: @Sendable (Int) -> Void
        init(_ number: Int, _ body: @escaping @Sendable (Int) -> Void) { (self.number, self.body) = (number, body) }
    }
    var threads: [pthread_t] = []
    for number in 0..<count {
        var thread = pthread_t()
        let job = Unmanaged.passRetained(Job(number, body)).toOpaque()
        pthread_create(
            &thread, nil,
            {
                let job = Unmanaged<Job>.fromOpaque($0!).takeRetainedValue()
                job.body(job.number)
                return nil
            }, job)
        threads.append(thread)
    }
    for thread in threads { pthread_join(thread, nil) }
}

@Suite struct ChunkQueueTests {
    private let directory = TemporaryDirectory()

    /// Events with small payloads, and with large ones that the threads have in common.
    private static func events(stream: UInt32) -> [Event] {
        var random = Random(seed: 50 + UInt64(stream))
        var common = Random(seed: 49)
        let pages = (0..<50).map { _ in common.bytes(4096) }
        return (0..<1500).map { _ in
            var event = random.events(1, streams: 1)[0]
            event.stream = stream
            if random.chance(30) { event.payload = pages[random.below(50)] }
            event.entry.payload = UInt32(event.payload.count)
            return event
        }
    }

    private struct Lanes: @unchecked Sendable {
        let lanes: [LogLane]
    }

    @Test(arguments: [1, 2, 4], [0, 1, 3]) func severalLanes(lanes: Int, workers: Int) throws {
        let writer = try LogWriter(directory: directory.path, manifest: sampleManifest(), workers: workers)
        let all = Lanes(lanes: [writer.lane] + (1..<lanes).map { _ in writer.addLane() })
        onThreads(lanes) { number in
            for (index, event) in Self.events(stream: UInt32(number)).enumerated() {
                var entry = event.entry
                try! event.payload.withUnsafeBytes {
                    try all.lanes[number].append(stream: event.stream, &entry, payload: $0)
                }
                if index % 97 == 0 { try! all.lanes[number].flush() }
            }
            try! all.lanes[number].flush()
        }
        #expect(writer.events == UInt64(1500 * lanes))
        try writer.finish(sampleEnding)
        let reader = try LogReader(directory: directory.path)
        #expect(reader.blockCount == 50)
        #expect(try readAll(reader) == byStream((0..<lanes).flatMap { Self.events(stream: UInt32($0)) }))
    }

    /// A sink that takes nothing until it is let go.
    private final class GatedSink: ByteSink, @unchecked Sendable {
        let sink = PlayedSink()
        private let monitor = Monitor()
        private var isOpen = false

        func open() {
            monitor.lock()
            isOpen = true
            monitor.changed()
            monitor.unlock()
        }
        func write(_ bytes: UnsafeRawBufferPointer) -> Int {
            monitor.lock()
            while !isOpen { monitor.wait() }
            monitor.unlock()
            return sink.write(bytes)
        }
        func truncate(to length: UInt64) -> Int32 { sink.truncate(to: length) }
        func synchronize() -> Int32 { 0 }
        func close() {}
    }

    private final class Count: Sendable {
        let value = Atomic(0)
    }

    /// Who appends waits for the disk when 16 MiB are under way, and nothing is lost.
    @Test(arguments: [1, 3]) func backPressure(workers: Int) throws {
        let gate = GatedSink()
        let writer = try LogWriter(directory: directory.path, manifest: sampleManifest(), sink: gate, workers: workers)
        let lanes = Lanes(lanes: [writer.lane])
        let count = Count()
        let total = 60_000
        @Sendable func make(_ number: Int) -> castor_entry {
            var entry = castor_entry()
            entry.kind = CASTOR_EV_SYSCALL
            entry.value = UInt64(number)
            entry.payload = 900
            return entry
        }
        onThreads(2) { number in
            if number == 0 {
                var payload = [UInt8](repeating: 0, count: 900)
                var random = Random(seed: 60)
                for place in 0..<payload.count { payload[place] = UInt8(truncatingIfNeeded: random.next()) }
                for number in 0..<total {
                    var entry = make(number)
                    try! payload.withUnsafeBytes { try lanes.lanes[0].append(stream: 0, &entry, payload: $0) }
                    count.value.add(1, ordering: .relaxed)
                }
            } else {
                var seen = -1
                while case let now = count.value.load(ordering: .relaxed), now != seen {
                    seen = now
                    usleep(300_000)
                }
                #expect(seen > 0 && seen * 900 < 20 << 20, "\(seen) events were taken")
                gate.open()
            }
        }
        try writer.finish(sampleEnding)
        writeFile("\(directory.path)/events", gate.sink.bytes)
        let reader = try LogReader(directory: directory.path)
        #expect(reader.events == UInt64(total))
        var next: UInt64 = 0
        while let chunk = try reader.nextChunk() {
            try chunk.forEach(stream: 0) { _, entry, _ in
                #expect(entry.pointee.value == next)
                next += 1
            }
        }
    }

    /// The error of a chunk that a worker could not write reaches the thread that goes on appending.
    @Test(arguments: [1, 3]) func failureReachesTheAppender(workers: Int) throws {
        let sink = PlayedSink()
        sink.capacity = 5000
        let writer = try LogWriter(directory: directory.path, manifest: sampleManifest(), sink: sink, workers: workers)
        var random = Random(seed: 61)
        let events = random.events(100_000, streams: 2, largestPayload: 100)
        #expect(throws: LogError.write(errno: ENOSPC)) {
            for (index, event) in events.enumerated() {
                try writer.append(event)
                if index % 50 == 0 { try writer.flush() }
            }
        }
        sink.capacity = .max
        try writer.finish(Ending(outcome: .unknown, tail: .diskFull))
        writeFile("\(directory.path)/events", sink.bytes)
        let reader = try LogReader(directory: directory.path)
        #expect(reader.ending?.tail == .diskFull)
        #expect(reader.events > 0 && reader.events == writer.events)
        #expect(try readAll(reader) == byStream(events[..<Int(reader.events)]))
    }
}
