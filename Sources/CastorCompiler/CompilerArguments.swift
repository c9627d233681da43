/// What `castor cc` makes of a compiler's command line: the same words, with the plugin where code is compiled and the
/// runtime where a program or library is linked. A function of its arguments alone.
///
/// With `-flto` the plugin works at compile time as well, on each file by itself: the bitcode already has the calls, and
/// a second pass at link time would wrap once more what stays in the code (inline assembly, counter reads).
import CastorLog

public struct CompilerArguments: Equatable, Sendable {
    /// For the compiler, without its own name.
    public let words: [SystemString]
    /// For `--castor-explain`.
    public let plugin: Decision
    public let runtime: Decision

    public struct Decision: Equatable, Sendable {
        public let isAdded: Bool
        public let reason: String

        static func added(_ reason: String) -> Decision { Decision(isAdded: true, reason: reason) }
        static func left(_ reason: String) -> Decision { Decision(isAdded: false, reason: reason) }
    }

    /// A program that castor could not record.
    public struct Refusal: Error, Equatable {
        public let message: String
    }

    /// `words` are for the compiler alone; `read` gives what a response file holds, nil if it cannot be read.
    public init(
        _ words: [SystemString], options: CompilerOptions, toolchain: Toolchain, library: Library,
        read: (SystemString) -> [UInt8]? = { _ in nil }
    ) throws(Refusal) {
        let line = DriverLine(ResponseFile.expanded(words, read: read))
        plugin = CompilerArguments.plugin(for: line)
        runtime = try CompilerArguments.runtime(for: line)
        var result = words
        if runtime.isAdded {
            // After `--` there are only files.
            result.insert(contentsOf: library.linkWords, at: result.firstIndex(of: "--") ?? result.endIndex)
        }
        if plugin.isAdded { result = library.pluginWords(toolchain, options) + result }
        self.words = result
    }

    private static func plugin(for line: DriverLine) -> Decision {
        if let reason = line.reasonToLeaveAlone { return .left(reason) }
        if line.stage == .analysis { return .left("\(line.stageOption) makes no code") }
        guard let source = line.sources.first else { return .left(reasonWithoutSources(line)) }
        let others = line.sources.count > 1 ? " and \(line.sources.count - 1) more" : ""
        var reason = "\(source == "-" ? "the standard input" : source)\(others) is compiled"
        if line.optimizesAtLink { reason += " (with LTO, too, here and not at the link)" }
        if let file = line.assembler.first { reason += "; assembler is not recorded: \(file)" }
        return .added(reason)
    }

    private static func reasonWithoutSources(_ line: DriverLine) -> String {
        if let file = line.assembler.first { return "assembler is not recorded: \(file)" }
        if let file = line.headers.first { return "a precompiled header has no code: \(file)" }
        return "nothing is compiled that it knows"
    }

    private static func runtime(for line: DriverLine) throws(Refusal) -> Decision {
        if let reason = line.reasonToLeaveAlone { return .left(reason) }
        if line.stage != .link { return .left("\(line.stageOption) stops before the link") }
        if !line.linksOthers, line.sources.isEmpty, line.assembler.isEmpty { return .left("nothing is linked") }
        if line.isRelocatable { return .left("-r makes an object, which takes no libraries") }
        if line.isShared { return .added("a shared library is linked") }
        if let option = line.staticOption {
            throw Refusal(message: "\(option): static programs cannot be recorded")
        }
        return .added("a program is linked")
    }
}

extension DriverLine {
    /// Why the command runs as it is, if so: neither the plugin nor the runtime would be right.
    fileprivate var reasonToLeaveAlone: String? {
        if stage == .information { return "\(stageOption) only asks the compiler" }
        if !hasInputs { return "there is no input" }
        if sanitizesThreads {
            return "-fsanitize=thread instruments atomics itself, for a race check, and has a runtime of its own"
        }
        if let targetOption { return "\(targetOption): castor records 64-bit x86 Linux programs" }
        if isFreestanding { return "-ffreestanding: no library would answer the plugin's calls" }
        // libtool links C++ libraries with -nostdlib and names the usual libraries itself.
        if let libraryOption, !namesLibc { return "\(libraryOption): no library would answer the plugin's calls" }
        return nil
    }
}
