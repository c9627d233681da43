/// Designs of keeping a recorded order in replay: `castor-orders replay [EVENTS] [THREADS,...]` makes a log, has an agent feed
/// it to the threads' rings, and prints for every design and number of threads how many million events per second they replay,
/// and how many objects came out otherwise than the log says. An event computes a little, then changes one object.
import CTSXShim
import Glibc

/// A log in its total order, of threads that share 64 objects or have 16 each to themselves.
private struct Log {
    struct Event { var thread, object, version: UInt32 }
    var events: [Event] = []
    let objects: Int
    /// What the objects are to be in the end.
    private(set) var results: [UInt64]

    init(events count: Int, threads: Int, isShared: Bool) {
        objects = isShared ? 64 : 16 * threads
        results = Array(repeating: 0, count: objects)
        events.reserveCapacity(count)
        var versions = [UInt32](repeating: 0, count: objects)
        var chance: UInt64 = 1
        var thread = 0
        for _ in 0..<count {
            chance = step(chance)
            if chance >> 60 == 0 { thread = Int(truncatingIfNeeded: chance >> 32) & 0xffff % threads }
            let object = isShared ? Int(chance >> 40) % objects : 16 * thread + Int(chance >> 40) % 16
            events.append(Event(thread: UInt32(thread), object: UInt32(object), version: versions[object]))
            versions[object] += 1
            results[object] = step(results[object] ^ UInt64(thread + 1))
        }
    }
}

/// Not affine, or the compiler would make one step of many.
@inline(__always) private func step(_ value: UInt64) -> UInt64 {
    (value ^ value >> 29) &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
}

/// What the agent and the threads share.
private struct Stage {
    static let slots = 4096
    let rings: [Lines]
    let tails, heads: Lines
    let values, versions, turn: Lines
    /// One bit per object, 64 of them in a word; or, to see what their sharing of lines costs, a line for each.
    let bits: Lines

    init(threads: Int, objects: Int) {
        rings = (0..<threads).map { _ in Lines(Stage.slots) }
        tails = Lines(threads)
        heads = Lines(threads)
        values = Lines(objects)
        versions = Lines(objects)
        turn = Lines(1)
        bits = Lines(objects)
    }
}

@inline(__always) private func wait(until isReached: () -> Bool) {
    var tries = 0
    while !isReached() {
        tries &+= 1
        if tries < 64 { castor_pause() } else { rest() }
    }
}

private protocol Turns {
    static var name: String { get }
    /// Before the agent enqueues an event.
    static func feed(_ stage: Stage, _ object: Int)
    /// Before and after a thread replays it: `version` of the object, `place` in the log.
    static func await(_ stage: Stage, _ object: Int, version: UInt64, place: UInt64)
    static func pass(_ stage: Stage, _ object: Int, version: UInt64, place: UInt64)
}
extension Turns {
    @inline(__always) static func feed(_ stage: Stage, _ object: Int) {}
    @inline(__always) static func await(_ stage: Stage, _ object: Int, version: UInt64, place: UInt64) {}
}

/// Ours: the event goes when its object has come to its version.
private enum VersionTurns: Turns {
    static let name = "versions"
    @inline(__always) static func await(_ stage: Stage, _ object: Int, version: UInt64, place: UInt64) {
        wait { castor_load(stage.versions[object]) == version }
    }
    @inline(__always) static func pass(_ stage: Stage, _ object: Int, version: UInt64, place: UInt64) {
        castor_store(stage.versions[object], version &+ 1)
    }
}

/// The paper's partial order (§3.7): the agent enqueues an object's event when the last one of that object is done, which its
/// bit says; what comes after it in the log waits, too. The threads wait for nothing but their rings.
private enum BitmapTurns: Turns {
    static let name = "bitmap"
    @inline(__always) static func feed(_ stage: Stage, _ object: Int) {
        let (word, mask) = (stage.bits.base + object >> 6, UInt64(1) << UInt64(object & 63))
        wait { castor_load(word) & mask == 0 }
        _ = castor_fetch_add(word, mask)
    }
    @inline(__always) static func pass(_ stage: Stage, _ object: Int, version: UInt64, place: UInt64) {
        _ = castor_fetch_add(stage.bits.base + object >> 6, 0 &- (UInt64(1) << UInt64(object & 63)))
    }
}

