/// The threads that drain: each has a share of the rings and a lane of its own into the log, so that they share nothing on their way. On
/// a machine with several memory nodes a ring goes to a thread of the node on which it lies.
///
/// The agent's own thread hands out one look at a time and takes part in it. Small looks it does alone: waking somebody takes longer.
import CNuma
import CTSXShim
import CastorLog
import Glibc

final class Drains: @unchecked Sendable {
    private let segment: Segment
    private let drains: [RingDrain]
    private let nodes: Int
    /// By ring: whose it is while its thread lives.
    private var owner: [UInt8]
    /// By ring: lines that came out at the last look.
    private let lines: UnsafeMutablePointer<UInt64>

    private let monitor = Monitor()
    // With the lock.
    private var look = 0
    private var working = 0
    private var failure: LogError?
    /// What each drain is to look at; its own between two looks.
    private let shares: UnsafeMutablePointer<[UInt32]>

    static let most = 64
    /// Lines that wait: fewer are drained by one thread.
    private static let worthIt: UInt64 = 4096

    init(segment: Segment, log: LogWriter, threads: Int) {
        self.segment = segment
        nodes = numa_available() >= 0 ? max(Int(numa_num_configured_nodes()), 1) : 1
        drains = (0..<threads).map { RingDrain(segment: segment, lane: $0 == 0 ? log.lane : log.addLane()) }
        owner = Array(repeating: 0, count: Int(segment.base.pointee.ring_count))
        lines = .allocate(capacity: owner.count)
        lines.initialize(repeating: 0, count: owner.count)
        shares = .allocate(capacity: threads)
        shares.initialize(repeating: [], count: threads)
        // They live as long as the agent.
        for number in 1..<max(threads, 1) where number < threads { Thread.start { self.serve(number) } }
    }

    /// As many as this machine is good for: one for each memory node, and one for 16 processors.
    static var standard: Int {
        let nodes = numa_available() >= 0 ? max(Int(numa_num_configured_nodes()), 1) : 1
        return min(max(nodes, sysconf(Int32(_SC_NPROCESSORS_ONLN)) / 16), most)
    }

    // MARK: - One ring, by the agent's own thread

    /// Another thread has the ring now. `node`: where it lies, if that is known.
    func meet(_ index: UInt32, node: Int?) {
        guard drains.count > 1 else { return }
        // Threads are on nodes in turns.
        guard let node, drains.count >= nodes else { return owner[Int(index)] = UInt8(Int(index) % drains.count) }
        let onNode = (drains.count - node % nodes + nodes - 1) / nodes
        owner[Int(index)] = UInt8(node % nodes + Int(index) % onNode * nodes)
    }

    subscript(_ index: UInt32) -> RingDrain { drains[Int(owner[Int(index)])] }
    func linesOf(_ index: UInt32) -> UInt64 { lines[Int(index)] }
    func takeNotes() -> [RingDrain.Note] { drains.flatMap { $0.takeNotes() } }
    /// There is no log any more: what the rings have is let go.
    func discard() { for drain in drains { drain.isDiscarding = true } }
    var isDiscarding: Bool { drains[0].isDiscarding }
    func flush() throws(LogError) { for drain in drains { try drain.flush() } }

    // MARK: - A look

    /// Drains these rings; `linesOf` says what came out.
    func drain(_ indices: [UInt32]) throws(LogError) {
        if drains.count == 1 || !isWorthIt(indices) {
            for index in indices { lines[Int(index)] = try self[index].drain(index) }
            return
        }
        for number in drains.indices { shares[number].removeAll(keepingCapacity: true) }
        for index in indices { shares[Int(owner[Int(index)])].append(index) }
        monitor.lock()
        look += 1
        working = drains.count - 1
        monitor.changed()
        monitor.unlock()
        let ours = run(0)
        monitor.lock()
        while working > 0 { monitor.wait() }
        let theirs = failure
        monitor.unlock()
        if let failure = ours ?? theirs { throw failure }
    }

    private func isWorthIt(_ indices: [UInt32]) -> Bool {
        var waiting: UInt64 = 0
        for index in indices {
            let ring = segment.ring(index)
            waiting += castor_load(castor_ring_tail(ring)) - ring.pointee.head
            if waiting >= Drains.worthIt { return true }
        }
        return false
    }

    private func run(_ number: Int) -> LogError? {
        do throws(LogError) {
            for index in shares[number] { lines[Int(index)] = try drains[number].drain(index) }
            return nil
        } catch {
            return error
        }
    }

    private func serve(_ number: Int) {
        if nodes > 1 { numa_run_on_node(Int32(number % nodes)) }
        var seen = 0
        while true {
            monitor.lock()
            while look == seen { monitor.wait() }
            seen = look
            monitor.unlock()
            let result = run(number)
            monitor.lock()
            failure = failure ?? result
            working -= 1
            if working == 0 { monitor.changed() }
            monitor.unlock()
        }
    }
}
