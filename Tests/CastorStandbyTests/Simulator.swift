/// A simulated cluster: one primary, one or two replicas, a lease store, a network and a client, in which everything that can fail fails,
/// in an order that a seed decides. The machines are the real ones; everything around them is played.
///
/// Checked after every step:
///
///  - *One voice.* No two nodes whose packets can leave at the same time, nor a packet of a node that does not hold the lease.
///  - *No lost output.* Whoever the store would let take over has in its log every output that left; whoever goes live has, too.
///  - *No way back.* What a replica has replayed stays; an acknowledgement never says less than one before.
///  - *One history.* The client's answers are those of one program that did each request once.
///
/// And when the failures have ended: the client is served again, or nobody is left who may serve it and each node says why.
import CastorLog

@testable import CastorStandby

typealias Microseconds = Int64

/// Why a schedule failed. The text names the rule.
struct Violation: Error, CustomStringConvertible {
    var description: String
}

final class Simulator {
    let schedule: Schedule
    let mutation: Mutation?
    var random: Random
    var now: Microseconds = 0
    var queue = EventQueue()
    var nodes: [Node] = []
    var links: [SimulatedLink] = []
    var store: SimulatedStore
    var client = Client()
    var violation: Violation?
    /// When set, every step is told.
    var isTold = false
    /// Outputs that left.
    var left: [Output] = []
    var steps = 0
    /// How often what happened.
    var seen: [String: Int] = [:]
    var hasProgramEnded = false
    var delay: ClosedRange<Microseconds> = 50...1500
    var storeDelay: ClosedRange<Microseconds> = 300...4000

    init(_ schedule: Schedule, mutation: Mutation? = nil) {
        self.schedule = schedule
        self.mutation = mutation
        random = Random(seed: schedule.seed ^ 0x5eed)
        store = SimulatedStore(rate: schedule.storeRate)
        for i in 0...schedule.replicas {
            nodes.append(Node(index: i, clock: schedule.clocks[i]))
            nodes[i].reportDelay = 0...schedule.reports[i]
        }
    }

    /// Until the end of the schedule, or the first violation.
    func run() -> Violation? {
        for node in nodes {
            node.id = random.next()
            if node.index == 0 {
                store.record = LeaseRecord(epoch: 1, holder: node.id)
                store.expires = store.clock(now) + schedule.options.leaseInStore * 1000
                node.primary = PrimaryMachine(id: node.id, log: logID, options: schedule.options, mutation: mutation)
                let sent = schedule.options.hasStore ? node.clock.milliseconds(now) : nil
                step(node, .started(PrimaryMachine.Start(epoch: 1, leaseSent: sent)))
            } else {
                beReplica(node)
            }
            queue.push(now + random.in(0...5000), .tick(node.index, node.run))
        }
        for (node, trap) in schedule.traps { nodes[node].traps.append(trap) }
        for node in nodes { node.traps.sort { $0.step < $1.step } }
        for (index, fault) in schedule.faults.enumerated() { queue.push(fault.at, .fault(index)) }
        queue.push(20_000, .clientRetry)
        queue.push(schedule.healed, .heal)
        while violation == nil, let (time, event) = queue.pop() {
            now = max(now, time)  // what was due while a node slept comes late
            if now > schedule.end || client.isContent { break }
            steps += 1
            take(event)
        }
        if violation == nil { checkLiveness() }
        return violation
    }

    func fail(_ text: String) {
        if violation == nil { violation = Violation(description: "\(text) [at \(now) µs, seed \(schedule.seed)]") }
        tell(text)
    }

    func tell(_ text: @autoclosure () -> String) {
        if isTold { print("\(now / 1000).\(now % 1000) ms: \(text())") }
    }

    func see(_ what: String) { seen[what, default: 0] += 1 }

    // MARK: - Events