private enum SpreadBitmapTurns: Turns {
    static let name = "bitmap, a line per bit"
    @inline(__always) static func feed(_ stage: Stage, _ object: Int) {
        wait { castor_load(stage.bits[object]) == 0 }
        castor_store(stage.bits[object], 1)
    }
    @inline(__always) static func pass(_ stage: Stage, _ object: Int, version: UInt64, place: UInt64) {
        castor_store(stage.bits[object], 0)
    }
}

/// The paper's total order: one counter for all.
private enum TotalTurns: Turns {
    static let name = "total order"
    @inline(__always) static func await(_ stage: Stage, _ object: Int, version: UInt64, place: UInt64) {
        wait { castor_load(stage.turn[0]) == place }
    }
    @inline(__always) static func pass(_ stage: Stage, _ object: Int, version: UInt64, place: UInt64) {
        castor_store(stage.turn[0], place &+ 1)
    }
}

private func feed<T: Turns>(_: T.Type, _ log: Log, _ stage: Stage) {
    for (place, event) in log.events.enumerated() {
        let (thread, object) = (Int(event.thread), Int(event.object))
        T.feed(stage, object)
        let tail = stage.tails[thread].pointee
        wait { tail &- castor_load(stage.heads[thread]) < UInt64(Stage.slots) }
        let line = stage.rings[thread][Int(tail) & (Stage.slots - 1)]
        line[0] = UInt64(object)
        line[1] = UInt64(event.version)
        line[2] = UInt64(place)
        castor_store(stage.tails[thread], tail &+ 1)
    }
}

private func replay<T: Turns>(_: T.Type, _ stage: Stage, thread: Int, events: Int) {
    let (tail, head) = (stage.tails[thread], stage.heads[thread])
    var work = UInt64(thread)
    for at in 0..<UInt64(events) {
        for _ in 0..<50 { work = step(work) }
        wait { castor_load(tail) != at }
        let line = stage.rings[thread][Int(at) & (Stage.slots - 1)]
        let (object, version, place) = (Int(line[0]), line[1], line[2])
        castor_store(head, at &+ 1)
        T.await(stage, object, version: version, place: place)
        stage.values[object].pointee = step(stage.values[object].pointee ^ UInt64(thread + 1))
        T.pass(stage, object, version: version, place: place)
    }
    castor_store(stage.turn[0] + 1, work)  // so that the compiler keeps it
}

private func compare<T: Turns>(_ turns: T.Type, _ what: String, _ log: Log, threads: Int) {
    let stage = Stage(threads: threads, objects: log.objects)
    var counts = [Int](repeating: 0, count: threads)
    for event in log.events { counts[Int(event.thread)] += 1 }
    let start = now()
    let started = (0..<threads).map { thread in
        inThread { [count = counts[thread]] in replay(turns, stage, thread: thread, events: count) }
    }
    feed(turns, log, stage)
    for thread in started { pthread_join(thread, nil) }
    let time = now() - start
    let wrong = (0..<log.objects).count { stage.values[$0].pointee != log.results[$0] }
    print("\(T.name), \(what)\t\(threads)\t\(Double(log.events.count) / time / 1e6)\t-\t\(wrong)")
    fflush(nil)
}

func compareTurns(events: Int, threadCounts: [Int]) {
    print("design\tthreads\tmillion events/s\t-\twrong objects")
    for (what, isShared) in [("shared objects", true), ("objects of its own", false)] {
        for threads in threadCounts {
            let log = Log(events: events, threads: threads, isShared: isShared)
            compare(VersionTurns.self, what, log, threads: threads)
            compare(BitmapTurns.self, what, log, threads: threads)
            compare(SpreadBitmapTurns.self, what, log, threads: threads)
            compare(TotalTurns.self, what, log, threads: threads)
        }
    }
}
