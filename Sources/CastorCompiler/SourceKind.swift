/// What an input of a compiler is, as far as castor has to know.

enum SourceKind: Equatable {
    /// Its code goes through the plugin.
    case instrumented
    case assembler
    /// Precompiled: no code is made.
    case header
    /// An object, a library, another language, or bitcode, which was instrumented when it was made.
    case other

    /// By the language that `-x` names.
    init(language: String) {
        switch language {
        case "c", "c++", "objective-c", "objective-c++", "cpp-output", "c-cpp-output", "c++-cpp-output",
            "objective-c-cpp-output", "objective-c++-cpp-output", "c++-module":
            self = .instrumented
        case "assembler", "assembler-with-cpp": self = .assembler
        case _ where language.hasSuffix("-header"): self = .header
        default: self = .other
        }
    }

    /// By the end of its name. `-`, the standard input, has none.
    init(file: String) {
        let name = file[(file.lastIndex(of: "/").map(file.index(after:)) ?? file.startIndex)...]
        guard let dot = name.lastIndex(of: ".") else {
            self = .other
            return
        }
        switch name[name.index(after: dot)...] {
        case "c", "i", "cc", "cp", "cxx", "cpp", "CPP", "c++", "C", "CC", "ii", "m", "mi", "mm", "M", "mii", "cppm",
            "ccm", "cxxm", "c++m", "ixx", "pcm":
            self = .instrumented
        case "s", "S", "sx", "asm": self = .assembler
        case "h", "hh", "H", "hp", "hxx", "hpp", "HPP", "h++", "tcc": self = .header
        default: self = .other
        }
    }
}
