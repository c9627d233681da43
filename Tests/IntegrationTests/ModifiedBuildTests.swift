/// Replay of other builds than the recorded one: `castor replay --exe`, castor.h, `castor race`.
import Foundation
import Testing

/// How another build is made.
struct Build: CustomTestStringConvertible, Sendable {
    let name: String
    let words: [String]
    var testDescription: String { name }

    static let optimizations = ["-O0", "-O2", "-O3"].map { Build(name: "gcc \($0)", words: ["gcc", $0]) }
    static let addressSanitizers = sanitizers("address")
    static let threadSanitizers = sanitizers("thread")

    private static func sanitizers(_ name: String) -> [Build] {
        ["gcc", "clang-16"].map { Build(name: "\($0) \(name)", words: [$0, "-O1", "-fsanitize=\(name)"]) }
    }

    /// Builds into the workspace; `sources` as the compiler takes them.
    func make(_ sources: [String], _ name: String, in workspace: Workspace, _ options: [String] = []) throws -> String {
        let flags = ["-std=c11", "-D_GNU_SOURCE", "-g", "-fno-omit-frame-pointer", "-pthread"]
        let outcome = try Child(words + flags + ["-o", workspace(name)] + sources + options).wait()
        guard outcome.status == 0 else { throw Failure("\(self.name) does not build:\n\(outcome.errorText)") }
        return workspace(name)
    }
}

extension Integration {
    @Suite struct ModifiedBuildTests {
        private let workspace: Workspace
        private let recording: Recording
        private static let source = Repository.guestSource("builds/workers.c")
        private static let library = URL(fileURLWithPath: Repository.castor).deletingLastPathComponent().path
        private static let withHeader = [
            "-DWITH_CASTOR_H", "-I\(Repository.root)/Sources/CTSXShim/Dormant", "-L\(library)", "-lcastor",
            "-Wl,-rpath,\(library)",
        ]
        private static let plain = Build(name: "gcc -O1", words: ["gcc", "-O1"])

        init() throws {
            workspace = try Workspace()
            recording = try Recording.make([try Repository.areaGuest("builds/workers")], in: workspace)
            workspace.expect(recording.outcome.status == 3, "the guest failed: \(recording.outcome)")
        }

        private func replay(
            _ build: Build, _ options: [String] = [], order: ReplayOrder = .partial, isQuiet: Bool = true
        ) throws -> Outcome {
            let program = try build.make([Self.source], "changed", in: workspace, options)
            return try workspace.castor(
                ["replay", "--order", order.rawValue, "--exe", program] + (isQuiet ? ["-q"] : []) + [recording.log])
        }

        private func expectSame(_ again: Outcome, _ location: SourceLocation = #_sourceLocation) {
            let differences = recording.differences(to: again)
            workspace.expect(differences.isEmpty, "\(differences)\n\(again.errorText)", location)
        }

        // MARK: - Builds that do the same

        @Test(arguments: Build.optimizations + Build.addressSanitizers + Build.threadSanitizers, ReplayOrder.allCases)
        func doesTheSame(_ build: Build, order: ReplayOrder) throws {
            expectSame(try replay(build, order: order))
        }

        /// Neither what is allocated nor how often is compared.
        @Test func allocatesOtherwise() throws { expectSame(try replay(Self.plain, ["-DEXTRA=70000"])) }

        // MARK: - castor.h

        /// Without castor its text goes to the standard error, and nothing else changes.
        @Test func dormant() throws {
            let program = try Self.plain.make(
                [Self.source], "noted", in: workspace,
                Self.withHeader + ["-DNOTE=castor_printf", "-DHOLDS=castor_assert"])
            let outcome = try Child([program]).wait()
            workspace.expect(outcome.status == 134, "\(outcome)")
            workspace.expect(
                outcome.errorText.contains("body: castor_assert(count != 17) failed\n")
                    && outcome.errorText.contains("note: turn 1\n"), outcome.errorText)
        }

        @Test(arguments: ReplayOrder.allCases)
        func castorPrintfIsBesideTheLog(_ order: ReplayOrder) throws {
            let again = try replay(Self.plain, Self.withHeader + ["-DNOTE=castor_printf"], order: order)
            workspace.expect(again.status == 3 && again.output == recording.outcome.output, "\(again)")
            let notes = again.errorText.split(separator: "\n").filter { $0.hasPrefix("note: ") }
            workspace.expect(notes.count == 7 && notes.last == "note: 120 turns", again.errorText)
        }

