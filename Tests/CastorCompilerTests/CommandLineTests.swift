/// What becomes of a compiler's command line, case by case.
import CastorLog
import Testing

@testable import CastorCompiler

/// One command line, and what castor adds to it.
struct CommandLine: CustomTestStringConvertible, Sendable {
    enum Outcome: Sendable {
        case nothing, plugin, runtime, both
        /// A word of the message.
        case refused(String)
    }

    let line: String
    let outcome: Outcome
    /// Response files by name.
    var files: [String: String] = [:]
    var testDescription: String { line }

    init(_ line: String, _ outcome: Outcome, files: [String: String] = [:]) {
        (self.line, self.outcome, self.files) = (line, outcome, files)
    }
}

extension CommandLine {
    static let stages = [
        CommandLine("-c a.c", .plugin),
        CommandLine("-S a.c -o a.s", .plugin),
        CommandLine("-O0 -g -c a.c -o a.o", .plugin),
        CommandLine("-O2 -g -Wall -Werror -c a.cpp", .plugin),
        CommandLine("a.c", .both),
        CommandLine("a.c b.o -o prog -lm", .both),
        CommandLine("-o prog a.o b.o", .runtime),
        CommandLine("a.o -c", .nothing),
        CommandLine("-E a.c", .nothing),
        CommandLine("-E -c a.c", .nothing),
        CommandLine("-dM -E - -x c", .nothing),
        CommandLine("-M a.c", .nothing),
        CommandLine("-MM -MG a.c", .nothing),
        CommandLine("-MD -MF a.d -MT a.o -c a.c", .plugin),
        CommandLine("-MMD -MP -MF deps/a.c -c -o a.o a.c", .plugin),
        CommandLine("-fsyntax-only a.c", .nothing),
        CommandLine("--analyze a.c", .nothing),
        CommandLine("--precompile a.cppm -o a.pcm", .nothing),
        CommandLine("-c a.pcm -o a.o", .plugin),
        CommandLine("-emit-llvm -c a.c -o a.bc", .plugin),
        CommandLine("-flto -c a.c", .plugin),
        CommandLine("-flto=thin a.o b.o", .runtime),
        CommandLine("-save-temps -c a.c", .plugin),
        CommandLine("-### -c a.c", .plugin),
    ]

    static let questions = [
        CommandLine("", .nothing),
        CommandLine("-v", .nothing),
        CommandLine("-v -c a.c", .plugin),
        CommandLine("--version", .nothing),
        CommandLine("--version a.c", .nothing),
        CommandLine("-dumpversion", .nothing),
        CommandLine("-dumpmachine", .nothing),
        CommandLine("-print-prog-name=ld", .nothing),
        CommandLine("-print-search-dirs", .nothing),
        CommandLine("--print-file-name=libc.so", .nothing),
        CommandLine("--help=warnings", .nothing),
        CommandLine("-qversion", .nothing),
        CommandLine("-Wl,--version", .runtime),
        CommandLine("-cc1 -emit-obj a.c", .nothing),
        CommandLine("-cc1as a.s", .nothing),
    ]

    static let inputs = [
        CommandLine("-x c -c -", .plugin),
        CommandLine("-xc++ - -o prog", .both),
        CommandLine("-x c /dev/null -o prog", .both),
        CommandLine("-c -", .nothing),
        CommandLine("-x c a.txt -x none b.o", .both),
        CommandLine("-x none a.o", .runtime),
        CommandLine("-c a.s", .nothing),
        CommandLine("-c a.S", .nothing),
        CommandLine("-x assembler-with-cpp -c a.c", .nothing),
        CommandLine("-x assembler-with-cpp -E a.c", .nothing),
        CommandLine("a.S a.c", .both),
        CommandLine("a.S -o prog", .runtime),
        CommandLine("-c a.f90", .nothing),
        CommandLine("a.f90", .runtime),
        CommandLine("-x cuda -c a.cu", .nothing),
        CommandLine("a.h", .nothing),
        CommandLine("-x c++-header a.cxx -o a.gch", .nothing),
        CommandLine("-c a.ll", .nothing),
        CommandLine("-c a.ii b.cc c.C d.mm", .plugin),
        CommandLine("-c -o out.c", .nothing),
        CommandLine("-c -I inc.c -include x.c -D a.c -Xclang b.c -mllvm c.c", .nothing),
        CommandLine("-I. -L. -O2 -Wall", .nothing),
        CommandLine("-lfoo", .runtime),
        CommandLine("-l foo", .runtime),
        CommandLine("-c -- a.c", .plugin),
        CommandLine("./dir.c/a.o -c", .nothing),
    ]