    private func take(_ event: Event) {
        switch event {
        case .tick(let index, let run):
            let node = nodes[index]
            guard node.run == run, !node.isDown else { return }
            queue.push(now + schedule.tick + random.in(0...1000), event)
            if node.isPaused { node.missedTick = true } else { tick(node) }
        case .deliver(let link, let direction): deliver(links[link], direction)
        case .resume(let index, let run): if nodes[index].run == run { resume(nodes[index]) }
        case .replay(let index, let run):
            let node = nodes[index]
            guard node.run == run else { return }
            node.isReplaying = false
            if node.isPaused { node.held.append(.replay) } else { replay(node) }
        case .replayed(let index, let run, let consumed, let idleAt):
            let node = nodes[index]
            guard node.run == run else { return }
            if node.isPaused {
                node.held.append(.replayed(consumed, idleAt: idleAt))
            } else {
                replayed(node, consumed, idleAt: idleAt)
            }
        case .storeRequest(let request): storeTakes(request)
        case .storeAnswer(let index, let run, let answer):
            if nodes[index].run == run { leaseAnswer(nodes[index], answer) }
        case .request(let index, let number): request(nodes[index], number)
        case .answer(let number, let count): answer(number, count)
        case .clientRetry: retryRequest()
        case .fault(let index): inject(schedule.faults[index].fault)
        case .restart(let index): restart(nodes[index])
        case .heal: heal()
        }
    }

    func tick(_ node: Node) {
        if node.primary != nil { step(node, PrimaryMachine.Input.tick) } else { step(node, ReplicaMachine.Input.tick) }
    }

    // MARK: - Steps

    /// One input of a primary, and what it does about it.
    func step(_ node: Node, _ input: PrimaryMachine.Input) {
        guard !node.isDown, node.primary != nil else { return }
        if node.isPaused { return node.held.append(.primary(input)) }
        let actions = node.primary!.handle(input, at: node.oldClock ?? node.clock.milliseconds(now))
        let trap = node.trapNow()
        perform(node, primary: actions[...], trap)
    }

    func step(_ node: Node, _ input: ReplicaMachine.Input) {
        guard !node.isDown, node.replica != nil else { return }
        if node.isPaused { return node.held.append(.replica(input)) }
        let actions = node.replica!.handle(input, at: node.oldClock ?? node.clock.milliseconds(now))
        let trap = node.trapNow()
        perform(node, replica: actions[...], trap)
    }

    func perform(_ node: Node, primary actions: ArraySlice<PrimaryMachine.Action>, _ trap: Trap?) {
        let run = node.run
        for i in actions.indices {
            if let trap, i - actions.startIndex == trap.after {
                return spring(trap, node, .primaryActions(actions[i...]))
            }
            perform(node, actions[i])
            if node.run != run || node.isDown { return }
        }
        if let trap { spring(trap, node, nil) }
    }

    func perform(_ node: Node, replica actions: ArraySlice<ReplicaMachine.Action>, _ trap: Trap?) {
        let run = node.run
        for i in actions.indices {
            if let trap, i - actions.startIndex == trap.after {
                return spring(trap, node, .replicaActions(actions[i...]))
            }
            perform(node, actions[i])
            if node.run != run || node.isDown { return }
        }
        if let trap { spring(trap, node, nil) }
    }

    private func spring(_ trap: Trap, _ node: Node, _ rest: Work?) {
        switch trap.kind {
        case .crash(let restart): crash(node, restart: restart)
        case .pause(let duration):
            pause(node, duration)
            if let rest { node.held.insert(rest, at: 0) }
        }
    }

    // MARK: - Liveness

    private func checkLiveness() {
        if client.isContent { return }
        if hasProgramEnded { return checkEnd() }
        let up = nodes.filter { !$0.isDown }
        see("no service")
        for node in up {
            let isEntitled: Bool
            if schedule.options.hasStore {
                isEntitled =
                    store.record.holder == node.id && node.primary != nil
                    || node.replica != nil && store.record.members.contains(node.id)
            } else {
                isEntitled = node.primary != nil
            }
            if isEntitled, !store.record.hasEnded || !schedule.options.hasStore {
                return fail(
                    "liveness: node \(node.index) could serve the client and does not: \(node.hindrance ?? "it does not say why")"
                )
            }
            if node.hindrance == nil { return fail("liveness: node \(node.index) serves nobody and does not say why") }
        }
    }

    /// A program that has ended by itself is not taken over by whoever can know that.
    private func checkEnd() {
        guard store.record.hasEnded else { return }
        for node in nodes where !node.isDown {
            if node.primary != nil || node.replica?.term != 0 {
                return fail("liveness: the program has ended, and node \(node.index) goes on: \(node.hindrance ?? "")")
            }
        }
    }
}

let logID: UInt64 = 77
