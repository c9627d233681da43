/// What the simulator is made of: chance, clocks, the queue of events, the client.

@testable import CastorStandby

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
    mutating func `in`(_ range: ClosedRange<Int64>) -> Int64 {
        range.lowerBound + Int64(next() % UInt64(range.upperBound - range.lowerBound + 1))
    }
    mutating func of<T>(_ values: [T]) -> T { values[below(values.count)] }
    /// Short ones are more frequent: every power of two is equally likely.
    mutating func duration(_ range: ClosedRange<Int64>) -> Int64 {
        let shift = below(64 - range.upperBound.leadingZeroBitCount)
        return min(max(self.in(0...(1 << Int64(shift + 1))), range.lowerBound), range.upperBound)
    }
}

/// A node's clock: it started at some time and goes at its own rate.
struct Clock {
    var offset: Microseconds = 0
    /// Parts per million that it is too fast.
    var rate: Int64 = 0

    func microseconds(_ now: Microseconds) -> Microseconds { offset + now + now * rate / 1_000_000 }
    func milliseconds(_ now: Microseconds) -> Milliseconds { microseconds(now) / 1000 }
}

enum Event {
    case tick(Int, Int)
    case deliver(Int, Int)
    case resume(Int, Int)
    case replay(Int, Int)
    case replayed(Int, Int, Int, idleAt: Int?)
    case storeRequest(StoreRequest)
    case storeAnswer(Int, Int, LeaseAnswer)
    case request(Int, Int)
    case answer(Int, Int)
    case clientRetry
    case fault(Int)
    case restart(Int)
    case heal
}

/// A heap of events by time, and by the order of their making where that is the same.
struct EventQueue {
    private struct Entry {
        var time: Microseconds
        var order: Int
        var slot: Int
        func isBefore(_ other: Entry) -> Bool { time < other.time || time == other.time && order < other.order }
    }
    private var heap: [Entry] = []
    private var events: [Event] = []
    private var free: [Int] = []
    private var made = 0

    mutating func push(_ time: Microseconds, _ event: Event) {
        made += 1
        let slot: Int
        if let last = free.popLast() {
            slot = last
            events[slot] = event
        } else {
            slot = events.count
            events.append(event)
        }
        heap.append(Entry(time: time, order: made, slot: slot))
        var i = heap.count - 1
        while i > 0, heap[i].isBefore(heap[(i - 1) / 2]) {
            heap.swapAt(i, (i - 1) / 2)
            i = (i - 1) / 2
        }
    }

    mutating func pop() -> (Microseconds, Event)? {
        guard let first = heap.first else { return nil }
        let last = heap.removeLast()
        if !heap.isEmpty {
            heap[0] = last
            var i = 0
            while true {
                var least = i
                for child in [2 * i + 1, 2 * i + 2] where child < heap.count && heap[child].isBefore(heap[least]) {
                    least = child
                }
                if least == i { break }
                heap.swapAt(i, least)
                i = least
            }
        }
        free.append(first.slot)
        defer { events[first.slot] = .heal }
        return (first.time, events[first.slot])
    }
}

/// An output of the program: the answer to a request.
struct Output {
    /// Where the event that made it stands in the log.
    var start: Int
    var position: Int
    var term: UInt8
    var number: Int
    /// How many requests the program had done.
    var count: Int
}

/// One request at a time, repeated until it is answered.
struct Client {
    var number = 1
    var sentAfterHealing = false
    /// Answers to requests that were begun after the last failure ended.
    var answersAfterHealing = 0
    var isHealed = false
    /// What has happened is beyond what is promised.
    var isExcused = false
    var isContent: Bool { isExcused || answersAfterHealing >= 3 }
}
