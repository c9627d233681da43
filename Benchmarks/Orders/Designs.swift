/// The designs of the paper's Figure 2, and ours, behind one interface. An event is an addition to one of several shared
/// objects; the entry that is logged holds the object, what the addition found, and what the design orders by. The value
/// found tells the true order, so that wrong ones can be counted.
import CTSXShim
import CTransactions

/// Memory that the threads share: whatever one of them writes often lies in a line of its own.
struct World {
    static let objects = 64
    static let slots = 1 << 16

    let objects, locks, counter, queue: Lines
    let queueSlots: Lines
    let rings: [Lines]
    /// Per thread: how far it has written, and how far the agent has read.
    let tails, heads: Lines

    init(threads: Int) {
        objects = Lines(World.objects)
        locks = Lines(World.objects)
        counter = Lines(1)
        queue = Lines(3)  // lock, tail, head
        queueSlots = Lines(World.slots)
        rings = (0..<threads).map { _ in Lines(World.slots) }
        tails = Lines(threads)
        heads = Lines(threads)
    }
}

/// Cache lines, each of eight words, of which the first is used alone.
struct Lines {
    let base: UnsafeMutablePointer<UInt64>
    init(_ count: Int) {
        let bytes = max(4096, count * 64)
        let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 4096)
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
        base = memory.bindMemory(to: UInt64.self, capacity: bytes / 8)
    }
    @inline(__always) subscript(_ i: Int) -> UnsafeMutablePointer<UInt64> { base + i &* 8 }
}

/// What one thread works with.
struct Producer {
    let world: World
    let ring: Lines
    let tail, head: UnsafeMutablePointer<UInt64>
    var written: UInt64 = 0
    var seenHead: UInt64 = 0
    /// The line at the tail holds one small event.
    var isHalf = false

    init(_ world: World, _ thread: Int) {
        self.world = world
        ring = world.rings[thread]
        tail = world.tails[thread]
        head = world.heads[thread]
    }

    /// Waits for room, writes one line, publishes it.
    @inline(__always) mutating func append(_ object: Int, _ found: UInt64, _ order: UInt64, isDrained: Bool = true) {
        if isDrained, written &- seenHead >= UInt64(World.slots) { waitForRoom() }
        put(ring[Int(written & UInt64(World.slots - 1))], object, found, order)
        written &+= 1
        castor_store(tail, written)
    }

    @inline(never) mutating func waitForRoom() {
        while true {
            seenHead = castor_load(head)
            if written &- seenHead < UInt64(World.slots) { return }
            rest()
        }
    }
}

@inline(__always) func put(_ line: UnsafeMutablePointer<UInt64>, _ object: Int, _ found: UInt64, _ order: UInt64) {
    line[0] = UInt64(object)
    line[1] = found
    line[2] = order
    for i in 3..<8 { line[i] = found }
}

@inline(__always) private func lock(_ word: UnsafeMutablePointer<UInt64>) {
    var tries = 0
    while castor_load(word) != 0 || castor_cas64(word, 0, 1) == 0 {
        tries &+= 1
        if tries < 64 { castor_pause() } else { rest() }
    }
}
@inline(__always) private func unlock(_ word: UnsafeMutablePointer<UInt64>) { castor_store(word, 0) }

protocol Design {
    static var name: String { get }
    /// Whether an agent takes the entries out of the rings, and how many lie in a line.
    static var isDrained: Bool { get }
    static var perLine: Int { get }
    /// What the processor lacks for it, if anything.
    static var lacks: String? { get }
    static func event(_ me: inout Producer, _ object: Int)
}
extension Design {
    static var isDrained: Bool { true }
    static var perLine: Int { 1 }
    static var lacks: String? { nil }
}

/// The physical limit: the operation, and the counter read.
enum Bare: Design {
    static let name = "operation and RDTSC"
    static let isDrained = false
    @inline(__always) static func event(_ me: inout Producer, _ object: Int) {
        let found = castor_fetch_add(me.world.objects[object], 1)
        me.seenHead = castor_rdtsc() &+ found
    }
}

/// And one line stored, which nobody reads.
enum Stored: Design {
    static let name = "operation, RDTSC and a line"
    static let isDrained = false
    @inline(__always) static func event(_ me: inout Producer, _ object: Int) {
        let found = castor_fetch_add(me.world.objects[object], 1)
        me.append(object, found, castor_rdtsc(), isDrained: false)
    }
}

/// One queue behind one lock.
enum Queue: Design {
    static let name = "one locked queue"
    static func event(_ me: inout Producer, _ object: Int) {
        let queue = me.world.queue
        lock(queue[0])
        while queue[1].pointee &- castor_load(queue[2]) >= UInt64(World.slots) { rest() }
        let found = castor_fetch_add(me.world.objects[object], 1)
        let place = queue[1].pointee
        put(me.world.queueSlots[Int(place & UInt64(World.slots - 1))], object, found, place)
        castor_store(queue[1], place &+ 1)
        unlock(queue[0])
        me.written &+= 1
    }
}

