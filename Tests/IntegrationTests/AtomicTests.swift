/// The compiler plane: programs whose threads and processes meet in atomics, volatiles and inline assembly, built by
/// `castor cc`, replay exactly.
import Foundation
import Testing

/// A guest of Tests/Guests/atomics, as one of the compilers built it. It takes the number of its threads.
struct AtomicGuest: CustomTestStringConvertible, Sendable {
    let name: String
    /// The folder in which it was built: `clang-O2`, `swift`.
    let variant: String

    var testDescription: String { "\(variant)/\(name)" }

    static let variants = ["clang-O0", "clang-O2", "gcc-O2"]

    static let names: [String] = {
        let files = try? FileManager.default.contentsOfDirectory(atPath: Repository.guestSource("atomics"))
        return (files ?? []).filter { $0.hasSuffix(".c") || $0.hasSuffix(".cpp") }
            .map { String($0[..<$0.lastIndex(of: ".")!]) }.sorted()
    }()

    static let all =
        names.flatMap { name in variants.map { AtomicGuest(name: name, variant: $0) } }
        + ["swift", "rust"].map { AtomicGuest(name: "atomics", variant: $0) }

    func words(_ arguments: Int...) throws -> [String] {
        [try Repository.atomicGuest("\(variant)/\(name)")] + arguments.map(String.init)
    }

    /// Those that race in plain memory, built with -fcastor-order=shared.
    static let sharedVariants = variants.map { "shared/\($0)" }
    static let shared: [AtomicGuest] = {
        let files = try? FileManager.default.contentsOfDirectory(atPath: Repository.guestSource("atomics/shared"))
        let names = (files ?? []).filter { !$0.hasSuffix(".h") }.map { String($0[..<$0.lastIndex(of: ".")!]) }
        return names.sorted().flatMap { name in sharedVariants.map { AtomicGuest(name: name, variant: $0) } }
    }()

    /// Rust's is there only where Rust is.
    var isBuilt: Bool {
        get throws {
            let program = try words()[0]
            return variant != "rust" || FileManager.default.isExecutableFile(atPath: program)
        }
    }
}

extension Integration {
    @Suite struct AtomicTests {
        private static let threads = [2, 4, 16]

        @Test func guestsAreFound() {
            #expect(AtomicGuest.names.count > 30)
            #expect(AtomicGuest.shared.count >= 18)
        }

        /// A reduced series draws one variant of each guest and number of threads.
        @Test(arguments: AtomicGuest.all, threads)
        func replaysExactly(_ guest: AtomicGuest, threads: Int) throws {
            var random = Random("atomics \(guest.name) \(threads)")
            let drawn = AtomicGuest.variants[random.below(AtomicGuest.variants.count)]
            if !Series.isSoak, AtomicGuest.variants.contains(guest.variant), guest.variant != drawn { return }
            guard try guest.isBuilt else { return }
            let workspace = try Workspace()
            let natively = try Child(try guest.words(threads), directory: workspace.path).wait(timeout: 60)
            workspace.expect(natively.status == 0, "without castor: \(natively)")
            let recording = try Recording.make(try guest.words(threads), in: workspace)
            workspace.expect(recording.outcome.status == 0, "the guest failed: \(recording.outcome)")
            recording.expectSame()
        }

        /// A rare interleaving shows in a long series only. Reduced, it is of a few guests, drawn.
        @Test(arguments: AtomicGuest.all, threads)
        func manyPairsInARow(_ guest: AtomicGuest, threads: Int) throws {
            var random = Random("atomics in a row \(guest.testDescription) \(threads)")
            if !Series.isSoak, random.below(40) != 0 { return }
            guard Series.includes("\(guest.testDescription) \(threads)", of: guest.name) else { return }
            guard try guest.isBuilt else { return }
            for pair in 0..<Series.count(soak: 100, reduced: 5) {
                let workspace = try Workspace()
                let recording = try Recording.make(try guest.words(threads), in: workspace)
                workspace.expect(recording.outcome.status == 0, "the guest failed: \(recording.outcome)")
                let order: ReplayOrder = pair % 2 == 0 ? .partial : .total
                recording.expectSame(orders: [order], isFirst: pair == 0)
                if workspace.isKept { break }
            }
        }

        /// Rust's library would have every thread enter its guard page in a table, whose nodes are full at eleven
        /// threads: who makes the next node is decided by a lock that castor does not see.
        @Test func rustKeepsNoTableOfItsThreads() throws {
            let guest = AtomicGuest(name: "atomics", variant: "rust")
            guard try guest.isBuilt else { return }
            for _ in 0..<Series.count(soak: 100, reduced: 3) {
                let workspace = try Workspace()
                let recording = try Recording.make(try guest.words(40), in: workspace)
                workspace.expect(recording.outcome.status == 0, "the guest failed: \(recording.outcome)")
                recording.expectSame()
                if workspace.isKept { break }
            }
        }

