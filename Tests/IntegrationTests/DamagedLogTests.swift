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

    /// What a log takes, and that it is read back whatever it takes.
    @Suite struct LogSizeTests {
        private let workspace: Workspace
        init() throws { workspace = try Workspace() }

        private func size(_ recording: Recording) throws -> Int {
            let status = try FileManager.default.attributesOfItem(atPath: "\(recording.log)/events")
            return (status[.size] as? NSNumber)?.intValue ?? 0
        }

        private func make(_ words: [String], _ level: String?, _ name: String) throws -> Recording {
            let options = level.map { ["--compression", $0] } ?? []
            let recording = try Recording.make(words, in: workspace, name: name, options: options)
            workspace.expect(recording.outcome.status == 0, recording.outcome.errorText)
            return recording
        }

        /// Every level replays; better ones are not larger.
        @Test func levels() throws {
            let words = [try Repository.guest("locks"), "2", "20000"]
            var sizes: [String: Int] = [:]
            for level in ["none", "fast", nil, "best", "3"] {
                let name = level ?? "default"
                let recording = try make(words, level, name)
                sizes[name] = try size(recording)
                recording.expectSame()
                let info = try workspace.castor("info", recording.log).outputText
                workspace.expect(info.contains("compression=\(name)"), info)
            }
            workspace.expect(
                sizes["none"]! > sizes["fast"]! && sizes["fast"]! >= sizes["default"]!
                    && Double(sizes["best"]!) < 1.1 * Double(sizes["default"]!), "\(sizes)")
        }

        /// A database that is read again and again, in pages, is in the log once.
        @Test func filesAreStoredOnce() throws {
            let make = """
                CREATE TABLE t (a INTEGER, b TEXT); CREATE INDEX i ON t (a);
                WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 20000)
                INSERT INTO t SELECT n * 7919 % 20000, hex(randomblob(30)) FROM c;
                """
            let made = try Child(["sqlite3", workspace("work.db"), make]).wait()
            try #require(made.status == 0, "\(made.errorText)")
            let queries = (0..<20).map { "SELECT sum(length(b)) FROM t WHERE a BETWEEN \($0 * 100) AND \($0 * 100 + 2000);" }
            let recording = try self.make(
                ["sqlite3", workspace("work.db"), "PRAGMA cache_size = 10;" + queries.joined()], nil, "log")
            let database = try FileManager.default.attributesOfItem(atPath: workspace("work.db"))[.size] as? NSNumber
            let size = try size(recording)
            workspace.expect(
                size < database!.intValue + 1_000_000, "\(size) bytes of log for a database of \(database!)")
            try workspace.remove("work.db")
            recording.expectSame()
            // What it read, as the log has it, is much more.
            let read = try workspace.castor("dump", recording.log).outputText.split(separator: "\n")
                .count { $0.hasSuffix("  4096 bytes") }
            workspace.expect(read * 4096 > 10 * database!.intValue, "only \(read) pages were read")
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