        /// A recorded build that has it replays as any other, and one without it replays its log.
        @Test func castorPrintfWhileRecording() throws {
            let program = try Self.plain.make(
                [Self.source], "noted", in: workspace, Self.withHeader + ["-DNOTE=castor_printf"])
            let noted = try Recording.make([program], in: workspace, name: "log-noted")
            noted.expectSame()
            let without = try workspace.castor("replay", "-q", "--exe", recording.words[0], noted.log)
            workspace.expect(without.status == 3 && without.output == noted.outcome.output, "\(without)")
            workspace.expect(without.errorText == "the end\n", without.errorText)
        }

        @Test func assertionEndsTheReplay() throws {
            let again = try replay(Self.plain, Self.withHeader + ["-DHOLDS=castor_assert"], isQuiet: false)
            workspace.expect(again.status == 134, "\(again.status)\n\(again.errorText)")
            workspace.expect(
                again.errorText.contains("castor_assert(count != 17) failed")
                    && again.errorText.contains("castor: a castor_assert does not hold"), again.errorText)
        }

        // MARK: - Output that was added

        @Test(arguments: ReplayOrder.allCases)
        func addedPrintf(_ order: ReplayOrder) throws {
            let again = try replay(Self.plain, ["-DNOTE=printf"], order: order)
            let lines = again.outputText.split(separator: "\n", omittingEmptySubsequences: false)
            let others = lines.filter { !$0.hasPrefix("note: ") }.joined(separator: "\n")
            workspace.expect(again.status == 3 && others == recording.outcome.outputText, "\(again)")
            workspace.expect(
                lines.count - others.split(separator: "\n", omittingEmptySubsequences: false).count == 7,
                again.outputText)
        }

        /// Each a write of its own, and counted.
        @Test func addedErrors() throws {
            let again = try replay(Self.plain, ["-DNOTE(...)=fprintf(stderr,__VA_ARGS__)"], isQuiet: false)
            workspace.expect(again.status == 3 && again.output == recording.outcome.output, "\(again)")
            workspace.expect(
                again.errorText.contains("note: 120 turns\n")
                    && again.errorText.contains("7 writes to the standard output and error added"), again.errorText)
            // The workers lock their mutex often in a row, which counts as polling; what is added is no sign that they poll less.
            workspace.expect(!again.errorText.contains("recorded locks passed over"), again.errorText)
        }

        /// What the recording printed and this build does not.
        @Test func removedOutput() throws {
            let noted = try Self.plain.make(
                [Self.source], "noted", in: workspace, ["-DNOTE(...)=fprintf(stderr,__VA_ARGS__)"])
            let longer = try Recording.make([noted], in: workspace, name: "log-noted")
            let again = try workspace.castor("replay", "--exe", recording.words[0], longer.log)
            workspace.expect(again.status == 3 && again.output == longer.outcome.output, "\(again)")
            workspace.expect(again.errorText.contains("7 recorded ones not made"), again.errorText)
        }

        // MARK: - What cannot be followed

        @Test(arguments: ReplayOrder.allCases)
        func anotherCallIsADivergence(_ order: ReplayOrder) throws {
            let again = try replay(Self.plain, ["-DCALL=getuid()"], order: order)
            workspace.expect(again.status == 70, "\(again.status)\n\(again.errorText)")
            // The place is the one in the log, although not every event is followed.
            let report = again.errorText
            guard let match = report.firstMatch(of: /event divergence in thread 0 at event (\d+)/) else {
                return workspace.fail(report)
            }
            let event = String(match.1)
            let dump = try workspace.castor("dump", "--thread", "0", "--from", event, "--to", event, recording.log)
            workspace.expect(dump.outputText.contains("getppid()") && report.contains("actual:   getuid()"), report)
        }

        @Test func whatIsNoProgramIsRefused() throws {
            for (operand, status) in [("/nowhere/at/all", 69), (Self.source, 69)] {
                let again = try workspace.castor("replay", "--exe", operand, recording.log)
                workspace.expect(again.status == status, "\(operand): \(again)")
            }
            let stripped = try Build(name: "stripped", words: ["clang-16", "-fsanitize=address", "-s"]).make(
                [Self.source], "stripped", in: workspace)
            let again = try workspace.castor("replay", "--exe", stripped, recording.log)
            workspace.expect(again.status == 69 && again.errorText.contains("stripped"), "\(again)")
        }

        /// Without --exe the changed program is refused as ever.
        @Test func otherwiseNothingIsLet() throws {
            let own = try Self.plain.make([Self.source], "own", in: workspace)
            let log = try Recording.make([own], in: workspace, name: "log-own")
            _ = try Self.plain.make([Self.source], "own", in: workspace, ["-DCALL=getuid()"])
            workspace.expect(try log.replay().status == 69, "a changed program was replayed")
        }
    }
}