        /// The schedule that is replayed is a schedule that was recorded: two recordings differ.
        @Test(arguments: ["spinlock", "fetch_ops", "volatiles", "memory_orders"])
        func recordingsDiffer(_ name: String) throws {
            let workspace = try Workspace()
            let words = try AtomicGuest(name: name, variant: "clang-O2").words(4)
            let transcripts = try (0..<4).map {
                try Recording.make(words, in: workspace, name: "log-\($0)").outcome.output
            }
            #expect(Set(transcripts).count > 1, "the guest's transcript does not depend on its schedule")
        }

        /// -fcastor-order=shared: data races replay as well, down to the bytes that they leave in memory. Reduced, one
        /// variant of each guest and number of threads is drawn.
        @Test(arguments: AtomicGuest.shared, [2, 4])
        func racesReplayExactly(_ guest: AtomicGuest, threads: Int) throws {
            var random = Random("races \(guest.name) \(threads)")
            let drawn = AtomicGuest.sharedVariants[random.below(AtomicGuest.sharedVariants.count)]
            if !Series.isSoak, guest.variant != drawn { return }
            for pair in 0..<Series.count(soak: 100, reduced: 2) {
                let workspace = try Workspace()
                let recording = try Recording.make(try guest.words(threads), in: workspace)
                workspace.expect(recording.outcome.status == 0, "the guest failed: \(recording.outcome)")
                recording.expectSame(isFirst: pair == 0)
                if workspace.isKept { break }
            }
        }

        /// What they print does depend on the race, whichever compiler built them.
        @Test(arguments: AtomicGuest.shared)
        func racesAreRaces(_ guest: AtomicGuest) throws {
            let workspace = try Workspace()
            let transcripts = try (0..<3).map {
                try Recording.make(try guest.words(4), in: workspace, name: "log-\($0)").outcome.output
            }
            #expect(Set(transcripts).count > 1, "the guest's transcript does not depend on its schedule")
        }

        /// The order in the log is the order in which the counters were counted: judged without a replay, by the old
        /// values alone. In the full series the log has ten million events.
        @Test(arguments: AtomicGuest.variants, threads)
        func logIsInOrder(_ variant: String, threads: Int) throws {
            let turns = Series.count(soak: 10_000_000, reduced: 200_000) / threads * threads
            let said = try checkOrder(variant, threads, turns: turns, record: ["--all-atomics"], check: [])
            #expect(said == "\(turns) events in order\n")
        }

        /// The same where owners' operations are only counted.
        @Test(arguments: AtomicGuest.variants, threads)
        func ownersAreInOrder(_ variant: String, threads: Int) throws {
            let turns = Series.count(soak: 10_000_000, reduced: 200_000) / threads * threads
            let said = try checkOrder(variant, threads, turns: turns, record: [], check: ["--owned"])
            #expect(said.contains("events in order, ") && !said.contains(", 0 between"), "nothing was owned: \(said)")
        }

        private func checkOrder(_ variant: String, _ threads: Int, turns: Int, record: [String], check: [String]) throws
            -> String
        {
            let workspace = try Workspace()
            let limit: Double = Series.isSoak ? 1200 : 180
            let words = try AtomicGuest(name: "order", variant: variant).words(threads, turns / threads)
            let recording = try Recording.make(words, in: workspace, options: record, timeout: limit)
            try workspace.write("output", recording.outcome.output)
            let script = Repository.guestSource("atomics/order_check.py")
            let checked = try Child(
                [
                    "bash", "-o", "pipefail", "-c", "castor=$0 log=$1; shift; \"$castor\" dump --json \"$log\" | python3 \"$@\"",
                    Repository.castor, recording.log, script, workspace("output"),
                ] + check
            ).wait(timeout: limit)
            workspace.expect(checked.status == 0, "\(checked)")
            return checked.outputText
        }

        /// What an owner does is not in the log one by one, but it is compared.
        @Test func aRowThatDiffersIsADivergence() throws {
            let workspace = try Workspace()
            let recording = try Recording.make([try Repository.atomicGuest("loops/unseen")], in: workspace)
            workspace.expect(recording.outcome.status == 0, "\(recording.outcome)")
            let rows = try workspace.castor("dump", recording.log).outputText.split(separator: "\n").filter {
                $0.contains("operations on shards that the thread owns")
            }
            workspace.expect(!rows.isEmpty, "nothing was owned")
            let replay = try workspace.castor("replay", recording.log)
            workspace.expect(
                replay.status == 70 && replay.errorText.contains("what a row of operations on owned shards did"), "\(replay)")
        }
    }
}
