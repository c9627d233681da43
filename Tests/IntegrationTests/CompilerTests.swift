/// `castor cc` as the compiler of whole projects. What they make has to run without castor as well.
import Foundation
import Testing

/// A compiler whose plugin was built.
struct Compiler: CustomTestStringConvertible, Sendable {
    let name: String
    let plugin: String
    var testDescription: String { name }

    static let installed = [
        Compiler(name: "clang-14", plugin: "castor-pass-clang-14.so"),
        Compiler(name: "clang-16", plugin: "castor-pass-clang-16.so"),
        Compiler(name: "clang-19", plugin: "castor-pass-clang-19.so"),
        Compiler(name: "gcc-12", plugin: "castor_pass_gcc_12.so"),
    ].filter { FileManager.default.fileExists(atPath: "\(Compiler.library)/\($0.plugin)") }

    /// One of each kind.
    static let families = ["clang", "gcc"].compactMap { family in installed.first { $0.name.hasPrefix(family) } }

    /// The directory of plugins and libcastor.so in a build.
    static let library = URL(fileURLWithPath: Repository.castor).deletingLastPathComponent().path
}

extension Integration {
    @Suite struct CompilerTests {
        private let workspace: Workspace
        private static let cc = "\(Repository.castor) cc"
        private static let cxx = "\(Repository.castor) c++"

        /// A program of two languages, a shared and a static library, counting in atomics and volatiles.
        init() throws {
            workspace = try Workspace()
            try workspace.makeDirectory("src")
            try file("part.c", "#include <stdatomic.h>\nstatic atomic_int n;\nint part(void) { return ++n; }")
            try file(
                "piece.cc",
                "#include <atomic>\nstatic std::atomic<long> n;\nextern \"C\" int piece() { return n += 2; }")
            try file(
                "main.c",
                """
                #include <stdio.h>
                int part(void), piece(void);
                static volatile int round;
                int main(void) {
                    for (round = 0; round < 3; round++) printf("%d", part() + piece());
                    puts("");
                    return 0;
                }
                """)
        }

        private func file(_ name: String, _ text: String) throws {
            try workspace.write("src/\(name)", Data((text + "\n").utf8))
        }

        /// A shell's command in the project.
        @discardableResult
        private func shell(_ command: String, _ compiler: Compiler? = nil) throws -> Outcome {
            let place = Compiler.library
            return try workspace.keptOnError {
                try Child(
                    ["sh", "-c", command],
                    environment: [
                        "CC": Self.cc, "CXX": Self.cxx, "CASTOR_COMPILER": compiler?.name, "CASTOR": Repository.castor,
                        "PATH": "\(place):\(ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin")",
                    ],
                    directory: workspace("src")
                ).wait(timeout: 300)
            }
        }

        /// Builds, runs what was built and looks at what it needs.
        private func expectProject(_ build: String, makes program: String = "demo", _ compiler: Compiler) throws {
            let built = try shell(build, compiler)
            workspace.expect(built.status == 0, "\(built.outputText)\n\(built.errorText)")
            let ran = try shell("./\(program)")
            workspace.expect(ran.outputText == "369\n" && ran.status == 0, "\(ran)")
            try expectRuntime(program)
        }

        private func expectRuntime(_ program: String) throws {
            let dynamic = try shell("readelf -d \(program)").outputText.split(separator: "\n")
            let needed = dynamic.filter { $0.contains("(NEEDED)") && $0.contains("[libcastor.so]") }
            workspace.expect(needed.count == 1, "\(program): \(dynamic)")
        }

        private func isInstalled(_ program: String) throws -> Bool {
            let isThere = try shell("command -v \(program)").status == 0
            if !isThere { print("skipped: a build by \(program), which is not here") }
            return isThere
        }

        @Test func aPluginWasBuilt() {
            #expect(!Compiler.installed.isEmpty, "no plugin beside \(Repository.castor)")
        }

        // MARK: - Projects

        @Test(arguments: Compiler.installed)
        func make(_ compiler: Compiler) throws {
            try file(
                "Makefile",
                """
                CFLAGS = -O2 -Wall -Werror -MMD
                demo: main.o piece.a libpart.so
                \t$(CXX) -o $@ main.o piece.a -L. -lpart -Wl,-rpath,'$$ORIGIN' -Wl,--as-needed
                piece.a: piece.o
                \t$(AR) rc $@ $^
                libpart.so: part.c
                \t$(CC) $(CFLAGS) -shared -fPIC -o $@ $^
                """)
            try expectProject("make -s && test -s main.d", compiler)
            try expectRuntime("libpart.so")
        }

