/// The command line: help, exit statuses, the store of recordings, what scripts build on.
import Foundation
import Testing

extension Integration {
    @Suite struct CommandTests {
        private let workspace: Workspace
        private static let visible = [
            "record", "replay", "race", "ls", "info", "ps", "dump", "rm", "cc", "c++", "flags", "check", "doctor", "ft",
            "syscalls", "completion", "help",
        ]
        /// Their --help is the compiler's.
        private static let compilers = ["cc", "c++"]
        private static let hidden = ["man-pages", "launch"]

        init() throws { workspace = try Workspace() }

        private func json(_ words: String...) throws -> Any {
            let result = try workspace.castor(words)
            try #require(result.status == 0, "\(words): \(result.errorText)")
            return try JSONSerialization.jsonObject(with: result.output)
        }

        /// A short program, in the store of the workspace.
        private func record(_ words: String...) throws {
            #expect(try workspace.castor(["record", "-q"] + words).status == 0)
        }

        // MARK: - Help

        @Test func overviewNamesEveryCommand() throws {
            for words in [["help"], ["--help"], ["-h"]] {
                let help = try workspace.castor(words)
                #expect(help.status == 0 && help.errors.isEmpty)
                for name in Self.visible {
                    #expect(help.outputText.contains("\n  \(name) "), "castor \(words): no \(name)")
                }
            }
        }

        @Test(arguments: visible + hidden)
        func everyCommandHasHelp(_ name: String) throws {
            let asked = try workspace.castor("help", name)
            #expect(asked.status == 0 && asked.outputText.hasPrefix("usage: castor \(name)"))
            for option in Self.compilers.contains(name) ? ["--castor-help"] : ["--help", "-h"] {
                #expect(try workspace.castor(name, option) == asked)
            }
            let longest = asked.outputText.split(separator: "\n").map(\.count).max() ?? 0
            #expect(longest <= 80)
        }

        @Test func version() throws {
            let version = try workspace.castor("--version")
            #expect(version.status == 0 && version.outputText.wholeMatch(of: /castor \d+\.\d+\.\d+ .*\n/) != nil)
        }

        // MARK: - Exit statuses

        @Test(arguments: [
            [], ["recrod"], ["--frobnicate"], ["record"], ["record", "--order", "total", "true"], ["record", "-o"],
            ["replay", "--order", "sideways"], ["replay", "a", "b"], ["replay", "-d", "ed"], ["dump", "--from", "x"],
            ["dump", "--from", "2", "--to", "1"], ["rm"], ["rm", "--all", "x"], ["ls", "x"], ["info", "a", "b"],
            ["completion"], ["completion", "tcsh"], ["help", "nothing"], ["doctor", "x"], ["man-pages"], ["check"],
            ["check", "a", "b"], ["flags"], ["flags", "java"], ["record", "--compression", "0", "true"],
            ["record", "--compression", "20", "true"], ["record", "--compression=small", "true"],
        ])
        func wrongCommandLines(_ words: [String]) throws {
            let result = try workspace.castor(words)
            #expect(result.status == 64, "castor \(words): \(result.errorText)")
            #expect(result.output.isEmpty && result.errorText.hasPrefix("castor: "))
            #expect(result.errorText.contains("--help"))
        }

        @Test(arguments: ["replay", "info", "ps", "dump", "rm"])
        func missingLogs(_ command: String) throws {
            for log in [["no-such-log"], [workspace("nothing")]] + (command == "rm" ? [] : [[]]) {
                let result = try workspace.castor([command] + log)
                #expect(result.status == 66, "castor \(command) \(log): \(result.errorText)")
                #expect(result.output.isEmpty && result.errorText.hasPrefix("castor: "))
            }
        }

