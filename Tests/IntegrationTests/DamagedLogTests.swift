/// Logs that are no longer what was written, and programs that are no longer what was recorded.
import Foundation
import Testing

extension Integration {
    @Suite struct DamagedLogTests {
        private let workspace: Workspace
        private let recording: Recording
        private let events: Data
        private let manifest: Data

        /// Large enough for several chunks: a megabyte or so.
        init() throws {
            workspace = try Workspace()
            recording = try Recording.make([try Repository.guest("locks"), "4", "40000"], in: workspace)
            events = try #require(FileManager.default.contents(atPath: workspace("log/events")))
            manifest = try #require(FileManager.default.contents(atPath: workspace("log/manifest.json")))
            try #require(recording.outcome.status == 0)
        }

        /// Expects `castor replay` to refuse the log. Returns whether it did.
        private func expectRefused(_ what: String) throws -> Bool {
            let replay = try recording.replay(timeout: 60)
            workspace.expect(
                replay.status == 65 && replay.errorText.hasPrefix("castor: "),
                "\(what): status \(replay.status)\n\(replay.errorText.prefix(1000))")
            return replay.status == 65
        }

        @Test func cutOffAnywhere() throws {
            let step = 4096
            let lengths = Array(stride(from: 0, to: events.count, by: step)) + [events.count - 1]
            let skipped = Series.isSoak ? 1 : max(1, lengths.count / 40)
            var previous = 0
            for (number, length) in lengths.enumerated() {
                try workspace.write("log/events", events.prefix(length))
                guard try expectRefused("cut off at \(length) of \(events.count)") else { break }
                let info = try workspace.castor("info", "--json", recording.log)
                let description = try JSONSerialization.jsonObject(with: info.output) as? [String: Any]
                let readable = (description?["events"] as? NSNumber)?.intValue ?? -1
                workspace.expect(
                    readable >= previous, "\(length) bytes hold \(readable) events, fewer held \(previous)")
                previous = readable
                if number % skipped == 0 || number == lengths.count - 1 {
                    try expectPrefix(length, readable: readable)
                }
                if workspace.isKept { break }
            }
            workspace.expect(previous > 0, "no length left a readable event")
        }

        private func expectPrefix(_ length: Int, readable: Int) throws {
            for order in ReplayOrder.allCases {
                let prefix = try recording.replay(order, ["--damaged"], timeout: 60)
                // Without a single event there is nothing to start with.
                let expected: Set<Int32> = readable == 0 ? [0, 65] : [0]
                workspace.expect(
                    expected.contains(prefix.status) && recording.outcome.output.starts(with: prefix.output),
                    "cut off at \(length) of \(events.count), \(readable) events, --damaged in \(order) order: "
                        + "status \(prefix.status)\n\(prefix.errorText.prefix(1000))")
            }
        }

        @Test func flippedBits() throws {
            var random = Random("flipped bits")
            for _ in 0..<Series.count(soak: 1000, reduced: 60) {
                let isManifest = random.below(5) == 0
                var bytes = isManifest ? manifest : events
                let place = random.below(bytes.count)
                let bit = random.below(8)
                bytes[place] ^= 1 << UInt8(bit)
                let name = isManifest ? "manifest.json" : "events"
                try workspace.write("log/\(name)", bytes)
                guard try expectRefused("bit \(bit) of byte \(place) of \(bytes.count) of \(name)") else { break }
                try workspace.write("log/\(name)", isManifest ? manifest : events)
            }
        }

        @Test func missingFiles() throws {
            try workspace.remove("log/events")
            #expect(try recording.replay().status == 66)
            try FileManager.default.removeItem(atPath: recording.log)
            let replay = try recording.replay()
            #expect(replay.status == 66)
            #expect(replay.errorText.contains(recording.log))
        }
    }

    @Suite struct ChangedProgramTests {
        /// Compiles a guest into the workspace.
        private func build(_ guest: String, in workspace: Workspace, _ options: [String]) throws -> String {
            let source = Repository.guestSource("\(guest).c")
            let command = ["gcc", "-std=c11", "-D_GNU_SOURCE", "-O1", "-g", "-pthread"] + options
            let result = try Child(command + ["-o", workspace("program"), source]).wait()
            guard result.status == 0 else { throw Failure(result.errorText) }
            return workspace("program")
        }

        private func buildID(_ byte: String) -> String { String(repeating: byte, count: 20) }

        @Test func differentBuild() throws {
            let workspace = try Workspace()
            let program = try build("clocks", in: workspace, ["-Wl,--build-id=0x\(buildID("a1"))"])
            let recording = try Recording.make([program, "4"], in: workspace)
            workspace.expect(recording.outcome.status == 0, recording.outcome.errorText)
            _ = try build("clocks", in: workspace, ["-Wl,--build-id=0x\(buildID("b2"))"])
            let refused = try recording.replay()
            workspace.expect(refused.status == 69 && refused.output.isEmpty, "status \(refused.status)")
            for part in [buildID("a1"), buildID("b2"), program, "--force"] {
                workspace.expect(refused.errorText.contains(part), "no '\(part)' in: \(refused.errorText)")
            }
            for order in ReplayOrder.allCases {
                let forced = try recording.replay(order, ["--force"])
                let differences = recording.differences(to: forced)
                if !differences.isEmpty { recording.fail(order, differences, forced.errorText, #_sourceLocation) }
            }
        }

        @Test func missingProgram() throws {
            let workspace = try Workspace()
            let program = try build("clocks", in: workspace, [])
            let recording = try Recording.make([program, "4"], in: workspace)
            try workspace.remove("program")
            let replay = try recording.replay()
            workspace.expect(
                replay.status == 69 && replay.errorText.contains("\(program): missing"),
                "status \(replay.status): \(replay.errorText)")
        }

        @Test func staticProgramIsRefused() throws {
            let workspace = try Workspace()
            let program = try build("clocks", in: workspace, ["-static"])
            let recording = try Recording.make([program, "4"], in: workspace)
            workspace.expect(
                recording.outcome.status == 69 && recording.outcome.output.isEmpty
                    && recording.outcome.errorText.contains("statically linked"),
                "status \(recording.outcome.status): \(recording.outcome.errorText)")
        }

        @Test func whatIsNoProgramIsRefused() throws {
            let workspace = try Workspace()
            try workspace.write("text", Data("no program\n".utf8))
            #expect(try Recording.make([workspace("text")], in: workspace).outcome.status == 69)
            #expect(try Recording.make([workspace("nothing")], in: workspace).outcome.status == 69)
            #expect(try Recording.make(["castor-no-such-command"], in: workspace).outcome.status == 69)
        }
    }
}
