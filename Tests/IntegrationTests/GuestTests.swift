/// The guests by area, one for each behaviour of the system: all of them, found in their folders.
import Foundation
import Testing

/// A guest in a folder of Tests/Guests. A line `// args: …` of its source is its command line, a line `// ends: N` the
/// status with which it is to end, if not 0.
struct AreaGuest: CustomTestStringConvertible, Sendable {
    /// Area and name, as in `files/vectors`.
    let name: String
    let arguments: [String]
    let status: Int32

    var testDescription: String { name }

    static let all: [AreaGuest] = {
        let top = Repository.guestSource("")
        let sources = (FileManager.default.enumerator(atPath: top)?.compactMap { $0 as? String } ?? []).sorted()
        return sources.compactMap { source -> AreaGuest? in
            // AtomicTests has those of the compiler plane.
            guard source.contains("/"), !source.hasPrefix("atomics/") else { return nil }
            guard source.hasSuffix(".c") || source.hasSuffix(".cpp") else { return nil }
            let text = (try? String(contentsOfFile: Repository.guestSource(source), encoding: .utf8)) ?? ""
            func line(_ head: String) -> Substring? {
                text.split(separator: "\n").first { $0.hasPrefix(head) }?.dropFirst(head.count)
            }
            return AreaGuest(
                name: String(source[..<source.lastIndex(of: ".")!]),
                arguments: line("// args: ")?.split(separator: " ").map(String.init) ?? [],
                status: line("// ends: ").flatMap { Int32($0) } ?? 0)
        }
    }()

    var words: [String] { get throws { [try Repository.areaGuest(name)] + arguments } }
}

extension Integration {
    @Suite struct GuestTests {
        @Test func guestsAreFound() { #expect(AreaGuest.all.count > 80) }

        @Test(arguments: AreaGuest.all)
        func replaysExactly(_ guest: AreaGuest) throws {
            let workspace = try Workspace()
            let natively = try Child(try guest.words, directory: workspace.path).wait(timeout: 30)
            workspace.expect(natively.status == guest.status, "without castor: \(natively)")
            try record(guest, [], in: workspace)?.expectSame()
        }

        /// Every call comes through Syscall User Dispatch.
        @Test(arguments: AreaGuest.all)
        func replaysExactlyWithoutRewriting(_ guest: AreaGuest) throws {
            var random = Random("without rewriting \(guest.name)")
            if !Series.isSoak, random.below(3) != 0 { return }
            let workspace = try Workspace()
            try record(guest, ["--no-rewrite"], in: workspace)?.expectSame(orders: [.partial])
        }

        /// Which threads are on their way out when the last one ends the process differs from run to run.
        @Test func threadsThatEndAtOnce() throws {
            let guest = try #require(AreaGuest.all.first { $0.name == "threads/all_leave" })
            for _ in 0..<Series.count(soak: 200, reduced: 20) {
                let workspace = try Workspace()
                try record(guest, [], in: workspace)?.expectSame(orders: [.partial])
                if workspace.isKept { break }
            }
        }

        private func record(_ guest: AreaGuest, _ options: [String], in workspace: Workspace) throws -> Recording? {
            let recording = try Recording.make(try guest.words, in: workspace, options: options, timeout: 60)
            workspace.expect(recording.outcome.status == guest.status, "the guest failed: \(recording.outcome)")
            return recording.outcome.status == guest.status ? recording : nil
        }

        /// A call that castor does not know is named when it is made.
        @Test func unknownCallsAreNamed() throws {
            let workspace = try Workspace()
            let outcome = try workspace.castor([
                "record", "-o", workspace("log"), Repository.areaGuest("calls/unknown"),
            ])
            workspace.expect(
                outcome.status == 0
                    && outcome.errorText.contains("not supported: a system call newer than this castor"),
                "\(outcome)")
            workspace.expect(outcome.errorText.contains("unsupported calls"), "\(outcome)")
        }
    }
}
