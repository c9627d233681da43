/// Python's own test suites of what is hard to record: threads, processes, signals, sockets, event loops. One class (of
/// asyncio, one module) is one recording. What does not replay is listed in KnownDivergences.txt, which may only shrink.
import Foundation
import Testing

/// Lines of `always NAME REASON` or `sometimes NAME REASON`.
private struct KnownDivergence {
    let isAlways: Bool
    let name: String

    static let file = "\(Repository.root)/Tests/IntegrationTests/KnownDivergences.txt"

    static func all() throws -> [KnownDivergence] {
        let text = try String(contentsOfFile: file, encoding: .utf8)
        return try text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map { line in
            let words = line.split(separator: " ", maxSplits: 2)
            guard words.count == 3, words[0] == "always" || words[0] == "sometimes" else {
                throw Failure("KnownDivergences.txt: no reason in '\(line)'")
            }
            return KnownDivergence(isAlways: words[0] == "always", name: String(words[1]))
        }
    }
}

extension Integration {
    @Suite struct PythonSuiteTests {
        private static let python = "/usr/bin/python3"
        private static let modules = [
            "test_threading", "test_subprocess", "test_signal", "test_socket", "test_asyncio",
        ]
        /// A minute and more each; in the full series only.
        private static let long = [
            "test_subprocess.P", "test_asyncio.test_subprocess", "test_signal.Siginterrupt", "test_asyncio.test_ssl",
        ]

        private static func isLong(_ name: String) -> Bool { long.contains { name.dropFirst(5).hasPrefix($0) } }

        /// Hangs natively, too, where no virtual machine answers.
        private static let skipped = ["test.test_socket.ThreadedVSOCKSocketStreamTest"]

        private struct Unit {
            let module: String
            let name: String
        }

        private enum Result {
            case exact
            case named(String)
            case wrong(String)
        }

        private func units() throws -> [Unit] {
            try Self.modules.flatMap { module in
                let list = try Child([Self.python, "-m", "test", "--list-cases", module]).wait().outputText
                let names = list.split(separator: "\n").compactMap { line -> String? in
                    let words = line.split(separator: ".")
                    return words.count > 3 ? words.prefix(3).joined(separator: ".") : nil
                }
                if names.isEmpty { throw Failure("\(module) is not installed") }
                return Set(names).subtracting(Self.skipped).sorted().map { Unit(module: module, name: $0) }
            }
        }

        private func run(_ unit: Unit) throws -> Result {
            let workspace = try Workspace()
            let words = [Self.python, "-m", "test", "-v", "-m", "\(unit.name).*", unit.module]
            let recording = try Recording.make(words, in: workspace, timeout: 300)
            for order in ReplayOrder.allCases {
                let again: Outcome
                do { again = try recording.replay(order, timeout: 300) } catch { return .wrong("\(error)") }
                let differences = recording.differences(to: again)
                if differences.isEmpty { continue }
                if again.status == 70, Recording.isNamed(again.errorText) {
                    let report = again.errorText
                    let start = report.range(of: "castor: divergence")?.lowerBound ?? report.startIndex
                    return .named("\(order) order: \(report[start...].prefix(600))")
                }
                return .wrong("\(order) order: \(differences)\n\(again.errorText.suffix(600))")
            }
            return .exact
        }

        @Test func classes() throws {
            var random = Random("python suites")
            let known = try KnownDivergence.all()
            let all = try units()
            for name in known.map(\.name) where !all.contains(where: { $0.name == name }) {
                Issue.record("KnownDivergences.txt: there is no \(name)")
            }
            let names = Set(known.map(\.name))
            var chosen = all.filter { !names.contains($0.name) }
            if !Series.isSoak {
                chosen = chosen.filter { !Self.isLong($0.name) }
                chosen = Array(chosen.shuffled(using: &random).prefix(6))
            }
            for unit in chosen { try expectExact(unit) }
            let short = known.filter { !Self.isLong($0.name) }
            for entry in Series.isSoak ? known : Array(short.shuffled(using: &random).prefix(1)) {
                guard let unit = all.first(where: { $0.name == entry.name }) else { continue }
                try expectDivergence(unit, isAlways: entry.isAlways)
            }
        }

        /// Whether two of Python's threads meet in an atomic is chance, so once is not enough to be called a divergence.
        private func expectExact(_ unit: Unit) throws {
            var reports: [String] = []
            for _ in 0..<3 {
                switch try run(unit) {
                case .exact: return
                case .named(let report): reports.append(report)
                case .wrong(let report):
                    Issue.record("\(unit.name): neither exact nor named\n\(report)")
                    return
                }
            }
            Issue.record("\(unit.name) does not replay:\n\(reports.joined(separator: "\n"))")
        }

        /// What has become exact is to be taken out of the list.
        private func expectDivergence(_ unit: Unit, isAlways: Bool) throws {
            for _ in 0..<(isAlways ? 3 : Series.count(soak: 20, reduced: 1)) {
                switch try run(unit) {
                case .exact: continue
                case .named: return
                case .wrong(let report):
                    Issue.record("\(unit.name): neither exact nor named\n\(report)")
                    return
                }
            }
            if isAlways || Series.isSoak { Issue.record("\(unit.name) replays: take it out of KnownDivergences.txt") }
        }
    }
}
