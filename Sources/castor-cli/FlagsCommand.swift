/// `castor flags`: what to give a compiler that `castor cc` does not start.
import CastorCompiler
import CastorLog

enum FlagsCommand: Command {
    static let name = "flags"
    static let abstract = "Print the compiler flags of a recordable build"
    static let usage = "[--cflags] [--libs] [--compiler NAME] LANGUAGE"
    static let discussion = """
        For builds that cannot take 'castor cc' as their compiler. One line, as pkg-config prints it:

         swiftc $(castor flags swift) main.swift
         RUSTFLAGS="$(castor flags rust)" cargo build
         make CC=clang-16 CFLAGS="$(castor flags --cflags clang)" \\
              LDFLAGS="$(castor flags --libs clang)"
         cmake $(castor flags cmake) -B build

        Of Swift and Rust programs, atomics are recorded, by way of the calls that ThreadSanitizer makes. Code that was \
        compiled before, as their standard libraries, is not.
        """
    static let options: [Option] = [
        .flag("cflags", nil, "Only what compiles."),
        .flag("libs", nil, "Only what links."),
        .value(
            "compiler", nil, "NAME", .choice(Toolchain.names),
            "For clang, gcc and cmake: the compiler that will run. Its major version has to be the plugin's."),
    ]
    static let operands = Operands.exactly(1, "LANGUAGE", .choice(LanguageFlags.allCases.map(\.rawValue)))

    static func run(_ arguments: ParsedArguments) throws -> Int32 {
        let language = LanguageFlags(rawValue: arguments.operands[0].description)!
        let library = try Installation.library()
        let both = arguments.flag("cflags") == arguments.flag("libs")
        var words: [SystemString] = []
        if both || arguments.flag("cflags") {
            words += language.compilation(
                library, try toolchain(for: language, arguments.text("compiler"), library))
        }
        if both || arguments.flag("libs") { words += language.link(library) }
        Console.print(words.map(\.quotedForShell.description).joined(separator: " "))
        return 0
    }

    /// nil where the stock compiler makes the calls.
    private static func toolchain(
        for language: LanguageFlags, _ name: String?, _ library: Library
    ) throws -> Toolchain? {
        let candidates = language.toolchains.filter { name == nil || Toolchain.named(name!).contains($0) }
        if let name, candidates.isEmpty { throw CommandError.usage("--compiler \(name) is not for \(language)") }
        if candidates.isEmpty { return nil }
        // CMake wants both; the one for C++ brings the one for C.
        return try library.toolchain(among: candidates, for: language == .cmake ? .cxx : .c)
    }
}