    static let links = [
        CommandLine("-shared -fPIC a.o -o liba.so", .runtime),
        CommandLine("-shared -static a.o -o liba.so", .runtime),
        CommandLine("-r a.o b.o -o c.o", .nothing),
        CommandLine("-Wl,-r a.o b.o -o c.o", .nothing),
        CommandLine("-Xlinker -r a.o b.o -o c.o", .nothing),
        CommandLine("-r -nostdlib a.c -o c.o", .nothing),
        CommandLine("-r a.c -o c.o", .plugin),
        CommandLine("-pie a.o", .runtime),
        CommandLine("-static-libgcc -static-libstdc++ a.o", .runtime),
        CommandLine("-Wl,-Bstatic -lz -Wl,-Bdynamic a.o", .runtime),
        CommandLine("-static -c a.c", .plugin),
        CommandLine("-static a.o", .refused("static")),
        CommandLine("-static-pie a.c", .refused("-static-pie")),
        CommandLine("--static a.o", .refused("--static")),
        CommandLine("-static --version", .nothing),
        CommandLine("-nostdlib a.c", .nothing),
        CommandLine("-nostdlib -static a.c", .nothing),
        CommandLine("-nostdlib -c a.c", .nothing),
        CommandLine("-nodefaultlibs a.o", .nothing),
        CommandLine("-nolibc a.o", .nothing),
        CommandLine("-shared -nostdlib crti.o a.o -lstdc++ -lm -lc -lgcc_s crtn.o", .runtime),
        CommandLine("-nostartfiles a.o", .runtime),
        CommandLine("-ffreestanding -c a.c", .nothing),
        CommandLine("-ffreestanding -fhosted -c a.c", .plugin),
        CommandLine("-fuse-ld=lld a.o", .runtime),
    ]

    static let targets = [
        CommandLine("-fsanitize=thread -c a.c", .nothing),
        CommandLine("-fsanitize=undefined,thread a.o", .nothing),
        CommandLine("-fsanitize=thread -fno-sanitize=all -c a.c", .plugin),
        CommandLine("-fsanitize=address a.c", .both),
        CommandLine("-fsanitize=address,undefined -c a.c", .plugin),
        CommandLine("-m32 -c a.c", .nothing),
        CommandLine("-m32 -m64 -c a.c", .plugin),
        CommandLine("-target bpf -c a.c", .nothing),
        CommandLine("--target=aarch64-linux-gnu a.c", .nothing),
        CommandLine("--target=x86_64-pc-linux-gnu a.c", .both),
    ]

