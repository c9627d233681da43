/// Events as values, the other end of a ring, and threads.
import CTSXGate
import CTSXShim
import Glibc

/// SplitMix64.
struct Random {
    var state: UInt64
    init(_ seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }
    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
    mutating func bytes(_ count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count + 7) { room, n in
            for i in stride(from: 0, to: count, by: 8) { room.baseAddress!.storeWord(next(), i) }
            n = count
        }
    }
}

extension UnsafeMutablePointer<UInt8> {
    fileprivate func storeWord(_ word: UInt64, _ at: Int) {
        UnsafeMutableRawPointer(self + at).storeBytes(of: word, as: UInt64.self)
    }
}

/// An entry and its payload.
struct Event: Equatable {
    var entry: castor_entry
    var payload: [UInt8] = []

    init(_ entry: castor_entry, _ payload: [UInt8] = []) {
        self.entry = entry
        self.payload = payload
        self.entry.payload = UInt32(payload.count)
    }
    var lines: [[UInt8]] {
        let head = withUnsafeBytes(of: entry) { Array($0) }
        let padded = payload + [UInt8](repeating: 0, count: (64 - payload.count % 64) % 64)
        return [head] + stride(from: 0, to: padded.count, by: 64).map { Array(padded[$0..<$0 + 64]) }
    }
    static func == (a: Event, b: Event) -> Bool {
        a.payload == b.payload
            && withUnsafeBytes(of: a.entry) { x in
                withUnsafeBytes(of: b.entry) { memcmp(x.baseAddress!, $0.baseAddress!, 64) == 0 }
            }
    }
}

extension Event {
    /// The events that whole lines hold.
    static func parse(_ lines: [UInt8]) -> [Event] {
        var events: [Event] = []
        var at = 0
        while at < lines.count {
            let entry = lines.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: at, as: castor_entry.self) }
            if entry.kind & CASTOR_SMALL != 0 {
                events += unpack(Array(lines[at..<at + 64]))
                at += 64
                continue
            }
            let end = at + 64 + Int(entry.payload)
            guard end <= lines.count else { break }
            events.append(Event(entry, Array(lines[at + 64..<end])))
            at += 64 + Int(castor_lines(UInt64(entry.payload))) * 64
        }
        return events
    }
}

extension Event {
    /// Those of a line of small events.
    static func unpack(_ line: [UInt8]) -> [Event] {
        var events: [Event] = []
        line.withUnsafeBytes { line in
            var at = 0
            while at < 64, line.loadUnaligned(fromByteOffset: at, as: UInt16.self) != 0 {
                var entry = castor_entry()
                at += Int(castor_unpack(line.baseAddress! + at, &entry))
                events.append(Event(entry))
            }
        }
        return events
    }
}

/// A thread that can be joined; Swift's own tasks share theirs.
final class Worker: @unchecked Sendable {
    private var thread = pthread_t()
    private let body: () -> Void
    private(set) var isDone = false

    /// The body starts at once. Blocks that the tests pass share what they need through the runtime's own atomics.
    init(_ body: @escaping () -> Void) {
        self.body = body
        let me = Unmanaged.passRetained(self).toOpaque()
        pthread_create(
            &thread, nil,
            {
                let worker = Unmanaged<Worker>.fromOpaque($0!).takeRetainedValue()
                worker.body()
                return nil
            }, me)
    }
    func join() {
        pthread_join(thread, nil)
        isDone = true
    }
}

func milliseconds() -> Double {
    var t = timespec()
    clock_gettime(CLOCK_MONOTONIC, &t)
    return Double(t.tv_sec) * 1000 + Double(t.tv_nsec) / 1_000_000
}

/// Whether the condition came true before the limit; what it needs is usually there within microseconds.
func comesTrue(within limit: Double = 20_000, _ condition: () -> Bool) -> Bool {
    let start = milliseconds()
    while !condition() {
        if milliseconds() - start > limit { return false }
        usleep(200)
    }
    return true
}

/// A word that threads of a test share.
final class Counter: @unchecked Sendable {
    private let word: UnsafeMutablePointer<UInt64>
    init() {
        word = .allocate(capacity: 1)
        word.pointee = 0
    }
    deinit { word.deallocate() }
    var value: UInt64 { castor_load(word) }
    @discardableResult func add(_ n: UInt64 = 1) -> UInt64 { castor_fetch_add(word, n) }
}

/// A small file's text.
func readWhole(_ path: String) -> String? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var text: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    while case let n = fread(&buffer, 1, buffer.count, file), n > 0 { text += buffer.prefix(n) }
    return String(decoding: text, as: UTF8.self)
}