        /// Link-time optimisation, and everything in one command.
        @Test(arguments: Compiler.installed, ["-O0 -g", "-O2 -flto -Wall -Werror"])
        func oneCommand(_ compiler: Compiler, _ flags: String) throws {
            let linker = compiler.name.hasPrefix("clang") ? "-fuse-ld=gold" : ""
            let link = flags.contains("flto") ? linker : ""
            try expectProject(
                "$CXX -c piece.cc \(flags) && $CC \(flags) \(link) main.c part.c piece.o -o demo -lstdc++", compiler)
        }

        /// What configure scripts ask a compiler.
        @Test(arguments: Compiler.installed)
        func configure(_ compiler: Compiler) throws {
            try file(
                "configure",
                """
                set -e
                $CC --version >/dev/null && $CC -v 2>/dev/null && $CC -dumpmachine >/dev/null
                ! $CC -qversion 2>/dev/null
                echo 'int main(void) { return 0; }' >conftest.c
                $CC -o conftest conftest.c && ./conftest
                $CC -c conftest.c && $CC -o conftest conftest.o && ./conftest
                $CC -E conftest.c | grep -q main
                echo '#include <no/such.h>' >conftest.c && ! $CC -E conftest.c >/dev/null 2>&1
                echo 'int main(void) { return puts2(); }' >conftest.c && ! $CC -Werror conftest.c 2>/dev/null
                echo 'char pthread_create(); int main(void) { return pthread_create == 0; }' >conftest.c
                $CC -fno-builtin -w conftest.c -o conftest -lpthread
                ! $CC -static conftest.c -o conftest 2>/dev/null
                $CC -print-prog-name=ld >/dev/null && $CC -print-search-dirs | grep -q libraries
                $CC -Wl,--version 2>/dev/null | grep -q ld
                printf 'all:\\n\\t$(CC) -c part.c main.c\\n\\t$(CXX) -o demo piece.cc part.o main.o\\n' >Makefile
                """)
            try expectProject("sh ./configure && make -s", compiler)
        }

        @Test(arguments: Compiler.families)
        func cmake(_ compiler: Compiler) throws {
            guard try isInstalled("cmake") else { return }
            try file("CMakeLists.txt", Self.cmakeProject)
            try expectProject("cmake -B build && cmake --build build", makes: "build/demo", compiler)
            try expectRuntime("build/libpart.so")
            let installed = try shell("cmake --install build --prefix out && LD_LIBRARY_PATH=out/lib out/bin/demo")
            workspace.expect(installed.outputText.hasSuffix("369\n"), "\(installed)")
        }

        @Test(arguments: Compiler.families)
        func meson(_ compiler: Compiler) throws {
            guard try isInstalled("meson") else { return }
            try file(
                "meson.build",
                """
                project('demo', 'c', 'cpp')
                part = shared_library('part', 'part.c')
                piece = static_library('piece', 'piece.cc')
                executable('demo', 'main.c', link_with: [part, piece], dependencies: dependency('threads'))
                """)
            try expectProject("meson setup build && meson compile -C build", makes: "build/demo", compiler)
        }

        @Test func flags() throws {
            guard let compiler = Compiler.installed.first else { return }
            let family = compiler.name.hasPrefix("clang") ? "clang" : "gcc"
            let name = "--compiler \(compiler.name)"
            let driver = compiler.name.replacing("clang", with: "clang++").replacing("gcc", with: "g++")
            try expectProject(
                """
                for source in main.c part.c; do
                    \(compiler.name) -Wall -Werror $($CASTOR flags --cflags \(name) \(family)) -c $source || exit
                done
                \(driver) $($CASTOR flags \(name) \(family)) -o demo piece.cc main.o part.o
                """, compiler)
            guard try isInstalled("cmake") else { return }
            try file("CMakeLists.txt", Self.cmakeProject)
            try expectProject(
                "cmake -B build $($CASTOR flags \(name) cmake) && cmake --build build", makes: "build/demo", compiler)
        }