    static let responses = [
        CommandLine("@args", .plugin, files: ["args": "-c a.c"]),
        CommandLine("@args", .both, files: ["args": "a.c -o 'a program'"]),
        CommandLine("-o prog @objects", .runtime, files: ["objects": "a.o\nb.o\n-lm\n"]),
        CommandLine("@one", .nothing, files: ["one": "@two a.c", "two": "-E"]),
        CommandLine("-c @quoted", .plugin, files: ["quoted": #""-DNAME=\"x y\"" a\ b.c"#]),
        CommandLine("-o prog @missing", .runtime),
        CommandLine("@itself -c a.c", .plugin, files: ["itself": "@itself"]),
        CommandLine("-o @args a.o", .runtime, files: ["args": "prog"]),
    ]

    static let all = stages + questions + inputs + links + targets + responses
}

@Suite struct CommandLineTests {
    @Test(arguments: CommandLine.all, [clang, gcc])
    func becomes(_ test: CommandLine, _ toolchain: Toolchain) throws {
        let given = words(test.line)
        let read = { (name: SystemString) in test.files[name.description].map { Array($0.utf8) } }
        func made() throws -> CompilerArguments {
            try CompilerArguments(given, options: CompilerOptions(), toolchain: toolchain, library: library, read: read)
        }
        if case .refused(let word) = test.outcome {
            let refusal = #expect(throws: CompilerArguments.Refusal.self) { try made() }
            #expect(refusal?.message.contains(word) == true)
            return
        }
        let (hasPlugin, hasRuntime) =
            switch test.outcome {
            case .plugin: (true, false)
            case .runtime: (false, true)
            case .both: (true, true)
            default: (false, false)
            }
        let plugin = toolchain == clang ? clangPlugin : gccPlugin
        var expected = test.line.split(separator: " ").map(String.init)
        if hasRuntime { expected.append(runtime) }
        if hasPlugin { expected.insert(plugin, at: 0) }
        let arguments = try made()
        #expect(arguments.words.map(\.description) == expected)
        #expect(arguments.plugin.isAdded == hasPlugin && arguments.runtime.isAdded == hasRuntime)
        #expect(!arguments.plugin.reason.isEmpty && !arguments.runtime.reason.isEmpty)
    }

    private func made(_ line: String, _ toolchain: Toolchain = clang) throws -> CompilerArguments {
        var rest = words(line)
        let options = try CompilerOptions(takenFrom: &rest)
        return try CompilerArguments(rest, options: options, toolchain: toolchain, library: library)
    }

    @Test func runtimeStandsBeforeDashes() throws {
        #expect(text(try made("-o prog -- a.o").words) == "-o prog \(runtime) -- a.o")
    }

    @Test func optionsReachClangsCompilerAlone() throws {
        let settings = ["order=shared", "poll", "stats=s"].map { "-Xclang -mllvm -Xclang -castor-\($0)" }
        #expect(
            text(try made("-fcastor-poll -c a.c -fcastor-order=shared --castor-stats=s").words)
                == "-fplugin=/lib/castor/castor-pass-clang-16.so \(clangPlugin) "
                + settings.joined(separator: " ") + " -Xclang -D_GLIBCXX_EXTERN_TEMPLATE=0 -c a.c")
    }

    @Test func optionsFollowGccsPlugin() throws {
        let settings = ["order=shared", "poll", "stats=s"].map { "-fplugin-arg-castor_pass_gcc_12-\($0)" }
        #expect(
            text(try made("-fcastor-poll -c a.c -fcastor-order=shared --castor-stats=s", gcc).words)
                == "\(gccPlugin) \(settings.joined(separator: " ")) -D_GLIBCXX_EXTERN_TEMPLATE=0 -c a.c")
    }

    @Test(arguments: ["-E a.c", "a.o", "--version"])
    func optionsGoNowhereWithoutThePlugin(_ line: String) throws {
        #expect(try made("-fcastor-poll \(line)") == made(line))
    }

    @Test func commaInTheDirectory() throws {
        let arguments = try CompilerArguments(
            words("a.o"), options: CompilerOptions(), toolchain: clang, library: Library(directory: "/a,b"))
        #expect(text(arguments.words).hasPrefix("a.o -Xlinker -L/a,b -Xlinker -rpath -Xlinker /a,b "))
    }

    /// A file's name is bytes.
    @Test func namesThatAreNotText() throws {
        let name = SystemString(bytes: [0xff, UInt8(ascii: "."), UInt8(ascii: "c")])
        let arguments = try CompilerArguments(
            ["-c", name], options: CompilerOptions(), toolchain: clang, library: library)
        #expect(arguments.words == [SystemString(clangPlugin), "-c", name])
    }

    @Test(arguments: [
        ("-E a.c", "-E makes no code"), ("-c a.S", "assembler is not recorded: a.S"), ("-c a.c", "a.c is compiled"),
        ("-c a.c b.S", "a.c is compiled; assembler is not recorded: b.S"), ("-flto -c a.c b.c", "LTO"),
        ("-fsanitize=thread a.c", "race"), ("-c -x c -", "the standard input is compiled"),
        ("-m32 a.c", "64-bit"), ("-nostdlib a.c", "-nostdlib: no library"), ("-dumpmachine", "only asks"),
    ])
    func explains(_ line: String, _ reason: String) throws {
        #expect(try made(line).plugin.reason.contains(reason))
    }
}