        @Test(arguments: ["replay", "info", "ps", "dump"])
        func whatIsNoLog(_ command: String) throws {
            try workspace.makeDirectory("other")
            try workspace.write("other/events", Data("something else\n".utf8))
            try workspace.write("other/manifest.json", Data("{}\n".utf8))
            let result = try workspace.castor(command, workspace("other"))
            #expect(result.status == 65 && result.errorText.hasPrefix("castor: "), "\(result.errorText)")
        }

        @Test func statusIsTheProgramsOwn() throws {
            for status: Int32 in [0, 1, 42, 64, 70, 255] {
                let code = "import sys; sys.exit(\(status))"
                let recording = try Recording.make(
                    ["/usr/bin/python3", "-c", code], in: workspace, name: "log-\(status)")
                #expect(recording.outcome.status == status)
                #expect(try recording.replay().status == status)
            }
        }

        // MARK: - The store

        @Test func logsGoIntoTheStore() throws {
            try record("true")
            try record("echo", "second")
            let store = workspace("data/castor")
            let manager = FileManager.default
            for name in ["true-0", "echo-0"] {
                let mode = try manager.attributesOfItem(atPath: "\(store)/\(name)")[.posixPermissions] as? NSNumber
                #expect(mode?.intValue == 0o700, "\(name)")
            }
            #expect(try manager.destinationOfSymbolicLink(atPath: "\(store)/latest") == "echo-0")
            #expect(try workspace.castor("replay", "-q").outputText == "second\n")
            #expect(try workspace.castor("replay", "-q", "latest").outputText == "second\n")
            #expect(try workspace.castor("replay", "-q", "echo-0").outputText == "second\n")
            #expect(try workspace.castor("replay", "-q", "\(store)/echo-0").outputText == "second\n")
            try record("true")
            #expect(try manager.destinationOfSymbolicLink(atPath: "\(store)/latest") == "true-1")
        }

        /// Without XDG_DATA_HOME the place is ~/.local/share/castor.
        @Test func storeInTheHomeDirectory() throws {
            let child = try workspace.startCastor(
                ["record", "-q", "true"], environment: ["XDG_DATA_HOME": nil, "HOME": workspace("home")])
            #expect(try child.wait().status == 0)
            #expect(FileManager.default.fileExists(atPath: workspace("home/.local/share/castor/true-0/events")))
        }

        @Test func summaryNamesLogAndReplay() throws {
            let result = try workspace.castor("record", "true")
            let log = workspace("data/castor/true-0")
            #expect(result.output.isEmpty)
            #expect(result.errorText.hasPrefix("castor: \(log): ") && result.errorText.contains("castor replay \(log)"))
            let quiet = try workspace.castor("record", "-q", "true")
            #expect(quiet.output.isEmpty && quiet.errors.isEmpty)
        }

        @Test func listing() throws {
            #expect((try json("ls", "--json") as? [Any])?.isEmpty == true)
            try record("true")
            try record("echo", "word")
            let logs = try #require(try json("ls", "--json") as? [[String: Any]])
            #expect(logs.compactMap { $0["name"] as? String } == ["echo-0", "true-0"])
            #expect(logs.allSatisfy { $0["state"] as? String == "complete" })
            let table = try workspace.castor("ls").outputText.split(separator: "\n")
            #expect(table.count == 3 && table[1].hasPrefix("echo-0 ") && table[1].hasSuffix("exit 0"))
        }

        @Test func removing() throws {
            for _ in 0..<3 { try record("true") }
            #expect(try workspace.castor("rm", "true-2").status == 0)
            let latest = try FileManager.default.destinationOfSymbolicLink(atPath: workspace("data/castor/latest"))
            #expect(latest == "true-1")
            try workspace.write("data/castor/true-0/notes", Data())
            let foreign = try workspace.castor("rm", "true-0")
            #expect(foreign.status == 1 && foreign.errorText.contains("notes"))
            try workspace.remove("data/castor/true-0/notes")
            #expect(try workspace.castor("rm", "--all").status == 0)
            #expect((try json("ls", "--json") as? [Any])?.isEmpty == true)
            #expect(try workspace.castor("rm", workspace.path).status == 1)
            #expect(FileManager.default.fileExists(atPath: workspace.path))
        }

