/// A schedule: how a cluster is set up, and what fails when. Everything follows from the seed.

@testable import CastorStandby

enum Fault {
    case crash(Int, restart: Microseconds?)
    case pause(Int, Microseconds)
    /// From one node to another, one way.
    case cut(Int, Int, Microseconds)
    /// From everybody, both ways; with the store or without.
    case isolate(Int, withStore: Bool, Microseconds)
    case cutStore(Int, requests: Bool, answers: Bool, Microseconds)
    case cutClient(Int, Microseconds)
    case breakLinks(Int)
    case slowNetwork(Microseconds, Microseconds)
    case slowStore(Microseconds, Microseconds)
    case slowReplay(Int, Microseconds)
    case diverge(Int)
    case fail(Int)
    case takeOver(Int)
    case leave
    case programEnds
}

struct Schedule {
    var seed: UInt64
    var replicas = 1
    var options = StandbyOptions()
    var clocks: [Clock] = []
    var storeRate: Int64 = 0
    var faults: [(at: Microseconds, fault: Fault)] = []
    var traps: [(node: Int, trap: Trap)] = []
    /// Frames travel as bytes, in pieces.
    var sendsBytes = false
    /// How late a node's machine hears of what its replay has done, at most.
    var reports: [Microseconds] = []
    /// Failures end.
    var healed: Microseconds = 1_500_000
    /// Somebody must be live.
    var end: Microseconds = 0
    /// Between two ticks of a node.
    var tick: Microseconds = 20_000

    /// Without failures.
    init(seed: UInt64, random: inout Random) {
        self.seed = seed
        replicas = 1 + random.below(2)
        options.agreement.replicas = UInt32(1 + random.below(replicas))
        options.agreement.release = random.chance(70) ? .consumed : .received
        options.agreement.heartbeat = UInt32(random.of([20, 30]))
        options.agreement.silence = UInt32(random.of([70, 100, 150]))
        options.agreement.lease = UInt32(random.of([120, 200, 300]))
        options.agreement.window = random.of([50, 500, 1 << 20])
        options.deadline = random.of([80, 150, 300])
        options.retry = random.of([10, 25])
        options.nearness = random.of([20, 200, 1 << 20])
        sendsBytes = random.chance(10)
        tick = Microseconds(options.agreement.heartbeat) * 1000
        for _ in 0...replicas {
            clocks.append(Clock(offset: random.in(1_000_000...90_000_000), rate: random.in(-9_900...9_900)))
        }
        for _ in 0...replicas { reports.append(random.chance(10) ? 300_000 : random.of([0, 2000])) }
        storeRate = random.in(-9_900...9_900)
        setEnd()
    }

    private mutating func setEnd() {
        // Two take-overs, one after the other, with everything that has to time out.
        end = healed + 6 * (options.leaseInStore + options.deadline + options.silence) * 1000 + 500_000
    }

    init(seed: UInt64) {
        var random = Random(seed: seed)
        self.init(seed: seed, random: &random)
        if random.chance(8) {
            addCrashesOnly(&random)
            return
        }
        healed = random.of([400_000, 1_000_000, 2_000_000])
        setEnd()
        for _ in 0..<1 + random.below(9) {
            faults.append((at: random.in(20_000...healed), fault: draw(&random)))
        }
        for node in 0...replicas where random.chance(25) {
            for _ in 0...random.below(2) { traps.append((node, drawTrap(&random))) }
        }
        if random.chance(4) { faults.append((at: random.in(100_000...healed), fault: .programEnds)) }
    }

    /// Without a store only what it cannot arbitrate: nodes that really die.
    private mutating func addCrashesOnly(_ random: inout Random) {
        options.hasStore = false
        options.isAutomatic = random.chance(50)
        replicas = 1
        options.agreement.replicas = 1
        healed = 700_000
        setEnd()
        let at = random.in(300_000...600_000)
        faults.append((at: at, fault: .crash(0, restart: nil)))
        if random.chance(50) { faults.append((at: at + 200_000, fault: .takeOver(1))) }
    }

