/// Response files, quoting, and what `castor flags` prints.
import CastorLog
import Testing

@testable import CastorCompiler

@Suite struct FlagsTests {
    @Test(arguments: [
        ("", []), (" \n\t", []), ("a b", ["a", "b"]), ("'a b'\"c d\"", ["a bc d"]), ("''", [""]), ("a\\ b", ["a b"]),
        ("\"a\\\"b\"", ["a\"b"]), ("'it\"s'", ["it\"s"]), ("a\\", ["a"]), ("'open", ["open"]),
    ])
    func responseFiles(_ file: String, _ words: [String]) {
        #expect(ResponseFile.words(in: Array(file.utf8)).map(\.description) == words)
    }

    @Test(arguments: [("a-b=/c,d", "a-b=/c,d"), ("a b", "'a b'"), ("", "''"), ("it's", "'it'\\''s'"), ("$x", "'$x'")])
    func quoting(_ word: String, _ quoted: String) {
        #expect(SystemString(word).quotedForShell.description == quoted)
    }

    @Test func compilers() {
        #expect(text(LanguageFlags.clang.compilation(library, clang)) == clangPlugin)
        #expect(text(LanguageFlags.gcc.compilation(library, gcc)) == gccPlugin)
        #expect(text(LanguageFlags.gcc.link(library)) == runtime)
    }

    /// No blank in any word: `$(castor flags …)` is split at blanks.
    @Test(arguments: LanguageFlags.allCases)
    func wordsHoldNoBlanks(_ language: LanguageFlags) {
        let toolchain = language == .gcc ? gcc : clang
        let words = language.compilation(library, toolchain) + language.link(library)
        #expect(words.allSatisfy { $0.quotedForShell == $0 })
        #expect(text(words).contains("-lcastor"))
    }

    @Test func stockCompilersInstrumentAtomicsOnly() {
        #expect(text(LanguageFlags.swift.compilation(library, clang)).contains("-Xfrontend -sanitize=thread"))
        #expect(text(LanguageFlags.swift.link(library)).hasPrefix("-Xlinker -L/lib/castor -Xlinker -rpath "))
        #expect(text(LanguageFlags.rust.compilation(library, clang)).hasPrefix("-C passes=tsan -C llvm-args=-tsan-"))
        #expect(text(LanguageFlags.rust.link(library)) == "-C link-arg=\(runtime)")
    }

    @Test func cmake() {
        let words = LanguageFlags.cmake.compilation(library, clang) + LanguageFlags.cmake.link(library)
        #expect(words.contains("-DCMAKE_CXX_COMPILER=clang++-16"))
        #expect(words.contains(SystemString("-DCMAKE_C_FLAGS=\(clangPlugin)")))
        #expect(words.contains(SystemString("-DCMAKE_SHARED_LINKER_FLAGS=\(runtime)")))
    }
}
