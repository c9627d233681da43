/// `castor-orders replay [EVENTS] [THREADS,...]`: see Turns.swift. And log throughput by design:
/// `castor-orders [SECONDS] [THREADS,...]` prints for every design and number of threads how many
/// million events per second all threads together make while one agent takes them out, the nanoseconds that an event takes
/// one of them, and in how many places the logged order of an object's events contradicts the values found.
import CTSXShim
import Glibc

func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

/// Lets others have the processor.
func rest() { sched_yield() }

struct Seen {
    var order, found: UInt64
}

/// Takes entries out of a world's rings, and keeps those that are to be checked.
final class Agent: @unchecked Sendable {
    private let world: World
    private let perLine: Int
    private let checks: Bool
    var taken: UInt64 = 0
    var sum: UInt64 = 0
    var seen = [[Seen]](repeating: [], count: World.objects)

    init(_ world: World, perLine: Int, checks: Bool) {
        self.world = world
        self.perLine = perLine
        self.checks = checks
    }

    /// Everything that is there.
    func drain() -> Bool {
        var moved = drain(world.queueSlots, tail: world.queue[1], head: world.queue[2])
        for i in world.rings.indices {
            moved = drain(world.rings[i], tail: world.tails[i], head: world.heads[i]) || moved
        }
        return moved
    }

    private func drain(_ lines: Lines, tail: UnsafeMutablePointer<UInt64>, head: UnsafeMutablePointer<UInt64>) -> Bool {
        let end = castor_load(tail)
        var at = head.pointee
        if at == end { return false }
        taken &+= (end &- at) &* UInt64(perLine)
        while at != end {
            let line = lines[Int(at & UInt64(World.slots - 1))]
            for i in 0..<perLine {
                let entry = line + i &* 4
                sum &+= entry[1]
                if checks { seen[Int(entry[0])].append(Seen(order: entry[2], found: entry[1])) }
            }
            at &+= 1
            if at & 4095 == 0 { castor_store(head, at) }
        }
        castor_store(head, at)
        return true
    }

    /// Neighbours in the logged order whose values say that it was the other way round, or that have the same place in it.
    func wrong() -> Int {
        seen.reduce(0) { count, events in
            let sorted = events.sorted { ($0.order, $0.found) < ($1.order, $1.found) }
            return count + zip(sorted, sorted.dropFirst()).count { $0.found > $1.found || $0.order == $1.order }
        }
    }
}

final class Flag: @unchecked Sendable {
    private let word = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)
    init() { word.initialize(to: 0) }
    var isSet: Bool { castor_load32(word) != 0 }
    func set() { castor_store32(word, 1) }
}

func inThread(_ body: @escaping () -> Void) -> pthread_t {
    final class Box {
        let body: () -> Void
        init(_ body: @escaping () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    pthread_create(
        &thread, nil,
        {
            Unmanaged<Box>.fromOpaque($0!).takeRetainedValue().body()
            return nil
        }, Unmanaged.passRetained(Box(body)).toOpaque())
    return thread
}

func measure<D: Design>(_: D.Type, threads: Int, seconds: Double, checks: Bool) -> (events: UInt64, time: Double, wrong: Int) {
    let world = World(threads: threads)
    let agent = Agent(world, perLine: D.perLine, checks: checks)
    let stop = Flag()
    let counts = UnsafeMutablePointer<UInt64>.allocate(capacity: threads)
    let start = now()
    let producers = (0..<threads).map { thread in
        inThread {
            var me = Producer(world, thread)
            var chance = UInt64(thread &* 7919 &+ 1)
            var events: UInt64 = 0
            while !stop.isSet {
                for _ in 0..<256 {
                    chance = chance &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    D.event(&me, Int(truncatingIfNeeded: chance >> 58))
                }
                events &+= 256
            }
            counts[thread] = events
        }
    }
    // As castor's agent: large batches, and a rest in between.
    while now() - start < seconds, !checks || agent.taken < 4_000_000 {
        if !D.isDrained || !agent.drain() { usleep(1000) }
    }
    let time = now() - start
    stop.set()
    // Whoever waits for room gets it.
    let drainer = Flag()
    let rest = inThread { while !drainer.isSet { if !agent.drain() { usleep(100) } } }
    for producer in producers { pthread_join(producer, nil) }
    drainer.set()
    pthread_join(rest, nil)
    _ = agent.drain()
    return ((0..<threads).reduce(0) { $0 + counts[$1] }, time, checks ? agent.wrong() : 0)
}

func compare<D: Design>(_ design: D.Type) {
    if let lacks = D.lacks {
        print("\(D.name)\t-\t-\t-\t\(lacks)")
        return
    }
    for threads in threadCounts {
        let (events, time, _) = measure(design, threads: threads, seconds: seconds, checks: false)
        let wrong = D.isDrained ? "\(measure(design, threads: threads, seconds: seconds, checks: true).wrong)" : "-"
        let rate = Double(events) / time / 1e6
        print("\(D.name)\t\(threads)\t\(rate)\t\(time * 1e9 * Double(threads) / Double(events))\t\(wrong)")
        fflush(nil)
    }
}

var arguments = CommandLine.arguments.dropFirst()
let isReplay = arguments.first == "replay"
if isReplay { arguments.removeFirst() }
let amount = arguments.popFirst().flatMap(Double.init)
let seconds = amount ?? 1
let threadCounts = arguments.popFirst()?.split(separator: ",").compactMap { Int($0) } ?? [1, 2, 4]

if isReplay {
    compareTurns(events: Int(amount ?? 300_000), threadCounts: threadCounts)
} else {
    print("design\tthreads\tmillion events/s\tns per event and thread\twrong orders")
    compare(Bare.self)
    compare(Stored.self)
    compare(Queue.self)
    compare(Counter.self)
    compare(Stamp.self)
    compare(FencedStamp.self)
    compare(TransactionStamp.self)
    compare(FencedTransactionStamp.self)
    compare(TransactionVersion.self)
    compare(Version.self)
    compare(SmallVersion.self)
}