    private func draw(_ random: inout Random) -> Fault {
        let node = random.chance(40) ? 0 : random.below(replicas + 1)
        var other = random.below(replicas)
        if other >= node { other += 1 }
        let duration = random.duration(2_000...700_000)
        switch random.below(100) {
        case ..<18: return .crash(node, restart: random.chance(70) ? random.duration(1000...300_000) : nil)
        case ..<36: return .pause(node, duration)
        case ..<46: return .cut(node, other, duration)
        case ..<58: return .isolate(node, withStore: random.chance(50), duration)
        case ..<68:
            let which = random.below(3)
            return .cutStore(node, requests: which != 0, answers: which != 1, duration)
        case ..<71: return .cutClient(node, duration)
        case ..<79: return .breakLinks(node)
        case ..<83: return .slowNetwork(random.of([20_000, 60_000, 150_000]), duration)
        case ..<88: return .slowStore(random.of([20_000, 60_000, 200_000]), duration)
        case ..<93: return .slowReplay(node, duration)
        case ..<95: return .diverge(node)
        case ..<96: return .fail(node)
        case ..<98: return .takeOver(node)
        default: return .leave
        }
    }

    private func drawTrap(_ random: inout Random) -> Trap {
        let kind: Trap.Kind =
            random.chance(50)
            ? .crash(restart: random.chance(50) ? random.duration(1000...500_000) : nil)
            : .pause(random.duration(2_000...700_000))
        return Trap(step: 1 + random.below(120), after: random.below(4), kind: kind)
    }
}

extension Simulator {
    func inject(_ fault: Fault) {
        tell("fault: \(fault)")
        switch fault {
        case .crash(let i, let restart): crash(nodes[i], restart: restart)
        case .pause(let i, let duration): pause(nodes[i], duration)
        case .cut(let i, let j, let duration): cut(i, j, duration)
        case .isolate(let i, let withStore, let duration):
            for j in nodes.indices where j != i {
                cut(i, j, duration)
                cut(j, i, duration)
            }
            if withStore { inject(.cutStore(i, requests: true, answers: true, duration)) }
        case .cutStore(let i, let requests, let answers, let duration):
            if requests { nodes[i].toStoreCutUntil = max(nodes[i].toStoreCutUntil, now + duration) }
            if answers { nodes[i].fromStoreCutUntil = max(nodes[i].fromStoreCutUntil, now + duration) }
        case .cutClient(let i, let duration): nodes[i].clientCutUntil = max(nodes[i].clientCutUntil, now + duration)
        case .breakLinks(let i): cutLinks(nodes[i], isQuiet: false)
        case .slowNetwork(let longest, _): delay = 50...longest
        case .slowStore(let longest, _): storeDelay = 300...longest
        case .slowReplay(let i, _): nodes[i].replayDelay = 10_000...80_000
        case .diverge(let i): nodes[i].willDiverge = true
        case .fail(let i): step(nodes[i], .failed("disk full"))
        case .takeOver(let i): step(nodes[i], .takeOver)
        case .leave: for node in nodes where node.primary != nil && !node.isPaused { step(node, .leave) }
        case .programEnds:
            guard let node = nodes.first(where: { $0.primary != nil && $0.canSend(now) && !$0.isPaused }) else {
                return
            }
            hasProgramEnded = true
            step(node, .ended)
        }
    }

    private func cut(_ i: Int, _ j: Int, _ duration: Microseconds) {
        nodes[i].cutUntil[j] = max(nodes[i].cutUntil[j], now + duration)
    }

    func heal() {
        tell("everything is healed")
        delay = 50...1500
        storeDelay = 300...4000
        client.isHealed = true
        for node in nodes {
            node.cutUntil = [0, 0, 0]
            node.toStoreCutUntil = 0
            node.fromStoreCutUntil = 0
            node.clientCutUntil = 0
            node.replayDelay = 100...2000
            node.reportDelay = 0...2000
            node.willDiverge = false
            node.traps = []
            if node.isPaused {
                node.pausedUntil = now
                resume(node)
            }
        }
    }
}
