/// A compiler's command line, read as far as castor has to: what it makes, of what, and what forbids to instrument it.
import CastorLog

struct DriverLine {
    /// The last thing that the driver does.
    enum Stage: Int {
        /// Prints something about itself.
        case information
        /// `-E`, `-M`, `-fsyntax-only` and their like: no code is made.
        case analysis
        /// `-S`, `-c`
        case compilation
        case link
    }

    private(set) var stage = Stage.link
    /// The option that ends it before the link.
    private(set) var stageOption = ""
    /// Files whose code goes through the plugin, and others.
    private(set) var sources: [String] = []
    private(set) var assembler: [String] = []
    private(set) var headers: [String] = []
    /// Objects, libraries, options for the linker.
    private(set) var linksOthers = false

    private(set) var isShared = false
    /// `-r`
    private(set) var isRelocatable = false
    /// The option that makes a static program.
    private(set) var staticOption: String?
    /// The option after which the program has no C library.
    private(set) var libraryOption: String?
    private(set) var namesLibc = false
    private(set) var isFreestanding = false
    private(set) var sanitizesThreads = false
    /// The option that asks for another target than 64-bit x86 Linux.
    private(set) var targetOption: String?
    /// Any `-flto`.
    private(set) var optimizesAtLink = false

    var hasInputs: Bool { linksOthers || !(sources.isEmpty && assembler.isEmpty && headers.isEmpty) }

    /// `words` without `@file`.
    init(_ words: [SystemString]) {
        var rest = words.map(\.description)[...]
        // clang's own inner commands.
        if let first = rest.first, first.hasPrefix("-cc1") { stop(at: .information, by: first) }
        var language: String?
        while let word = rest.popFirst() {
            if word == "--" {
                for file in rest { take(file: file, language) }
                return
            }
            guard word.hasPrefix("-"), word != "-" else {
                take(file: word, language)
                continue
            }
            let value = DriverLine.takesNext(word) ? rest.popFirst() ?? "" : nil
            if let named = DriverLine.language(word, value) {
                language = named == "none" ? nil : named
            } else {
                take(option: word, value)
            }
        }
    }

    private static func language(_ word: String, _ value: String?) -> String? {
        switch word {
        case "-x", "--language": value
        case _ where word.hasPrefix("-x"): String(word.dropFirst(2))
        case _ where word.hasPrefix("--language="): String(word.dropFirst(11))
        default: nil
        }
    }

    private mutating func take(file: String, _ language: String?) {
        switch language.map(SourceKind.init(language:)) ?? SourceKind(file: file) {
        case .instrumented: sources.append(file)
        case .assembler: assembler.append(file)
        case .header: headers.append(file)
        case .other: linksOthers = true
        }
    }

    /// Of several such options the one that stops first counts, wherever it stands.
    private mutating func stop(at stage: Stage, by option: String) {
        if stage.rawValue < self.stage.rawValue { (self.stage, stageOption) = (stage, option) }
    }

    private mutating func take(option word: String, _ value: String?) {
        switch word {
        case "-c", "-S", "--compile", "--assemble": stop(at: .compilation, by: word)
        case "-E", "-M", "-MM", "-fsyntax-only", "--analyze", "--precompile", "-emit-ast", "--preprocess",
            "--dependencies", "--user-dependencies", "-verify-pch", "-module-file-info", "-extract-api",
            "-rewrite-objc":
            stop(at: .analysis, by: word)
        case "--version", "--help", "-help", "-dumpversion", "-dumpfullversion", "-dumpmachine", "-dumpspecs":
            stop(at: .information, by: word)
        case "-shared", "--shared": isShared = true
        case "-r": isRelocatable = true
        case "-static", "--static", "-static-pie": staticOption = word
        case "-nostdlib", "--no-standard-libraries", "-nodefaultlibs", "-nolibc": libraryOption = word
        case "-ffreestanding", "-fno-hosted": isFreestanding = true
        case "-fhosted", "-fno-freestanding": isFreestanding = false
        case "-l": take(library: value ?? "")
        case "-Xlinker", "--for-linker": take(forLinker: [value ?? ""])
        case "-m32", "-mx32", "-m16": targetOption = word
        case "-m64": targetOption = nil
        case "-target": take(target: value ?? "", by: "-target \(value ?? "")")
        default: take(joined: word)
        }
    }

