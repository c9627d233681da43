/// What the log's tests share: a seeded generator, logs in temporary directories, a sink that plays the kernel,
/// and listings to compare.
import CTSXShim
import Glibc

@testable import CastorLog

/// SplitMix64.
struct Random: RandomNumberGenerator {
    var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }
    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
    mutating func chance(_ percent: Int) -> Bool { below(100) < percent }
    /// Any number of bits equally likely, so that every length of a varint occurs.
    mutating func anyLength() -> UInt64 { next() >> UInt64(below(64)) }
    mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) } }
}

/// One event as a value.
struct Event: Equatable, CustomStringConvertible {
    var stream: UInt32
    var entry: castor_entry
    var payload: [UInt8]

    static func == (a: Event, b: Event) -> Bool { a.description == b.description && a.payload == b.payload }

    var description: String {
        let e = entry
        let fields: [any BinaryInteger] = [
            stream, e.kind, e.nr, e.shard, e.version, e.stamp, e.result, e.object, e.hash, e.value, e.payload, e.flags,
        ]
        return fields.map { "\($0)" }.joined(separator: " ") + " " + hexadecimal(checksum(payload))
    }
}

extension Random {
    /// Events of every kind: repeated patterns, small steps and arbitrary fields.
    mutating func events(_ count: Int, streams: Int, largestPayload: Int = 300) -> [Event] {
        var versions: [UInt32: UInt64] = [:]
        var stamp: UInt64 = 1 << 40
        return (0..<count).map { _ in
            var entry = castor_entry()
            entry.kind = chance(98) ? UInt16(below(21)) : UInt16(truncatingIfNeeded: anyLength())
            entry.nr = chance(90) ? UInt16(below(5)) : UInt16(truncatingIfNeeded: anyLength())
            entry.shard =
                chance(80) ? UInt32(below(200)) : chance(50) ? castorNoShard : UInt32(truncatingIfNeeded: anyLength())
            if entry.shard != castorNoShard {
                versions[entry.shard, default: 0] += UInt64(below(4))
                entry.version = chance(95) ? versions[entry.shard]! : anyLength()
            }
            stamp += UInt64(below(10000))
            entry.stamp = chance(30) ? stamp : chance(5) ? anyLength() : 0
            entry.result = chance(50) ? 0 : chance(50) ? -Int64(below(4096)) : Int64(bitPattern: anyLength())
            entry.object = chance(80) ? 0x7fff_0000_0000 + UInt64(below(20)) * 64 : anyLength()
            entry.hash = chance(60) ? 0 : anyLength()
            entry.value = chance(60) ? UInt64(below(3)) : anyLength()
            entry.flags = chance(95) ? 0 : UInt32(truncatingIfNeeded: anyLength())
            let payload = chance(70) ? [] : bytes(below(largestPayload + 1))
            entry.payload = UInt32(payload.count)
            return Event(stream: UInt32(below(streams)), entry: entry, payload: payload)
        }
    }
}

// MARK: - Logs

/// A directory that goes away with this object.
final class TemporaryDirectory {
    let path: String

    init() {
        var template = Array("\(getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp")/castor-log-XXXXXX".utf8CString)
        path = String(cString: mkdtemp(&template))
    }

    deinit {
        for name in ["manifest.json", "manifest.json.new", "events"] { unlink("\(path)/\(name)") }
        rmdir(path)
    }
}

func readFile(_ path: String) throws -> [UInt8] {
    let file = try ReadableFile(path: path)
    return try file.bytes(at: 0, count: Int(file.size))
}

func writeFile(_ path: String, _ bytes: some Collection<UInt8>) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    precondition(descriptor >= 0)
    let code = Array(bytes).withUnsafeBytes { writeWhole($0, to: FileSink(descriptor: descriptor)) }
    precondition(code == 0)
}

