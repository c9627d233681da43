/// Programs that cannot be replayed: the replay says so, and where and how it left the recording.
import Foundation
import Testing

extension Integration {
    @Suite struct DivergenceTests {
        @Test(arguments: ["event", "argument", "deadlock"], ReplayOrder.allCases)
        func isFoundAndNamed(_ kind: String, order: ReplayOrder) throws {
            let (recording, replay) = try diverge(kind, order)
            let workspace = recording.workspace
            let report = replay.errorText
            let headline = /castor: divergence: (event|argument|deadlock) divergence in thread (\d+) at event (\d+)/
            guard let match = report.firstMatch(of: headline) else {
                return workspace.fail("no headline in the report:\n\(report)")
            }
            workspace.expect(match.1 == kind, "called \(match.1), it is \(kind):\n\(report)")
            let thread = String(match.2)
            let event = String(match.3)
            let expected = value("expected", report)
            let actual = value("actual", report)
            workspace.expect(!expected.isEmpty && !actual.isEmpty, "nothing expected or nothing actual:\n\(report)")
            workspace.expect(report.contains("probably:"), "no explanation:\n\(report)")
            workspace.expect(
                report.contains("castor race --exe PROGRAM \(recording.log)"), "no way to find a race:\n\(report)")
            // The place is a place in the log, and holds what the report expects there.
            let dump = try workspace.castor("dump", "--thread", thread, "--from", event, "--to", event, recording.log)
            workspace.expect(
                dump.status == 0 && dump.outputText.contains(expected),
                "expected '\(expected)', the log has \(dump.outputText)")
            switch kind {
            case "event": workspace.expect(Set([expected, actual].map(call)) == ["getppid", "getuid"], report)
            case "argument": workspace.expect(call(expected) == "write" && call(actual) == "write", report)
            default: workspace.expect(report.contains("no thread can go on"), report)
            }
        }

        /// Replay lets a thread that polls take a mutex more or less often; it must not hide a lock of a thread that does not.
        @Test(arguments: ReplayOrder.allCases)
        func lockThatIsNoPoll(_ order: ReplayOrder) throws {
            let (recording, replay) = try diverge("poll", order)
            let calls = Set(["expected", "actual"].map { call(value($0, replay.errorText)) })
            recording.workspace.expect(calls == ["getppid", "pthread_mutex_lock"], replay.errorText)
        }

        /// Chance may let a replay agree with its recording: once in 65,536 runs of `event`, never in three.
        private func diverge(_ kind: String, _ order: ReplayOrder) throws -> (Recording, Outcome) {
            let words = [try Repository.guest("divergent"), kind]
            for _ in 0..<3 {
                let recording = try Recording.make(words, in: try Workspace())
                recording.workspace.expect(recording.outcome.status == 0, "the guest failed: \(recording.outcome)")
                let replay = try recording.replay(order)  // a deadlock of spinning threads takes 20 s of an idle machine
                if replay == recording.outcome { continue }
                recording.workspace.expect(replay.status == 70, "exit status \(replay.status)\n\(replay.errorText)")
                return (recording, replay)
            }
            throw Failure("three replays in a row agreed with their recordings")
        }

        private func value(_ name: String, _ report: String) -> String {
            let line = report.split(separator: "\n").first { $0.hasPrefix("  \(name):") } ?? ""
            return line.dropFirst(name.count + 3).trimmingCharacters(in: .whitespaces)
        }

        /// The name of a call in an event's text.
        private func call(_ text: String) -> String { String(text.prefix { $0 != "(" && $0 != " " }) }
    }
}
