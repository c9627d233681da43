/// The guest programs: every kind of synchronisation and system call, with few threads and with many.
import Foundation
import Testing

/// A guest and what it needs on its command line.
struct Guest: CustomTestStringConvertible, Sendable {
    let name: String
    var readsFile = false
    /// The guest starts two threads for each one asked for.
    var isPaired = false

    var testDescription: String { name }

    static let all = [
        Guest(name: "locks"), Guest(name: "condvars", isPaired: true), Guest(name: "rwlocks"), Guest(name: "memory"),
        Guest(name: "threads"), Guest(name: "streams"), Guest(name: "signals"), Guest(name: "files", readsFile: true),
        Guest(name: "clocks"), Guest(name: "forks"), Guest(name: "forkcut"),
    ]

    /// The command line; writes the data file, if it reads one, into the workspace.
    func words(threads: Int, in workspace: Workspace) throws -> [String] {
        var random = Random("guest \(name)")
        let file = readsFile ? [try workspace.write("data", random.bytes(50_000))] : []
        return [try Repository.guest(name)] + file + ["\(isPaired ? threads / 2 : threads)"]
    }
}

extension Integration {
    @Suite struct LockTests {
        @Test(arguments: Guest.all, [4, 64])
        func guestReplaysExactly(_ guest: Guest, threads: Int) throws {
            let workspace = try Workspace()
            let recording = try Recording.make(try guest.words(threads: threads, in: workspace), in: workspace)
            workspace.expect(recording.outcome.status == 0, "the guest failed: \(recording.outcome)")
            if guest.readsFile { try workspace.remove("data") }
            recording.expectSame()
        }

        /// A rare interleaving shows in a long series only.
        @Test(arguments: Guest.all.prefix(2), [4, 64])
        func manyPairsInARow(_ guest: Guest, threads: Int) throws {
            for pair in 0..<Series.count(soak: 200, reduced: 6) {
                let workspace = try Workspace()
                let recording = try Recording.make(try guest.words(threads: threads, in: workspace), in: workspace)
                let order: ReplayOrder = pair % 2 == 0 ? .partial : .total
                recording.expectSame(orders: [order], isFirst: pair == 0)
                if workspace.isKept { break }
            }
        }

        /// A thread may compute for as long as it did in the recording, however long the others wait: they are not stuck.
        /// Less than 20 s would show nothing: so long replay waits in any case.
        @Test func waitsForAThreadThatComputes() throws {
            let workspace = try Workspace()
            let words = [try Repository.guest("computes"), Series.isSoak ? "40" : "26"]
            let recording = try Recording.make(words, in: workspace)
            recording.expectSame(orders: Series.isSoak ? ReplayOrder.allCases : [.partial])
        }

        /// An idle thread's next event may be further on in the log than the agent reads ahead (2 Mi lines): in total order,
        /// too, the others do not wait for it a millisecond at each of theirs, which would be an hour here.
        @Test func nobodyWaitsForAnIdleThread() throws {
            let workspace = try Workspace()
            let recording = try Recording.make([try Repository.guest("idle"), "4000000"], in: workspace)
            recording.expectSame(timeout: 170)
        }

        /// What a polling thread waits for may take much longer in replay: it looks millions of times more often.
        @Test func pollsAsLongAsItTakes() throws {
            let workspace = try Workspace()
            let program = try Repository.guest("polls")
            func timeStamp() throws -> UInt64 {
                try #require(UInt64(try Child([program]).wait().outputText.trimmingCharacters(in: .whitespacesAndNewlines)))
            }
            let deadline = try timeStamp() + 20_000_000_000
            let recording = try Recording.make([program, "\(deadline)"], in: workspace)
            workspace.expect(recording.outcome.status == 0, "\(recording.outcome)")
            try workspace.expect(timeStamp() < deadline, "the recording took too long to show anything")
            while try timeStamp() <= deadline { usleep(100_000) }
            recording.expectSame()
        }

        /// The schedule that is replayed is a schedule that was recorded: two recordings differ.
        @Test func recordingsDiffer() throws {
            let workspace = try Workspace()
            let words = try Guest.all[0].words(threads: 4, in: workspace)
            let transcripts = try (0..<4).map {
                try Recording.make(words, in: workspace, name: "log-\($0)").outcome.output
            }
            #expect(Set(transcripts).count > 1, "the guest's transcript does not depend on its schedule")
        }
    }
}