func sampleManifest() -> Manifest {
    var manifest = Manifest(
        castorVersion: "0.1", program: "/usr/bin/server", arguments: ["server", "--port", "80"],
        environment: ["PATH=/bin", SystemString(bytes: [0x4e, 0x3d, 0xff, 0x00 + 0x80])], workingDirectory: "/srv",
        resourceLimits: .init(stack: .init(soft: 8 << 20, hard: .max), openFiles: .init(soft: 1024, hard: 4096)),
        started: 1_700_000_000_123_456_789)
    manifest.auxiliary = [.init(type: 6, value: 4096), .init(type: 33, value: 0x7ffe_1234_5000)]
    manifest.interpreter = ["/usr/bin/dash", "/bin/sh", "-e"]
    manifest.objects = [.init(path: "/usr/lib/libc.so.6", buildID: "8c1f", size: 1_900_000)]
    manifest.cpuModel = "Imaginary \"CPU\""
    manifest.cpuFeatures = ["rtm"]
    manifest.kernelRelease = "6.18"
    manifest.glibcVersion = "2.36"
    manifest.options = ["order": "partial", "a": "b\n"]
    return manifest
}

extension LogWriter {
    func append(_ event: Event) throws {
        var entry = event.entry
        try event.payload.withUnsafeBytes { try append(stream: event.stream, &entry, payload: $0) }
    }
}

let sampleEnding = Ending(outcome: .exited(code: 3), unsupported: [.init(name: "io_uring_setup", count: 2)])

/// Writes a log that has a chunk after every `chunk` events.
/// Connections, each with another client.
func sampleOpenings(_ count: Int) -> [castor_tcp] {
    (0..<count).map { number in
        var tcp = castor_tcp()
        (tcp.family, tcp.options, tcp.mss) = (2, CASTOR_TCP_SACK, 1460)
        (tcp.peer_port, tcp.received, tcp.sent) = (UInt16(1000 + number), UInt32(number * 77), UInt32(number * 99))
        return tcp
    }
}

/// `openings`: as many before the events of each chunk.
func writeLog(_ directory: String, _ events: [Event], chunk: Int = .max, openings: Int = 0, ending: Ending? = sampleEnding) throws {
    let writer = try LogWriter(directory: directory, manifest: sampleManifest())
    for (index, event) in events.enumerated() {
        if index % chunk == 0 { try writer.append(openings: sampleOpenings(openings)) }
        try writer.append(event)
        if (index + 1) % chunk == 0 { try writer.flush() }
    }
    if let ending {
        try writer.finish(ending)
    } else {
        try writer.flush()
        try writer.settle()
    }
}

/// Everything in a log, by stream. Checks that the indices of each stream's events are consecutive.
func readAll(_ reader: LogReader) throws -> [UInt32: [Event]] {
    var result: [UInt32: [Event]] = [:]
    while let chunk = try reader.nextChunk() {
        for run in chunk.runs {
            try chunk.forEach(stream: run.stream) { index, entry, payload in
                precondition(index == UInt64(result[run.stream]?.count ?? 0), "index \(index)")
                result[run.stream, default: []].append(
                    Event(stream: run.stream, entry: entry.pointee, payload: Array(payload)))
            }
        }
    }
    return result
}

func byStream(_ events: some Sequence<Event>) -> [UInt32: [Event]] { Dictionary(grouping: events, by: \.stream) }

// MARK: - A sink that plays the kernel

final class PlayedSink: ByteSink {
    enum Answer {
        case short(Int)
        case fail(Int32)
    }
    /// What the next writes meet, before they start to succeed.
    var answers: [Answer] = []
    /// Bytes that fit; beyond them ENOSPC, after a short write as on a real disk.
    var capacity = Int.max
    var bytes: [UInt8] = []
    var truncations = 0

    func write(_ data: UnsafeRawBufferPointer) -> Int {
        var count = data.count
        if !answers.isEmpty {
            switch answers.removeFirst() {
            case .short(let limit): count = min(count, limit)
            case .fail(let code): return -Int(code)
            }
        }
        if bytes.count == capacity { return -Int(ENOSPC) }
        count = min(count, capacity - bytes.count)
        bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: data[..<count]))
        return count
    }

    func truncate(to length: UInt64) -> Int32 {
        bytes.removeSubrange(Int(length)...)
        truncations += 1
        return 0
    }

    func synchronize() -> Int32 { 0 }
    func close() {}
}