        private static let cmakeProject = """
            cmake_minimum_required(VERSION 3.16)
            project(demo C CXX)
            find_package(Threads REQUIRED)
            add_library(part SHARED part.c)
            add_library(piece STATIC piece.cc)
            target_precompile_headers(piece PRIVATE <vector>)
            add_executable(demo main.c)
            target_link_libraries(demo part piece Threads::Threads)
            install(TARGETS demo part RUNTIME DESTINATION bin LIBRARY DESTINATION lib)
            """

        // MARK: - Single commands

        /// Whatever makes no code gives what the compiler by itself gives.
        @Test(
            arguments: Compiler.installed,
            ["-E part.c", "-M part.c", "-MM main.c", "-dM -E -x c /dev/null", "--version"])
        func leavesAlone(_ compiler: Compiler, _ arguments: String) throws {
            let own = try shell("\(compiler.name) \(arguments)")
            #expect(try shell("$CC \(arguments)", compiler) == own)
            #expect(own.status == 0)
        }

        /// Assembly output calls castor; assembly input is the same object as ever.
        @Test(arguments: Compiler.installed)
        func assembly(_ compiler: Compiler) throws {
            let made = try shell("$CC -S -O1 part.c -o - && echo 'int x;' | $CC -c -x c - -o x.o", compiler)
            workspace.expect(made.status == 0 && made.outputText.contains("__castor_fetch_add_4"), "\(made)")
            try file("twice.S", ".globl twice\ntwice: lea (%rdi,%rdi), %eax\nret\n.section .note.GNU-stack,\"\"")
            let objects = try shell(
                "$CC -c -Wall -Werror twice.S && \(compiler.name) -c twice.S -o own.o && cmp twice.o own.o", compiler)
            workspace.expect(objects.status == 0, "\(objects)")
        }

        @Test(arguments: Compiler.installed)
        func optionsReachThePlugin(_ compiler: Compiler) throws {
            try file("twice.S", ".section .note.GNU-stack,\"\"")
            let flags = "-fcastor-order=shared -fcastor-poll --castor-stats=stats -Wall -Werror"
            let made = try shell("$CC \(flags) -c part.c twice.S && cat stats && nm part.o", compiler)
            workspace.expect(made.status == 0 && made.outputText.contains("part.c\t"), "\(made)")
        }

        @Test(arguments: Compiler.installed)
        func responseFileLinks(_ compiler: Compiler) throws {
            try file("arguments", "-o 'demo' main.c part.c\npiece.o")
            try expectProject("$CXX -c piece.cc && $CC @arguments -lstdc++", compiler)
        }

        @Test(arguments: Compiler.installed)
        func failuresAreTheCompilers(_ compiler: Compiler) throws {
            let own = try shell("\(compiler.name) -c no-such-file.c")
            let failed = try shell("$CC -c no-such-file.c", compiler)
            #expect(failed == own && own.status == 1)
        }

        @Test func staticProgramIsRefused() throws {
            let refused = try shell("$CC -static main.c -o demo")
            #expect(refused.status == 69 && refused.errorText.contains("static programs cannot be recorded"))
            #expect(!FileManager.default.fileExists(atPath: workspace("src/demo")))
        }

        @Test func explanationRunsNothing() throws {
            let said = try shell("$CC --castor-explain -c main.c")
            let lines = said.outputText.split(separator: "\n")
            #expect(said.status == 0 && lines.count == 3 && lines[0].hasSuffix(" -c main.c"))
            #expect(lines[1] == "plugin: added: main.c is compiled")
            #expect(lines[2] == "runtime: not added: -c stops before the link")
            #expect(!FileManager.default.fileExists(atPath: workspace("src/main.o")))
        }

        @Test func wrongOptionsAreNamed() throws {
            for words in [["cc", "--castor-compiler=icc", "x.c"], ["c++", "-fcastor-order", "x.c"]] {
                let result = try workspace.castor(words)
                #expect(result.status == 64 && result.output.isEmpty && result.errorText.contains("--castor-help"))
            }
            let result = try shell("CASTOR_COMPILER=tcc $CC -c main.c")
            #expect(result.status == 64 && result.errorText.contains("CASTOR_COMPILER"))
        }
    }
}
