/// The one verb of these tests: record, take the inputs away, replay, compare.
import Foundation
import Testing

/// The parent of all suites: one test at a time, for the programs under test have threads enough of their own.
@Suite(.serialized) enum Integration {}

enum ReplayOrder: String, CaseIterable {
    case partial, total
}

/// A program that runs under `castor record`.
struct RunningRecording {
    let castor: Child
    fileprivate let workspace: Workspace
    fileprivate let log: String
    let words: [String]

    func finish(timeout: Double = 180) throws -> Recording {
        let outcome = try workspace.keptOnError { try castor.wait(timeout: timeout) }
        return Recording(workspace: workspace, log: log, words: words, outcome: outcome)
    }
}

struct Recording {
    let workspace: Workspace
    let log: String
    let words: [String]
    /// What the recorded program printed, and castor's exit status, which is the program's.
    let outcome: Outcome

    /// Starts `words` under the recorder; the log is `name` in the workspace.
    static func start(
        _ words: [String], in workspace: Workspace, name: String = "log", input: Child.Input = .null,
        environment: [String: String?] = [:], directory: String? = nil, wrapper: [String] = [], options: [String] = []
    ) throws -> RunningRecording {
        let log = workspace(name)
        let child = try workspace.startCastor(
            ["record", "-q", "-o", log] + options + words, input: input, environment: environment, directory: directory,
            wrapper: wrapper)
        return RunningRecording(castor: child, workspace: workspace, log: log, words: words)
    }

    static func make(
        _ words: [String], in workspace: Workspace, name: String = "log", input: Child.Input = .null,
        environment: [String: String?] = [:], directory: String? = nil, options: [String] = [], timeout: Double = 180
    ) throws -> Recording {
        try start(
            words, in: workspace, name: name, input: input, environment: environment, directory: directory,
            options: options
        ).finish(timeout: timeout)
    }

    private func replayWords(_ order: ReplayOrder, _ options: [String]) -> [String] {
        ["replay", "-q", "--order", order.rawValue] + options + [log]
    }

    /// Replays with nothing on standard input.
    func replay(_ order: ReplayOrder = .partial, _ options: [String] = [], timeout: Double = 180) throws -> Outcome {
        try workspace.castor(replayWords(order, options), timeout: timeout)
    }

    // MARK: - Comparing

    /// Expects that both replays print what was recorded and end with its status, and that the log can be read, unless one like it
    /// was looked at before.
    func expectSame(
        orders: [ReplayOrder] = ReplayOrder.allCases, timeout: Double = 180, isFirst: Bool = true,
        location: SourceLocation = #_sourceLocation
    ) {
        if isFirst { expectReadable(location: location) }
        for order in orders {
            do {
                let again = try replay(order, timeout: timeout)
                let differences = self.differences(to: again)
                if !differences.isEmpty { fail(order, differences, again.errorText, location) }
            } catch {
                fail(order, ["\(error)"], "", location)
            }
        }
    }

    /// Every event is there, and `castor dump` can print it.
    func expectReadable(location: SourceLocation = #_sourceLocation) {
        do {
            let info = try workspace.castor("info", "--json", log)
            let description = try JSONSerialization.jsonObject(with: info.output) as? [String: Any]
            // In a file, not in memory: it can be hundreds of megabytes.
            let count = try Child(
                [
                    "sh", "-c", "\"$0\" dump --json \"$1\" | wc -l && \"$0\" dump --json --to 200 \"$1\"",
                    Repository.castor, log,
                ])
                .wait()
            let lines = count.outputText.split(separator: "\n")
            let events = (description?["events"] as? NSNumber)?.intValue
            workspace.expect(
                info.status == 0 && count.status == 0 && events == lines.first.flatMap { Int($0) },
                "castor info: \(events.map(String.init) ?? "?") events, castor dump: \(lines.first ?? "?")\n"
                    + "\(info.errorText)\(count.errorText)", location)
            for line in lines.dropFirst() {
                guard (try? JSONSerialization.jsonObject(with: Data(line.utf8))) is [String: Any] else {
                    workspace.fail("castor dump --json prints what is no JSON object: \(line)", location)
                    return
                }
            }
        } catch {
            workspace.fail("the log of \(words.joined(separator: " ")) is not readable: \(error)", location)
        }
    }

    func differences(to again: Outcome) -> [String] {
        var result: [String] = []
        if again.status != outcome.status { result.append("exit status \(again.status), recorded \(outcome.status)") }
        if let text = Recording.difference(outcome.output, again.output) { result.append("stdout: \(text)") }
        if let text = Recording.difference(outcome.errors, again.errors) { result.append("stderr: \(text)") }
        return result
    }

    func fail(_ order: ReplayOrder, _ differences: [String], _ errors: String, _ location: SourceLocation) {
        let command = ([Repository.castor] + replayWords(order, [])).filter { $0 != "-q" }.joined(separator: " ")
        let report = errors.isEmpty ? "" : "\nstderr of the replay: \(errors.prefix(1500))"
        workspace.fail(
            "replay in \(order) order of: \(words.joined(separator: " "))\n"
                + differences.joined(separator: "\n") + report + "\nagain: \(command)", location)
    }

    /// Where two streams part; nil when they are the same.
    static func difference(_ recorded: Data, _ replayed: Data) -> String? {
        if recorded == replayed { return nil }
        let old = [UInt8](recorded)
        let new = [UInt8](replayed)
        var place = 0
        while place < min(old.count, new.count), old[place] == new[place] { place += 1 }
        func line(_ bytes: [UInt8]) -> String {
            let start = bytes[..<min(place, bytes.count)].lastIndex(of: 10).map { $0 + 1 } ?? 0
            return String(decoding: bytes[start...].prefix { $0 != 10 }.prefix(200), as: UTF8.self)
        }
        return "differs at byte \(place) of \(old.count) (replayed \(new.count)): "
            + "recorded '\(line(old))', replayed '\(line(new))'"
    }
}
