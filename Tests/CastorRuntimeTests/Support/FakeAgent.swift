/// The other process's part: takes what threads record out of their rings, or feeds rings from a log.
import CTSXGate
import CTSXShim
import Glibc

/// Empties one ring in pieces of its own choice, slowly, until it is told that nothing more comes.
final class Drain: @unchecked Sendable {
    private let ring: Ring
    private var lines: [UInt8] = []
    private let ending = Counter()
    private var worker: Worker?

    init(_ ring: Ring, seed: UInt64 = 1, longest: Int = 64, pause: useconds_t = 0) {
        self.ring = ring
        worker = Worker { [unowned self] in self.run(Random(seed), longest, pause) }
    }

    private func run(_ seeded: Random, _ longest: Int, _ pause: useconds_t) {
        var random = seeded
        while true {
            let over = ending.value != 0
            let head = ring.pointee.head
            let ready = castor_load(castor_ring_tail(ring)) - head
            if ready == 0 {
                if over {
                    appendOpenLine()
                    return
                }
                usleep(50)
                continue
            }
            let n = min(ready, UInt64(1 + random.below(longest)))
            for i in 0..<n {
                lines.append(contentsOf: UnsafeRawBufferPointer(start: castor_slot(ring, head + i), count: 64))
            }
            castor_store(castor_ring_head(ring), head + n)
            castor_fence()
            if castor_load32(castor_ring_producer_waiting(ring)) != 0 { wakeAll(address(castor_ring_head(ring))) }
            if pause > 0, random.below(4) == 0 { usleep(useconds_t(random.below(Int(pause)))) }
        }
    }

    private func appendOpenLine() {
        let length = Int(ring.pointee.packed)
        if length == 0 { return }
        var line = [UInt8](repeating: 0, count: 64)
        line.withUnsafeMutableBytes { $0.copyMemory(from: UnsafeRawBufferPointer(start: ring.next, count: length)) }
        lines += line
    }

    /// Everything that came, once the producer is done.
    func finish() -> [Event] {
        ending.add()
        worker?.join()
        return Event.parse(lines)
    }
}

/// Feeds events into one ring in pieces, never beyond its room.
final class Feed: @unchecked Sendable {
    private let ring: Ring
    private let lines: [[UInt8]]
    private let ending = Counter()
    private var worker: Worker?

    init(_ ring: Ring, _ events: [Event], seed: UInt64 = 1, longest: Int = 64, pause: useconds_t = 0) {
        self.ring = ring
        lines = events.flatMap(\.lines)
        worker = Worker { [unowned self] in self.run(Random(seed), longest, pause) }
    }

    private func run(_ seeded: Random, _ longest: Int, _ pause: useconds_t) {
        var random = seeded
        var sent = 0
        while sent < lines.count, ending.value == 0 {
            let tail = ring.pointee.tail
            let room = Int(ring.capacity - (tail - castor_load(castor_ring_head(ring))))
            let n = min(room, lines.count - sent, 1 + random.below(longest))
            if n == 0 {
                usleep(20)
                continue
            }
            for i in 0..<n {
                lines[sent + i].withUnsafeBytes {
                    UnsafeMutableRawPointer(castor_slot(ring, tail + UInt64(i))).copyMemory(
                        from: $0.baseAddress!, byteCount: 64)
                }
            }
            sent += n
            castor_store(castor_ring_tail(ring), tail + UInt64(n))
            castor_fence()
            if castor_load32(castor_ring_consumer_waiting(ring)) != 0 { wakeAll(address(castor_ring_tail(ring))) }
            if pause > 0, random.below(3) == 0 { usleep(useconds_t(random.below(Int(pause)))) }
        }
    }

    /// Stops feeding, whatever is left.
    func stop() {
        ending.add()
        worker?.join()
    }
}
