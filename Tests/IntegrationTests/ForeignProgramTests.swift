/// Programs that castor records in part or not at all: what it does not record it names, and a replay that cannot be
/// exact says so.
import Foundation
import Testing

extension Integration {
    @Suite struct ForeignProgramTests {
        /// `Go` makes such programs, too.
        private func buildStatic(in workspace: Workspace) throws -> String {
            let program = workspace("static")
            let source = "#include <stdio.h>\nint main(void) { puts(\"not recorded\"); return 3; }\n"
            let built = try Child(
                ["gcc", "-static", "-o", program, "-x", "c", "-"], input: .bytes(Array(source.utf8))
            ).wait()
            guard built.status == 0 else { throw Failure(built.errorText) }
            return program
        }

        @Test func staticProgram() throws {
            let workspace = try Workspace()
            let refused = try Recording.make([try buildStatic(in: workspace)], in: workspace).outcome
            workspace.expect(
                refused.status == 69 && refused.output.isEmpty
                    && refused.errorText.contains("statically linked programs cannot be recorded"), "\(refused)")
        }

        /// Its parent is recorded all the same, and what it wrote to it is input.
        @Test func staticChild() throws {
            let workspace = try Workspace()
            let program = try buildStatic(in: workspace)
            let script = "text=$(\"$0\"); echo \"$? <$text>\"; (echo a; echo b) | sed s/a/c/"
            let said = try workspace.castor("record", "-o", workspace("first"), "bash", "-c", script, program)
            workspace.expect(
                said.errorText.contains("castor: not recorded: \(program)\n")
                    && said.errorText.contains("castor:   it is statically linked\n"), said.errorText)
            let recording = try Recording.make(["bash", "-c", script, program], in: workspace)
            workspace.expect(recording.outcome.outputText == "3 <not recorded>\nc\nb\n", "\(recording.outcome)")
            try workspace.remove("static")
            recording.expectSame()
        }

        /// Engines whose threads meet in atomics and whose code is made as they run.
        @Test(arguments: [
            ["node", "-e", "setTimeout(() => console.log('done', [3, 1, 2].sort(), Math.random() < 2), 20)"],
            ["java", "-version"],
        ])
        func engine(_ words: [String]) throws {
            guard try Child(["which", words[0]]).wait().status == 0 else { return }
            let workspace = try Workspace()
            let recording = try Recording.make(words, in: workspace)
            workspace.expect(recording.outcome.status == 0, "\(recording.outcome)")
            recording.expectSameOrNamed()
        }
    }
}
