import Glibc
import Testing

@testable import CastorStandby

private func environment(_ name: String) -> UInt64? { getenv(name).flatMap { UInt64(String(cString: $0)) } }

@Suite struct SimulationTests {
    /// Ten thousand schedules from a seed that differs from run to run; CASTOR_SEED repeats one, CASTOR_SOAK=1 makes it a million.
    @Test func schedules() {
        if let seed = environment("CASTOR_SEED") {
            let simulator = Simulator(Schedule(seed: seed))
            simulator.isTold = true
            #expect(simulator.run()?.description == nil)
            return
        }
        let first = UInt64.random(in: 0..<1 << 48)
        let count: UInt64 = environment("CASTOR_SOAK") == 1 ? 1_000_000 : 10_000
        print("schedules \(first)..<\(first + count)")
        var failures = 0
        var seen: [String: Int] = [:], takeovers = [0,0,0,0,0,0], steps = 0
        for seed in first..<first + count {
            let simulator = Simulator(Schedule(seed: seed))
            let violation = simulator.run()
            for (w, n) in simulator.seen { seen[w, default: 0] += 1; _ = n }
            takeovers[min(5, simulator.seen["take-over"] ?? 0)] += 1
            steps += simulator.steps
            if seed == first + count - 1 { print(takeovers, steps); for (w, n) in seen.sorted(by: { $0.value > $1.value }) { print(n, w) } }
            guard let violation else { continue }
            Issue.record("CASTOR_SEED=\(seed): \(violation)")
            failures += 1
            if failures == 10 { break }
        }
    }

    /// A planted fault is found: what finds nothing proves nothing.
    @Test(arguments: Mutation.allCases) func findsPlantedFault(_ mutation: Mutation) {
        for seed in UInt64(1)...10_000 {
            if let violation = Simulator(Schedule(seed: seed), mutation: mutation).run() {
                print("\(mutation): schedule \(seed): \(violation)")
                return
            }
        }
        Issue.record("\(mutation) was not found in 10000 schedules")
    }
}
