/// `castor flags`: what a build needs to be recorded without `castor cc`.
import CastorLog

public enum LanguageFlags: String, CaseIterable, Sendable {
    case swift, rust, gcc, clang, cmake

    /// The compilers whose plugin it may be about; none where ThreadSanitizer's calls do, which the stock compiler makes.
    public var toolchains: [Toolchain] {
        switch self {
        case .swift, .rust: []
        case .gcc: Toolchain.named("gcc")
        case .clang: Toolchain.named("clang")
        case .cmake: Toolchain.all
        }
    }

    /// Words for the compiler proper. `toolchain` is one of `toolchains`, nil if there is none.
    public func compilation(_ library: Library, _ toolchain: Toolchain?) -> [SystemString] {
        let plugin = toolchain.map { library.pluginWords($0, CompilerOptions()) } ?? []
        return switch self {
        case .swift: ["-Xfrontend", "-sanitize=thread"] + LanguageFlags.atomicsOnly.flatMap { ["-Xllvm", $0] }
        case .rust: ["-C", "passes=tsan"] + LanguageFlags.atomicsOnly.flatMap { ["-C", "llvm-args=" + $0] }
        case .gcc, .clang: plugin
        case .cmake:
            [Toolchain.Language.c, .cxx].flatMap { language in
                let name = language == .c ? "C" : "CXX"
                return [
                    setting("\(name)_COMPILER", to: toolchain.map { [SystemString($0.driver(for: language))] } ?? []),
                    setting("\(name)_FLAGS", to: plugin),
                ]
            }
        }
    }

    /// Words for the link.
    public func link(_ library: Library) -> [SystemString] {
        switch self {
        case .swift: library.linkerWords.flatMap { ["-Xlinker", $0] }
        case .rust: library.linkWords.flatMap { ["-C", "link-arg=" + $0] }
        case .gcc, .clang: library.linkWords
        case .cmake:
            ["EXE", "SHARED", "MODULE"].map { setting("\($0)_LINKER_FLAGS", to: library.linkWords) }
        }
    }

    /// Of what ThreadSanitizer instruments, the atomics.
    private static let atomicsOnly: [SystemString] = [
        "-tsan-instrument-memory-accesses=0", "-tsan-instrument-func-entry-exit=0",
    ]

    private func setting(_ name: String, to words: [SystemString]) -> SystemString {
        words.enumerated().reduce(SystemString("-DCMAKE_\(name)=")) { $0 + ($1.offset == 0 ? "" : " ") + $1.element }
    }
}
