/// A node: a clock, a kernel's gate, a log, a program that is recorded or replayed, and one of the two machines.
import CastorLog

@testable import CastorStandby

/// What a paused node will do when it goes on.
enum Work {
    case primary(PrimaryMachine.Input)
    case replica(ReplicaMachine.Input)
    case primaryActions(ArraySlice<PrimaryMachine.Action>)
    case replicaActions(ArraySlice<ReplicaMachine.Action>)
    case request(Int)
    case replay
    case tick
    case replayed(Int, idleAt: Int?)

    var isRestOfStep: Bool {
        switch self {
        case .primaryActions, .replicaActions: true
        default: false
        }
    }
}

/// Something that happens in the middle of a node's step.
struct Trap {
    enum Kind {
        case crash(restart: Microseconds?)
        case pause(Microseconds)
    }
    /// Which of the node's steps.
    var step: Int
    /// After so many of its actions; when there are fewer, after all of them.
    var after: Int
    var kind: Kind
}

final class Node {
    let index: Int
    let clock: Clock
    var id: NodeID = 0
    /// Counts starts: what was meant for an earlier one is ignored.
    var run = 0
    var primary: PrimaryMachine?
    var replica: ReplicaMachine?
    var isDown = false
    var reasonForStop: String?

    // The kernel.
    var gateUntil = Milliseconds.min
    var pausedUntil: Microseconds?
    var held: [Work] = []
    /// The clock as it was read before the node was stopped.
    var oldClock: Milliseconds?
    var missedTick = false
    var isPaused: Bool { pausedUntil != nil }

    // The log and the program. A chunk: length, term, number of the request (u16), padding.
    var log: [UInt8] = []
    var consumed = 0
    var lastRequest = 0
    var count = 0
    var waiting: [Output] = []
    var isReplaying = false
    var reportDue: Microseconds = 0
    var replayDelay: ClosedRange<Microseconds> = 100...2000
    /// From the replay's doing until the machine hears of it.
    var reportDelay: ClosedRange<Microseconds> = 0...0
    var willDiverge = false
    /// Since it went live it was found to have every output that had left.
    var isProven = true

    // The network: until when nothing gets through to each node, to and from the store, to and from the client.
    var cutUntil: [Microseconds] = [0, 0, 0]
    var toStoreCutUntil: Microseconds = 0
    var fromStoreCutUntil: Microseconds = 0
    var clientCutUntil: Microseconds = 0

    var stepsTaken = 0
    var traps: [Trap] = []

    init(index: Int, clock: Clock) {
        self.index = index
        self.clock = clock
    }

    var hindrance: String? { reasonForStop ?? primary?.hindrance ?? replica?.hindrance }

    func canSend(_ now: Microseconds) -> Bool { clock.milliseconds(now) < gateUntil }

    func trapNow() -> Trap? {
        stepsTaken += 1
        guard let trap = traps.first, trap.step <= stepsTaken else { return nil }
        return traps.removeFirst()
    }

    /// The next chunk is there whole, and is one. Two logs that were mixed have chunks that are none.
    var hasChunk: Bool { consumed < log.count && consumed + Int(log[consumed]) <= log.count && log[consumed] >= 4 }

    /// Does the next chunk; false when it is not there.
    func consumeChunk() -> Bool {
        guard hasChunk else { return false }
        let number = Int(log[consumed + 2]) | Int(log[consumed + 3]) << 8
        if number != 0 {
            lastRequest = number
            count += 1
        }
        consumed += Int(log[consumed])
        return true
    }

    func has(_ output: Output) -> Bool {
        log.count >= output.position && log[output.start + 1] == output.term
            && Int(log[output.start + 2]) | Int(log[output.start + 3]) << 8 == output.number
    }
}

extension Simulator {
    // MARK: - Starts and ends

    func beReplica(_ node: Node) {
        node.id = random.next()
        node.primary = nil
        node.replica = ReplicaMachine(id: node.id, log: logID, options: schedule.options, mutation: mutation)
        node.reasonForStop = nil
        node.log = []
        node.consumed = 0
        node.lastRequest = 0
        node.count = 0
        node.waiting = []
        node.isReplaying = false
        node.reportDue = 0
        node.willDiverge = false
    }

    /// The process dies. Its kernel may go on for a while, the gate with it.
    func crash(_ node: Node, restart: Microseconds?) {
        guard !node.isDown else { return }
        tell("node \(node.index) crashes")
        cutLinks(node, isQuiet: random.chance(30))
        end(node, "it crashed")
        if !schedule.options.hasStore { node.gateUntil = .min }
        if let restart { queue.push(now + restart, .restart(node.index)) }
    }

    func end(_ node: Node, _ reason: String) {
        node.isDown = true
        node.run += 1
        node.reasonForStop = reason
        node.pausedUntil = nil
        node.oldClock = nil
        node.held = []
        node.missedTick = false
        node.primary = nil
        node.replica = nil
    }

