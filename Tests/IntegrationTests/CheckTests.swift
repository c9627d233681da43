/// `castor check`: verdicts, what it names, and the line that `castor record` begins with.
import Foundation
import Testing

extension Integration {
    @Suite struct CheckTests {
        private let workspace: Workspace

        init() throws { workspace = try Workspace() }

        private func compile(_ source: String, _ name: String = "program", _ options: [String] = []) throws -> String {
            let words = ["gcc", "-O1", "-o", workspace(name), "-x", "c", "-"] + options
            let built = try Child(words, input: .bytes(Array(source.utf8))).wait()
            guard built.status == 0 else { throw Failure(built.errorText) }
            return workspace(name)
        }

        private static let plain = "#include <stdio.h>\nint main(void) { puts(\"hello\"); return 0; }\n"
        private static let atomic = """
            int word;
            __attribute__((noinline)) int bump(void) { return __atomic_fetch_add(&word, 1, __ATOMIC_SEQ_CST); }
            int main(void) { return bump(); }
            """
        private static let machine = """
            #include <cpuid.h>
            __attribute__((noinline)) long now(void) { return __builtin_ia32_rdtsc(); }
            __attribute__((noinline)) int vendor(void) { unsigned a, b, c, d; return __get_cpuid(0, &a, &b, &c, &d); }
            int main(void) { return now() == vendor(); }
            """

        private func expect(_ program: String, _ status: Int32, _ texts: String...) throws {
            let said = try workspace.castor("check", program)
            workspace.expect(said.status == status && said.errors.isEmpty, "\(program): \(said)")
            for text in texts {
                workspace.expect(said.outputText.contains(text), "no '\(text)' in:\n\(said.outputText)")
            }
            let quiet = try workspace.castor("check", "-q", program)
            workspace.expect(quiet.status == status && quiet.output.isEmpty && quiet.errors.isEmpty, "\(quiet)")
        }

        @Test func exact() throws {
            let program = try compile(Self.plain)
            try expect(program, 0, "\(program): nothing\n", "\(program): exact\n", "/libc.so.6: nothing (its locks")
        }

        @Test func atomicsAreNamed() throws {
            let program = try compile(Self.atomic)
            try expect(
                program, 1, "\(program): 1 lock\n", "  bump: 1 lock\n",
                "\(program): exact unless these race: atomics in program (1)\n")
        }

        /// A time stamp is another one each time; cpuid answers the same on the same processor.
        @Test func machineInstructions() throws {
            let program = try compile(Self.machine)
            try expect(
                program, 1, "  now: 1 rdtsc\n", "  vendor: ",
                "\(program): exact unless it uses these: rdtsc in program (1)\n")
            let only = try compile(
                Self.machine.replacing("now() == ", with: ""), "cpuid", ["-ffunction-sections", "-Wl,--gc-sections"])
            try expect(only, 0, "  vendor: ")
        }

        @Test func notSupported() throws {
            let text = "statically linked programs cannot be recorded"
            try expect(try compile(Self.atomic, "static", ["-static"]), 69, "not supported: ", text)
            let program = try compile(Self.plain, "setgid")
            try #require(chmod(program, 0o2755) == 0)
            try expect(program, 69, "not supported: ", "setuid")
            try workspace.write("text", Data("no program\n".utf8))
            try expect(workspace("text"), 69, "not an executable file")
        }

        @Test func missing() throws {
            for name in ["no-such-program-anywhere", workspace("nothing")] {
                let said = try workspace.castor("check", name)
                workspace.expect(
                    said.status == 69 && said.output.isEmpty && said.errorText.hasPrefix("castor: "), "\(said)")
            }
        }

        /// A name is looked up, a script stands for what runs it, a library is checked by its path.
        @Test func whatIsChecked() throws {
            let program = try compile(Self.atomic, "interpreter")
            for line in [program, "/usr/bin/env \(program)", "/usr/bin/env -S \(program) -x"] {
                try workspace.write("script", Data("#!\(line)\n".utf8))
                try #require(chmod(workspace("script"), 0o755) == 0)
                try expect(workspace("script"), 1, "  bump: 1 lock\n", "script: exact unless these race")
            }
            let library = try compile(Self.atomic, "library.so", ["-shared", "-fPIC"])
            try #require(chmod(library, 0o644) == 0)
            try expect(library, 1, "  bump: 1 lock\n")
            try expect("true", 0, "true: exact\n")
        }

        @Test func everySite() throws {
            let said = try workspace.castor("check", "--all", try compile(Self.atomic))
            let site = /\n    0x[0-9a-f]+  lock xadd dword ptr \[rip \+ 0x[0-9a-f]+\], eax\n/
            workspace.expect(said.outputText.contains(site), said.outputText)
        }

        @Test func json() throws {
            let said = try workspace.castor("check", "--json", "--all", try compile(Self.atomic))
            let json = try #require(try JSONSerialization.jsonObject(with: said.output) as? [String: Any])
            #expect(said.status == 1 && json["verdict"] as? String == "unless-these-race")
            let objects = try #require(json["objects"] as? [[String: Any]])
            #expect(objects[0]["path"] as? String == workspace("program"))
            #expect(objects[0]["counts"] as? [String: Int] == ["lock": 1])
            let functions = try #require(objects[0]["functions"] as? [[String: Any]])
            #expect(functions.map { $0["name"] as? String } == ["bump"])
        }

        // MARK: - In front of a recording

        private func record(_ words: String...) throws -> Outcome { try workspace.castor(["record"] + words) }

        /// The second time the verdict comes from the cache, and is the same.
        @Test func recordBeginsWithTheVerdict() throws {
            let program = try compile(Self.atomic)
            let line = "castor: program: exact unless these race: atomics in program (1); see castor check \(program)\n"
            for _ in 0..<2 {
                let said = try record(program)
                workspace.expect(said.errorText.hasPrefix(line), said.errorText)
            }
            let kept = try FileManager.default.contentsOfDirectory(atPath: workspace("cache/castor"))
            #expect(kept.count == 1)
            workspace.expect(try !record("-q", program).errorText.contains("castor"), "not quiet")
            workspace.expect(try !record(try compile(Self.plain)).errorText.contains("check"), "a warning for nothing")
        }
    }
}