/// A queue per thread, and one counter for all.
enum Counter: Design {
    static let name = "global counter"
    @inline(__always) static func event(_ me: inout Producer, _ object: Int) {
        lock(me.world.locks[object])
        let found = castor_fetch_add(me.world.objects[object], 1)
        let order = castor_fetch_add(me.world.counter[0], 1)
        unlock(me.world.locks[object])
        me.append(object, found, order)
    }
}

/// The time stamp counter, read under the object's lock as it comes: the processor may read it early.
enum Stamp: Design {
    static let name = "TSC"
    @inline(__always) static func event(_ me: inout Producer, _ object: Int) {
        lock(me.world.locks[object])
        let found = castor_fetch_add(me.world.objects[object], 1)
        let order = castor_rdtsc()
        unlock(me.world.locks[object])
        me.append(object, found, order)
    }
}

/// And with fences, so that it is read between the two.
enum FencedStamp: Design {
    static let name = "TSC, fenced"
    @inline(__always) static func event(_ me: inout Producer, _ object: Int) {
        lock(me.world.locks[object])
        let found = castor_fetch_add(me.world.objects[object], 1)
        let order = castor_rdtsc_fenced()
        unlock(me.world.locks[object])
        me.append(object, found, order)
    }
}

/// Operation and counter in a transaction: no lock, and nobody waits for a thread that is preempted. When it does not commit, the
/// lock and fences.
enum TransactionStamp: Design {
    static let name = "TSC, RTM"
    static let lacks = castor_rtm_self_test() == 0 ? "no RTM here" : nil
    @inline(__always) static func event(_ me: inout Producer, _ object: Int) {
        let word = me.world.locks[object]
        var found: UInt64 = 0
        var order: UInt64 = 0
        if bench_add_stamped(me.world.objects[object], word, &found, &order) == 0 {
            lock(word)
            found = castor_fetch_add(me.world.objects[object], 1)
            order = castor_rdtsc_fenced()
            unlock(word)
        }
        me.append(object, found, order)
    }
}

/// And with fences: the counter is read when the object is there.
enum FencedTransactionStamp: Design {
    static let name = "TSC, RTM, fenced"
    static let lacks = TransactionStamp.lacks
    @inline(__always) static func event(_ me: inout Producer, _ object: Int) {
        let word = me.world.locks[object]
        var found: UInt64 = 0
        var order: UInt64 = 0
        if bench_add_stamped_fenced(me.world.objects[object], word, &found, &order) == 0 {
            lock(word)
            found = castor_fetch_add(me.world.objects[object], 1)
            order = castor_rdtsc_fenced()
            unlock(word)
        }
        me.append(object, found, order)
    }
}

/// Operation and version in a transaction; when it does not commit, as in `Version`.
enum TransactionVersion: Design {
    static let name = "version, RTM"
    static let lacks = TransactionStamp.lacks
    @inline(__always) static func event(_ me: inout Producer, _ object: Int) {
        var found: UInt64 = 0
        var version: UInt64 = 0
        if bench_add_versioned(me.world.objects[object], me.world.locks[object], &found, &version) == 0 {
            (found, version) = Version.operate(me, object)
        }
        me.append(object, found, version)
    }
}

/// A version per object, which is its lock as well (plane.c).
enum Version: Design {
    static let name = "version"
    @inline(__always) static func event(_ me: inout Producer, _ object: Int) {
        let (found, version) = Version.operate(me, object)
        me.append(object, found, version)
    }
    @inline(__always) static func operate(_ me: borrowing Producer, _ object: Int) -> (found: UInt64, version: UInt64) {
        let word = me.world.locks[object]
        var tries = 0
        while true {
            let now = castor_load(word)
            if now & 1 == 0, castor_cas64(word, now, now &+ 1) != 0 {
                let found = castor_fetch_add(me.world.objects[object], 1)
                castor_store(word, now &+ 2)
                return (found, now >> 1)
            }
            tries &+= 1
            if tries < 64 { castor_pause() } else { rest() }
        }
    }
}

/// And two events in a line: what castor does.
enum SmallVersion: Design {
    static let name = "version, small events"
    static let perLine = 2
    @inline(__always) static func event(_ me: inout Producer, _ object: Int) {
        let (found, version) = Version.operate(me, object)
        me.appendHalf(object, found, version)
    }
}

extension Producer {
    /// As `append`, of half a line. The agent is shown whole lines.
    @inline(__always) mutating func appendHalf(_ object: Int, _ found: UInt64, _ order: UInt64) {
        if !isHalf, written &- seenHead >= UInt64(World.slots) { waitForRoom() }
        let half = ring[Int(written & UInt64(World.slots - 1))] + (isHalf ? 4 : 0)
        half[0] = UInt64(object)
        half[1] = found
        half[2] = order
        half[3] = found
        if isHalf {
            written &+= 1
            castor_store(tail, written)
        }
        isHalf.toggle()
    }
}
