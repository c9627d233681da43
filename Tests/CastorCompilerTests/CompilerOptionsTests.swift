/// castor's own options, and which compiler they lead to.
import CastorLog
import Testing

@testable import CastorCompiler

@Suite struct CompilerOptionsTests {
    @Test func areTakenOutWhereverTheyStand() throws {
        var rest = words(
            "--castor-compiler=gcc -c -fcastor-poll a.c --castor-stats=f=1 -fcastor-order=shared -g --castor-explain")
        let options = try CompilerOptions(takenFrom: &rest)
        #expect(text(rest) == "-c a.c -g")
        #expect(options.compiler == "gcc" && options.statistics == "f=1")
        #expect(options.polls && options.ordersSharedMemory && options.explains && !options.asksForHelp)
    }

    @Test func othersStay() throws {
        var rest = words("-c a.c -fcast -castor --help castor-stats")
        #expect(try CompilerOptions(takenFrom: &rest) == CompilerOptions())
        #expect(rest.count == 6)
    }

    @Test(arguments: [
        ("--castor-compiler", "needs a value"), ("--castor-compiler=icc", "clang-16"),
        ("--castor-stats=", "needs a value"), ("-fcastor-order", "needs a value"), ("-fcastor-order=all", "shared"),
        ("--castor-explian", "unknown option"), ("-fcastor-poll=1", "unknown option"),
    ])
    func mistakes(_ option: String, _ word: String) throws {
        var rest = words("-c \(option) a.c")
        let error = #expect(throws: CompilerOptions.UsageError.self) { try CompilerOptions(takenFrom: &rest) }
        #expect(error?.message.contains(word) == true)
    }
}

@Suite struct ToolchainTests {
    /// Chooses where these drivers and plugins are installed.
    private func chosen(
        _ name: String? = nil, _ language: Toolchain.Language = .c, drivers: Set<String>, plugins: Set<String>
    ) throws -> String {
        try Toolchain.choose(
            among: name.map(Toolchain.named) ?? Toolchain.all, for: language, hasDriver: drivers.contains,
            hasPlugin: { plugin in plugins.contains { Toolchain.named($0)[0].plugin == plugin } }
        ).name
    }

    @Test func firstWithItsPlugin() throws {
        let drivers: Set = ["clang-14", "clang-16", "clang-19", "gcc-12"]
        #expect(try chosen(drivers: drivers, plugins: ["clang-14", "clang-19", "clang-16", "gcc-12"]) == "clang-16")
        #expect(try chosen(drivers: drivers, plugins: ["clang-14", "clang-19", "gcc-12"]) == "clang-19")
        #expect(
            try chosen(drivers: ["gcc-12", "clang-14"], plugins: ["clang-14", "clang-19", "gcc-12"]) == "clang-14")
        #expect(try chosen(drivers: drivers, plugins: ["gcc-12"]) == "gcc-12")
        #expect(try chosen("clang", drivers: drivers, plugins: ["clang-14", "gcc-12"]) == "clang-14")
        #expect(try chosen("gcc", drivers: drivers, plugins: ["clang-14", "gcc-12"]) == "gcc-12")
    }

    @Test func driverOfTheLanguage() throws {
        #expect(clang.driver(for: .c) == "clang-16" && clang.driver(for: .cxx) == "clang++-16")
        #expect(gcc.driver(for: .c) == "gcc-12" && gcc.driver(for: .cxx) == "g++-12")
        #expect(try chosen(nil, .cxx, drivers: ["clang-16", "g++-12"], plugins: ["clang-16", "gcc-12"]) == "gcc-12")
    }

    private static let missing: [(String?, Toolchain.Language, String, String, String)] = [
        ("gcc", .cxx, "", "g++-12 is not installed", "Debian package: g++-12"),
        ("clang-19", .cxx, "", "clang++-19 is not installed", "Debian package: clang-19"),
        ("clang-14", .c, "clang-14", "castor-pass-clang-14.so", "llvm-14-dev"),
        ("gcc-12", .c, "gcc-12", "castor_pass_gcc_12.so", "gcc-12-plugin-dev"),
        (nil, .c, "", "none of clang-16, clang-19, clang-14, gcc-12", "clang-16, clang-19"),
    ]

    @Test(arguments: missing)
    func whatIsMissingIsNamed(
        _ name: String?, _ language: Toolchain.Language, _ driver: String, _ message: String, _ advice: String
    ) {
        let missing = #expect(throws: Toolchain.Missing.self) {
            try chosen(name, language, drivers: [driver], plugins: [])
        }
        #expect(missing?.message.contains(message) == true && missing?.advice.contains(advice) == true)
    }
}
