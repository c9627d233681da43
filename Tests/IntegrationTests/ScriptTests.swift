/// Scripts that start dozens of Debian's programs, in directories that are gone when they are replayed.
import Foundation
import Testing

struct Script: CustomTestStringConvertible, Sendable {
    let shell: String
    let name: String
    /// What it must have printed.
    let text: String
    var testDescription: String { "\(shell) \(name)" }

    static let all = [
        Script(shell: "bash", name: "pipes.sh", text: "sub 7"),
        Script(shell: "dash", name: "pipes.sh", text: "sub 7"),
        Script(shell: "bash", name: "bash.sh", text: "through"),
        Script(shell: "bash", name: "git.sh", text: "f5:1"),
        Script(shell: "bash", name: "make.sh", text: "1 3\n"),
        Script(shell: "bash", name: "tar.sh", text: "same zstd"),
        Script(shell: "bash", name: "rsync.sh", text: "same"),
        Script(shell: "bash", name: "xargs.sh", text: "\n123\n"),
        Script(shell: "bash", name: "binutils.sh", text: "prog: 7"),
    ]
}

extension Integration {
    @Suite struct ScriptTests {
        @Test(arguments: Script.all)
        func script(_ script: Script) throws {
            for _ in 0..<Series.count(soak: 10, reduced: 1) {
                let workspace = try Workspace()
                let directory = try workspace.makeDirectory("work")
                let recording = try Recording.make(
                    [script.shell, Repository.guestSource("scripts/\(script.name)")], in: workspace,
                    environment: ["HOME": directory, "LC_ALL": "C"], directory: directory)
                workspace.expect(
                    recording.outcome.status == 5 && recording.outcome.outputText.contains(script.text),
                    "\(recording.outcome.status)\n\(recording.outcome.outputText)\n\(recording.outcome.errorText)")
                // What it built and ran is a program, which a replay needs.
                let left = try FileManager.default.contentsOfDirectory(atPath: directory)
                for name in left where name != "prog" { try workspace.remove("work/\(name)") }
                recording.expectSame()
            }
        }

        /// The kernel's own copying would go past the log.
        @Test func outputIntoAFile() throws {
            let workspace = try Workspace()
            try workspace.write("text", Data("copied\n".utf8))
            let recorded = try Child([
                "sh", "-c", "\"$@\" >\"$0\"", workspace("copy"), Repository.castor, "record", "-q", "-o",
                workspace("log"), "cat", workspace("text"),
            ]).wait()
            workspace.expect(recorded.status == 0, recorded.errorText)
            try workspace.remove("text")
            let again = try workspace.castor("replay", "-q", workspace("log"))
            workspace.expect(again.status == 0 && again.outputText == "copied\n", "\(again)")
        }
    }
}
