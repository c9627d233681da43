import Glibc
import Testing

@testable import CastorStandby

private func environment(_ name: String) -> UInt64? { getenv(name).flatMap { UInt64(String(cString: $0)) } }

/// What happened in many schedules.
private struct Tally {
    /// In how many schedules each thing was seen.
    var seen: [String: Int] = [:]
    var schedules = 0
    var failures = 0

    mutating func run(_ schedule: Schedule, _ hint: @autoclosure () -> String) {
        let simulator = Simulator(schedule)
        if let violation = simulator.run() {
            Issue.record("\(hint()): \(violation)")
            failures += 1
        }
        schedules += 1
        for (what, count) in simulator.seen {
            seen[what, default: 0] += 1
            if what == "take-over", count > 1 { seen["second take-over", default: 0] += 1 }
        }
    }

    /// What finds nothing because nothing happened proves nothing.
    func expect(_ what: String, atLeast permille: Int) {
        let count = seen[what] ?? 0
        #expect(count * 1000 >= permille * schedules, "\(what): in \(count) of \(schedules) schedules")
    }
}

@Suite struct SimulationTests {
    /// Ten thousand schedules from a seed that differs from run to run. CASTOR_SEED=n tells one of them step by step, CASTOR_SOAK=1 makes
    /// them a million.
    @Test func schedules() {
        if let seed = environment("CASTOR_SEED") {
            let simulator = Simulator(Schedule(seed: seed))
            simulator.isTold = true
            #expect(simulator.run()?.description == nil)
            return
        }
        let first = UInt64.random(in: 0..<1 << 48)
        let count: UInt64 = environment("CASTOR_SOAK") == 1 ? 1_000_000 : 10_000
        print("schedules of the seeds \(first)..<\(first + count)")
        var tally = Tally()
        for seed in first..<first + count where tally.failures < 10 {
            tally.run(Schedule(seed: seed), "CASTOR_SEED=\(seed)")
        }
        for (what, permille) in [
            ("take-over", 300), ("second take-over", 15), ("dropped", 150), ("unprotected", 200), ("protected", 600),
            ("silent", 50), ("fenced", 10), ("rejoin", 15), ("truncate", 2), ("ended", 10), ("late grant", 0),
        ] {
            tally.expect(what, atLeast: permille)
        }
        // The others are served again.
        #expect(
            (tally.seen["no service"] ?? 0) * 4 < tally.schedules,
            "\(tally.seen["no service"] ?? 0) schedules end without service")
    }

    /// A node dies, or stops for a while, in each of its steps, before, between and after what it does in it.
    @Test(arguments: 0..<6) func everyStep(configuration: Int) {
        var tally = Tally()
        for node in 0...1 {
            for step in 1...70 {
                for after in 0...2 {
                    var random = Random(seed: UInt64(configuration))
                    var schedule = Schedule(seed: UInt64(configuration), random: &random)
                    schedule.healed = 400_000
                    let kind: Trap.Kind
                    switch configuration % 3 {
                    case 0: kind = .crash(restart: nil)
                    case 1: kind = .crash(restart: 30_000)
                    default: kind = .pause(250_000)
                    }
                    schedule.traps = [(node, Trap(step: step, after: after, kind: kind))]
                    tally.run(schedule, "configuration \(configuration), node \(node), step \(step), after \(after)")
                    if tally.failures > 3 { return }
                }
            }
        }
    }

    /// A planted fault is found.
    @Test(arguments: Mutation.allCases) func findsPlantedFault(_ mutation: Mutation) {
        for seed in UInt64(1)...10_000 {
            if let violation = Simulator(Schedule(seed: seed), mutation: mutation).run() {
                // It is the fault that was found.
                #expect(Simulator(Schedule(seed: seed)).run()?.description == nil)
                print("\(mutation): found in schedule \(seed): \(violation)")
                return
            }
        }
        Issue.record("\(mutation) was not found in 10000 schedules")
    }

    @Test func seedsRepeat() {
        for seed in UInt64(1)...20 {
            let (first, second) = (Simulator(Schedule(seed: seed)), Simulator(Schedule(seed: seed)))
            _ = (first.run(), second.run())
            #expect(first.steps == second.steps)
            #expect(first.now == second.now)
            #expect(first.left.count == second.left.count)
        }
    }
}