    /// Options with their value in the same word.
    private mutating func take(joined word: String) {
        if word.hasPrefix("-l") {
            take(library: String(word.dropFirst(2)))
        } else if word.hasPrefix("-Wl,") {
            take(forLinker: word.dropFirst(4).split(separator: ",").map(String.init))
        } else if word.hasPrefix("-print-") || word.hasPrefix("--print-") || word.hasPrefix("--help=") {
            stop(at: .information, by: word)
        } else if word.hasPrefix("--target=") {
            take(target: String(word.dropFirst(9)), by: word)
        } else if word.hasPrefix("-flto") {
            optimizesAtLink = true
        } else if word == "-fno-lto" {
            optimizesAtLink = false
        } else if word.hasPrefix("-fsanitize="), word.dropFirst(11).split(separator: ",").contains("thread") {
            sanitizesThreads = true
        } else if word.hasPrefix("-fno-sanitize="),
            word.dropFirst(14).split(separator: ",").contains(where: { $0 == "thread" || $0 == "all" })
        {
            sanitizesThreads = false
        }
    }

    private mutating func take(library: String) {
        linksOthers = true
        if library == "c" { namesLibc = true }
    }

    private mutating func take(forLinker words: [String]) {
        linksOthers = true
        if words.contains("-r") || words.contains("--relocatable") || words.contains("-i") { isRelocatable = true }
        if words.contains("-lc") { namesLibc = true }
    }

    private mutating func take(target: String, by option: String) {
        let isOurs = target.hasPrefix("x86_64-") && target.contains("linux") && !target.hasSuffix("x32")
        targetOption = isOurs ? nil : option
    }

    /// Whether the next word is the option's value, which must not be taken for an input.
    private static func takesNext(_ option: String) -> Bool {
        optionsWithValue.contains(option) || option.hasPrefix("-Xarch_") || option.hasPrefix("-Xopenmp-target=")
    }

    /// Of gcc and clang together.
    private static let optionsWithValue: Set<String> = [
        "-o", "-x", "-l", "-L", "-I", "-D", "-U", "-A", "-B", "-F", "-G", "-T", "-e", "-u", "-z",
        "-MF", "-MT", "-MQ", "-MJ",
        "-include", "-include-pch", "-imacros", "-imultilib", "-imultiarch", "-iprefix", "-iquote", "-isystem",
        "-isystem-after", "-isysroot", "-idirafter", "-iframework", "-iframeworkwithsysroot", "-iwithprefix",
        "-iwithprefixbefore", "-iwithsysroot", "-ivfsoverlay", "-cxx-isystem", "-stdlib++-isystem",
        "-Xlinker", "-Xclang", "-Xpreprocessor", "-Xassembler", "-Xanalyzer", "-Xopenmp-target", "-mllvm", "-mmlir",
        "-target", "-arch", "-aux-info", "-dumpbase", "-dumpbase-ext", "-dumpdir", "-specs", "-wrapper",
        "-Tbss", "-Tdata", "-Ttext", "-framework", "-rpath", "-resource-dir", "-working-directory",
        "-serialize-diagnostics", "-dependency-file", "-gcc-toolchain", "-mthread-model",
        "--param", "--sysroot", "--output", "--language", "--include", "--imacros", "--define-macro",
        "--undefine-macro", "--include-directory", "--include-directory-after", "--library-directory", "--assert",
        "--prefix", "--entry", "--force-link", "--for-linker", "--for-assembler", "--config", "--specs",
        "--serialize-diagnostics", "--dumpbase", "--dumpdir",
    ]
}
