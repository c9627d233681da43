/// `castor cc` and `castor c++`: compilers whose programs are recorded down to their atomics. They look at the command
/// line, add to it, and become the compiler.
import CastorCompiler
import CastorLog
import Glibc

enum CcCommand: CompilerCommand {
    static let name = "cc"
    static let abstract = "Compile C so that atomics, volatiles and assembly are recorded"
    static let language = Toolchain.Language.c
}

enum CxxCommand: CompilerCommand {
    static let name = "c++"
    static let abstract = "Compile C++ so that atomics, volatiles and assembly are recorded"
    static let language = Toolchain.Language.cxx
}

protocol CompilerCommand: Command {
    static var language: Toolchain.Language { get }
}

extension CompilerCommand {
    static var usage: String { "[OPTIONS] COMPILER-ARGS..." }
    static var discussion: String {
        """
        A drop-in compiler for builds of any kind: clang or gcc with castor's plugin where code is compiled, and with \
        libcastor.so where a program or library is linked. Everything else is the compiler's own. Without 'castor \
        record' the program runs as usual.

         ./configure CC="castor cc" CXX="castor c++"
         make CC="castor cc"
         CC="castor cc" CXX="castor c++" cmake -B build
         CC="castor cc" CXX="castor c++" meson setup build

        The first compiler whose plugin is there is taken: \
        \(Toolchain.all.map { $0.driver(for: language) }.joined(separator: ", ")). The environment variable \
        CASTOR_COMPILER chooses as --castor-compiler does.

        Left alone: preprocessing, assembler files, other languages, other targets than 64-bit x86 Linux, and what is \
        built with -ffreestanding, -nostdlib or -fsanitize=thread (which instruments atomics by itself, for a race \
        check). A static program is refused: it cannot be recorded.
        """
    }
    static var options: [Option] {
        [
            .compilers(
                "--", "castor-compiler", .init(name: "NAME", kind: .choice(Toolchain.names)),
                "Compile with NAME: \(Toolchain.names.joined(separator: ", "))."),
            .compilers(
                "-", "fcastor-order", .init(name: "shared", kind: .choice(["shared"])),
                "Record plain loads and stores of memory that threads may share, too: for programs with data races. "
                    + "Much slower."),
            .compilers(
                "-", "fcastor-poll", nil, "Let signals be handled in every loop, not at the next call only."),
            .compilers(
                "--", "castor-stats", .init(name: "FILE", kind: .text),
                "Append to FILE what was instrumented: source, kind and count."),
            .compilers("--", "castor-explain", nil, "Print the command that would run, and why; run nothing."),
        ]
    }
    static var helpOption: Option {
        .compilers("--", "castor-help", nil, "Show this help and exit; --help is the compiler's.")
    }
    static var operands: Operands { .any("COMPILER-ARGS", .file) }
    static var rest: Rest { .everything }

    static func run(_ arguments: ParsedArguments) throws -> Int32 {
        var words = arguments.rest
        let options: CompilerOptions
        do { options = try CompilerOptions(takenFrom: &words) } catch { throw CommandError.usage(error.message) }
        if options.asksForHelp {
            Console.write(Help.text(for: Self.self))
            return 0
        }
        let library = try Installation.library()
        let toolchain = try library.toolchain(among: candidates(options), for: language)
        let command: CompilerArguments
        do {
            command = try CompilerArguments(
                words, options: options, toolchain: toolchain, library: library, read: contents)
        } catch {
            throw CommandError.refused(
                error.message,
                advice: "Link without it, or build this program with \(toolchain.driver(for: language)) itself.")
        }
        let driver = toolchain.driver(for: language)
        if options.explains {
            explain(command, driver)
            return 0
        }
        return try become(driver, command.words)
    }

    private static func candidates(_ options: CompilerOptions) throws -> [Toolchain] {
        if let name = options.compiler { return Toolchain.named(name) }
        guard let name = getenv("CASTOR_COMPILER").map({ String(cString: $0) }), !name.isEmpty else {
            return Toolchain.all
        }
        let named = Toolchain.named(name)
        if named.isEmpty {
            throw CommandError.usage(CompilerOptions.unknown(compiler: name, from: "CASTOR_COMPILER").message)
        }
        return named
    }

    private static func explain(_ command: CompilerArguments, _ driver: String) {
        var line = Array(driver.utf8)
        for word in command.words { line += [UInt8(ascii: " ")] + word.quotedForShell.bytes }
        Console.print(SystemString(bytes: line).description)
        for (part, decision) in [("plugin", command.plugin), ("runtime", command.runtime)] {
            Console.print("\(part): \(decision.isAdded ? "added" : "not added"): \(decision.reason)")
        }
    }

    /// Does not return: exit status and signals are the compiler's.
    private static func become(_ driver: String, _ words: [SystemString]) throws -> Int32 {
        guard let path = Program.onPath(driver) else { throw CommandError.missing("\(driver): command not found") }
        withCStrings([SystemString(path)]) { path in
            withCStrings([SystemString(driver)] + words) { _ = execv(path[0]!, $0) }
        }
        throw CommandError.failed("\(path): \(errorText(errno))")
    }

    /// nil when it cannot be read.
    private static func contents(of file: SystemString) -> [UInt8]? {
        guard let stream = withCStrings([file], { fopen($0[0]!, "r") }) else { return nil }
        defer { fclose(stream) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while case let n = fread(&buffer, 1, buffer.count, stream), n > 0 { bytes += buffer[..<n] }
        return ferror(stream) == 0 ? bytes : nil
    }
}

extension Library {
    /// The first of `candidates` that is installed, with its plugin here.
    func toolchain(among candidates: [Toolchain], for language: Toolchain.Language) throws -> Toolchain {
        do {
            return try Toolchain.choose(
                among: candidates, for: language, hasDriver: { Program.onPath($0) != nil },
                hasPlugin: { access("\(directory)/\($0)", R_OK) == 0 })
        } catch {
            throw CommandError.missing(error.message, advice: error.advice)
        }
    }
}
