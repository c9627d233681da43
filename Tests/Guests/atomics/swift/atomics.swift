// Swift's atomics, from code that the compiler sees whole. Mutex, actors and counts of shared objects are not here: what
// they do inside Swift's runtime and libraries comes compiled, without a call of castor's, and neither does the compiler tell of
// max and min (see README, limits). Prints a hash of what each thread saw.
import Foundation
import Synchronization

func hash(_ hash: UInt64, _ word: UInt64) -> UInt64 {
    let hash = (hash ^ word) &* 1_099_511_628_211
    return hash ^ hash >> 29
}

let start: UInt64 = 14_695_981_039_346_656_037

final class Shared: Sendable {
    let byte = Atomic<UInt8>(0)
    let short = Atomic<Int16>(0)
    let int = Atomic<UInt32>(0)
    let long = Atomic<UInt64>(0)
    let pair = Atomic<WordPair>(WordPair(first: 0, second: 0))
    let flag = Atomic<Bool>(false)
    let taken = Atomic<Bool>(false)
    let arrived = Atomic<Int>(0)
    let order = Atomic<UInt64>(start)
}

func atomics(_ shared: Shared, own: UInt64, turn: UInt64, seen: UInt64) -> UInt64 {
    var seen = seen
    func saw(_ value: UInt64) { seen = hash(seen, value) }
    saw(UInt64(shared.byte.wrappingAdd(1, ordering: .relaxed).oldValue))
    let short = shared.short.bitwiseXor(Int16(turn % 1000), ordering: .acquiringAndReleasing).oldValue
    saw(UInt64(truncatingIfNeeded: short))
    saw(UInt64(shared.int.wrappingSubtract(1, ordering: .releasing).oldValue))
    saw(shared.long.exchange(own << 32 | turn, ordering: .sequentiallyConsistent))
    saw(shared.flag.logicalXor(true, ordering: .acquiringAndReleasing).oldValue ? 1 : 0)
    var old = shared.pair.load(ordering: .acquiring)
    while true {
        precondition(old.second == old.first &* 3)
        let new = WordPair(first: old.first + 1, second: (old.first + 1) &* 3)
        let (exchanged, found) = shared.pair.weakCompareExchange(
            expected: old, desired: new, ordering: .acquiringAndReleasing)
        if exchanged { break }
        old = found
    }
    saw(UInt64(old.first))
    return seen
}

/// Makes way at moments that differ from run to run, so that threads mix in ever new ways. Nothing else depends on them.
struct Noise {
    private var state = UInt64.random(in: 1 ... .max)

    mutating func makeWay() {
        state = hash(state, 1)
        let drawn = state >> 40
        if drawn % 256 == 0 { usleep(1) } else if drawn % 16 == 0 { sched_yield() }
    }
}

func work(_ shared: Shared, own: UInt64, turns: UInt64, threads: Int) -> UInt64 {
    var seen = start
    var noise = Noise()
    shared.arrived.add(1, ordering: .acquiringAndReleasing)
    while shared.arrived.load(ordering: .acquiring) < threads { sched_yield() }
    for turn in 0..<turns {
        seen = atomics(shared, own: own, turn: turn, seen: seen)
        while shared.taken.exchange(true, ordering: .acquiring) { sched_yield() }
        shared.order.store(hash(shared.order.load(ordering: .relaxed), own), ordering: .relaxed)
        shared.taken.store(false, ordering: .releasing)
        noise.makeWay()
    }
    return seen
}

/// What a thread is given: no object that threads would count together.
struct Job: ~Copyable {
    let shared: Unmanaged<Shared>
    let own: Int
    let turns: UInt64
    let threads: Int
    var result: UInt64 = 0

    init(_ shared: Unmanaged<Shared>, own: Int, turns: UInt64, threads: Int) {
        (self.shared, self.own, self.turns, self.threads) = (shared, own, turns, threads)
    }
}

/// Runs all threads to their ends.
func run(_ shared: Shared, threads: Int, turns: UInt64) -> [UInt64] {
    let jobs = UnsafeMutablePointer<Job>.allocate(capacity: threads)
    var running = [pthread_t](repeating: 0, count: threads)
    for own in 0..<threads {
        (jobs + own).initialize(to: Job(Unmanaged.passUnretained(shared), own: own, turns: turns, threads: threads))
        let failed = pthread_create(&running[own], nil, { pointer in
            let job = pointer!.assumingMemoryBound(to: Job.self)
            job.pointee.result = job.pointee.shared._withUnsafeGuaranteedRef {
                work($0, own: UInt64(job.pointee.own), turns: job.pointee.turns, threads: job.pointee.threads)
            }
            return nil
        }, jobs + own)
        precondition(failed == 0)
    }
    for thread in running { pthread_join(thread, nil) }
    return (0..<threads).map { jobs[$0].result }
}

func argument(_ index: Int, _ otherwise: Int) -> Int {
    CommandLine.arguments.count > index ? Int(CommandLine.arguments[index])! : otherwise
}

let threads = argument(1, 4)
let turns = UInt64(argument(2, 8000 / threads))
_ = run(Shared(), threads: 1, turns: 1)  // what Swift's runtime makes at a first use, with atomics of its own
let shared = Shared()
let results = run(shared, threads: threads, turns: turns)
precondition(shared.pair.load(ordering: .relaxed).first == UInt(threads) * UInt(turns))
for (own, result) in results.enumerated() { print("thread", own, String(result, radix: 16)) }
print("order", String(shared.order.load(ordering: .relaxed), radix: 16))