        @Test func infoAndDump() throws {
            try record("echo", "word")
            let info = try #require(try json("info", "--json") as? [String: Any])
            let manifest = try #require(info["manifest"] as? [String: Any])
            #expect((manifest["arguments"] as? [String])?.last == "word")
            #expect((info["ending"] as? [String: Any])?["exited"] as? Int == 0)
            #expect(info["isTruncated"] as? Bool == false)
            let events = try #require(info["events"] as? Int)
            let dump = try workspace.castor("dump", "--json").outputText.split(separator: "\n")
            #expect(dump.count == events && events > 10)
            for line in dump { #expect(try JSONSerialization.jsonObject(with: Data(line.utf8)) is [String: Any]) }
            #expect(try workspace.castor("dump").outputText.split(separator: "\n").count == events)
            let some = try workspace.castor("dump", "--thread", "0", "--from", "2", "--to", "4")
            #expect(some.outputText.split(separator: "\n").map { $0.prefix(3) } == ["0:2", "0:3", "0:4"])
            #expect(try workspace.castor("info").outputText.contains("echo word"))
            #expect(try workspace.castor("dump", "--thread", "7").status == 1)
        }

        // MARK: - What passes through

        @Test func standardStreamsPassThrough() throws {
            let running = try Recording.start(["cat"], in: workspace, input: .pipe)
            for line in ["first", "second"] {
                try running.castor.write("\(line)\n")
                // Before the input ends: nothing is held back.
                #expect(try running.castor.line(containing: line) == line)
            }
            running.castor.closeInput()
            let recording = try running.finish()
            #expect(recording.outcome == Outcome(output: Data("first\nsecond\n".utf8), errors: Data(), status: 0))
            recording.expectSame()
        }

        @Test func standardErrorIsApart() throws {
            let code = "import sys; print('out'); sys.stdout.flush(); print('err', file=sys.stderr)"
            let recording = try Recording.make(["/usr/bin/python3", "-c", code], in: workspace)
            #expect(recording.outcome == Outcome(output: Data("out\n".utf8), errors: Data("err\n".utf8), status: 0))
            recording.expectSame()
        }

        /// Environment and working directory are the program's own, and the replay's whatever castor's are.
        @Test func environmentAndDirectory() throws {
            let directory = try workspace.makeDirectory("somewhere else")
            let recording = try Recording.make(
                ["/usr/bin/python3", "-c", "import os; print(os.environ['CASTOR_TEST'], os.getcwd())"], in: workspace,
                environment: ["CASTOR_TEST": "a b=c"], directory: directory)
            #expect(recording.outcome.outputText == "a b=c \(directory)\n")
            recording.expectSame()
        }

        // MARK: - What scripts build on

        @Test func doctorIsContent() throws {
            let doctor = try workspace.castor("doctor")
            #expect(doctor.status == 0, "\(doctor.outputText)")
            #expect(!doctor.outputText.split(separator: "\n").contains { $0.hasPrefix("FAIL") })
        }

        @Test func syscalls() throws {
            let table = try workspace.castor("syscalls").outputText.split(separator: "\n")
            #expect(table.count > 350 && table[0].hasPrefix("NR"))
            let read = try workspace.castor("syscalls", "read").outputText
            #expect(read.contains(#/\n0 +read +full /#) && read.split(separator: "\n").count == 2)
            let unsupported = try workspace.castor("syscalls", "--support", "unsupported").outputText.split(
                separator: "\n")
            #expect(unsupported.count > 1 && unsupported.dropFirst().allSatisfy { $0.contains("unsupported") })
            #expect(try workspace.castor("syscalls", "raed").errorText.contains("did you mean 'read'?"))
        }

        @Test func completionOfLevels() throws {
            for shell in ["bash", "zsh", "fish"] {
                let script = try workspace.castor("completion", shell).outputText
                #expect(script.contains("none fast default best"), "\(shell)")
            }
            let help = try workspace.castor("record", "--help").outputText
            #expect(help.contains("--compression LEVEL"))
        }

        @Test func completionScriptsParse() throws {
            for (shell, check) in [("bash", ["bash", "-n"]), ("zsh", ["zsh", "-n"]), ("fish", ["fish", "-n"])] {
                let script = try workspace.castor("completion", shell)
                #expect(script.status == 0 && script.outputText.contains("replay"))
                let path = try workspace.write("completion.\(shell)", script.output)
                guard try Child(["sh", "-c", "command -v \(shell)"]).wait().status == 0 else {
                    print("skipped: syntax of the completion script, no \(shell) here")
                    continue
                }
                let parsed = try Child(check + [path]).wait()
                #expect(parsed.status == 0, "\(shell): \(parsed.errorText)")
            }
        }

        @Test func bashCompletes() throws {
            let script = try workspace.write("completion", try workspace.castor("completion", "bash").output)
            let asking = ". \"$0\"; COMP_WORDS=(castor re); COMP_CWORD=1; _castor; echo \"${COMPREPLY[@]}\""
            #expect(try Child(["bash", "-c", asking, script]).wait().outputText == "record replay\n")
        }

        /// The options of the actions of `castor ft`, which are commands of their own.
        @Test func actionsComplete() throws {
            for shell in ["bash", "zsh", "fish"] {
                let script = try workspace.castor("completion", shell).outputText
                for word in ["primary", "replica", "status", "deadline", "automatic", "tls-ca", "metrics", "json"] {
                    #expect(script.contains(word), "\(shell): \(word)")
                }
            }
            let script = try workspace.write("completion", try workspace.castor("completion", "bash").output)
            func expect(_ words: String, _ answers: String) throws {
                let asking = ". \"$0\"; COMP_WORDS=(castor \(words)); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _castor; echo \"${COMPREPLY[@]}\""
                let found = try Child(["bash", "-c", asking, script], directory: workspace.path).wait().outputText
                #expect(found == answers + "\n", "castor \(words)")
            }
            try expect("ft ''", "primary replica status")
            try expect("ft r", "replica")
            try expect("ft primary --dea", "--deadline")
            try expect("ft replica --auto", "--automatic")
            try expect("ft status --js", "--json")
            try expect("ft replica --tls-cert comple", "completion")
            try expect("ft primary --replica h:1 --metrics 9 --qu", "--quiet")
            guard try Child(["sh", "-c", "command -v fish"]).wait().status == 0 else { return print("skipped: completion by fish, which is not here") }
            let fish = try workspace.write("completion.fish", try workspace.castor("completion", "fish").output)
            for (words, answers) in [("ft r", ["replica"]), ("ft primary --dead", ["--deadline"]), ("ft status --js", ["--json"])] {
                let lines = try Child(["fish", "-c", "source $argv[1]; complete -C $argv[2]", fish, "castor \(words)"]).wait().outputText
                let found = lines.split(separator: "\n").compactMap { $0.split(separator: "\t").first.map(String.init) }
                #expect(found == answers, "castor \(words)")
            }
        }

        @Test func manualPages() throws {
            #expect(try workspace.castor("man-pages", workspace("man")).status == 0)
            let pages = try FileManager.default.contentsOfDirectory(atPath: workspace("man"))
            #expect(Set(pages) == Set(["castor.1"] + Self.visible.map { "castor-\($0).1" }))
            for page in pages {
                let text = String(
                    decoding: FileManager.default.contents(atPath: workspace("man/\(page)")) ?? Data(), as: UTF8.self)
                for heading in [".TH ", ".SH NAME", ".SH SYNOPSIS", ".SH OPTIONS"] {
                    #expect(text.contains(heading), "\(page): no \(heading)")
                }
            }
        }
    }
}