    func restart(_ node: Node) {
        guard node.isDown else { return }
        tell("node \(node.index) starts again")
        node.isDown = false
        beReplica(node)
        queue.push(now + random.in(0...5000), .tick(node.index, node.run))
    }

    func pause(_ node: Node, _ duration: Microseconds) {
        guard !node.isDown, !node.isPaused else { return }
        tell("node \(node.index) is stopped for \(duration) µs")
        node.pausedUntil = now + duration
        node.oldClock = node.clock.milliseconds(now)
        queue.push(now + duration, .resume(node.index, node.run))
    }

    func resume(_ node: Node) {
        guard let until = node.pausedUntil, until <= now else { return }
        tell("node \(node.index) goes on")
        node.pausedUntil = nil
        var held = node.held
        node.held = []
        // A node that slept may look at its clock before it looks at what has come.
        if node.missedTick, random.chance(50) { held.insert(.tick, at: held.first?.isRestOfStep == true ? 1 : 0) }
        node.missedTick = false
        let run = node.run
        defer { node.oldClock = nil }
        for (index, work) in held.enumerated() {
            if index > 0 || random.chance(50) { node.oldClock = nil }
            if node.run != run || node.isDown { return }
            if node.isPaused {
                node.held.insert(contentsOf: held[index...], at: node.held.count)
                return
            }
            switch work {
            case .primary(let input): step(node, input)
            case .replica(let input): step(node, input)
            case .primaryActions(let actions): perform(node, primary: actions, nil)
            case .replicaActions(let actions): perform(node, replica: actions, nil)
            case .request(let number): request(node, number)
            case .replay: replay(node)
            case .tick: tick(node)
            case .replayed(let consumed, let idleAt): replayed(node, consumed, idleAt: idleAt)
            }
        }
    }

    // MARK: - Actions

    func perform(_ node: Node, _ action: PrimaryMachine.Action) {
        tell("primary \(node.index): \(action)")
        switch action {
        case .send(let message, let epoch, let link): send(node, message, epoch, link)
        case .sendLog(let from, let to, let epoch, let link): sendLog(node, from, to, epoch, link)
        case .sendManifest(let epoch, let link): send(node, .manifest([1]), epoch, link)
        case .disconnect(let link): disconnect(node, link)
        case .release(let position):
            while let output = node.waiting.first, output.position <= position {
                node.waiting.removeFirst()
                leave(node, output)
            }
        case .gate(let until):
            node.gateUntil = until
            checkOneVoice(node)
        case .silence: node.gateUntil = .min
        case .lease(let request): ask(node, request)
        case .drop: see("dropped")
        case .say(let text):
            for (what, beginning) in [("unprotected", "UNPROTECTED"), ("protected", "protected"), ("silent", "silent")]
            where text.hasPrefix(beginning) { see(what) }
        case .stop(let reason):
            see(reason.contains("taken over") || reason.contains("newer primary") ? "fenced" : "ended")
            cutLinks(node, isQuiet: false)
            end(node, reason)
            if random.chance(50) { queue.push(now + random.in(1000...300_000), .restart(node.index)) }
        }
    }

    func perform(_ node: Node, _ action: ReplicaMachine.Action) {
        tell("replica \(node.index): \(action)")
        switch action {
        case .connect: connect(node)
        case .disconnect(let link): disconnect(node, link)
        case .send(let message, let epoch, let link): send(node, message, epoch, link)
        case .store(let position, let bytes):
            if position != node.log.count {
                fail("no way back: bytes from \(position) on are written at \(node.log.count)")
            }
            node.log += bytes
            replaySoon(node)
        case .storeManifest, .storeFiles: break
        case .truncate(let position):
            if position < node.consumed || position > node.log.count {
                return fail("no way back: cut off at \(position)")
            }
            see("truncate")
            node.log.removeSubrange(Int(position)...)
        case .drain:
            replaySoon(node)
        case .lease(let request): ask(node, request)
        case .goLive(let start): goLive(node, start)
        case .say(let text): if text.hasPrefix("the lease was granted after") { see("late grant") }
        case .stop(let reason):
            cutLinks(node, isQuiet: false)
            end(node, reason)
        case .rejoin:
            see("rejoin")
            cutLinks(node, isQuiet: false)
            node.run += 1
            beReplica(node)
            queue.push(now + random.in(0...5000), .tick(node.index, node.run))
        }
    }

    private func goLive(_ node: Node, _ start: PrimaryMachine.Start) {
        node.log.removeSubrange(min(Int(start.written), node.log.count)...)
        if start.written != node.consumed {
            fail("node \(node.index) goes live at \(start.written), replayed to \(node.consumed)")
        }
        see("take-over")
        node.isProven = false
        node.replica = nil
        node.primary = PrimaryMachine(id: node.id, log: logID, options: schedule.options, mutation: mutation)
        step(node, .started(start))
    }
}
