/// The directory with libcastor.so and the plugins, and how compilers are told of it.
import CastorLog

public struct Library: Equatable, Sendable {
    public static let runtime = "libcastor.so"
    public let directory: SystemString

    public init(directory: SystemString) { self.directory = directory }

    func path(_ name: String) -> SystemString { directory + SystemString("/\(name)") }

    // MARK: - Compiling

    /// Options for the plugin go to clang's compiler proper (`-Xclang`): clang's assembler takes `-mllvm` too, and does
    /// not know them. They are known once the plugin is loaded, which `-fpass-plugin` does too late.
    func pluginWords(_ toolchain: Toolchain, _ options: CompilerOptions) -> [SystemString] {
        let plugin = path(toolchain.plugin)
        let settings = pluginSettings(options)
        // The library's templates, which come compiled, would read and write unseen.
        let definition: SystemString? = options.ordersSharedMemory ? "-D_GLIBCXX_EXTERN_TEMPLATE=0" : nil
        switch toolchain.family {
        case .clang:
            let load = settings.isEmpty ? [] : ["-fplugin=" + plugin]
            return load + ["-fpass-plugin=" + plugin]
                + settings.flatMap { ["-Xclang", "-mllvm", "-Xclang", "-castor-" + $0] }
                + (definition.map { ["-Xclang", $0] } ?? [])
        case .gcc:
            // The plugin first: gcc refuses arguments of one that it has not met.
            let prefix = SystemString("-fplugin-arg-\(toolchain.plugin.dropLast(3))-")
            return ["-fplugin=" + plugin] + settings.map { prefix + $0 } + (definition.map { [$0] } ?? [])
        }
    }

    private func pluginSettings(_ options: CompilerOptions) -> [SystemString] {
        (options.ordersSharedMemory ? ["order=shared"] : []) + (options.polls ? ["poll"] : [])
            + (options.statistics.map { ["stats=" + $0] } ?? [])
    }

    // MARK: - Linking

    /// libcastor.so is found at the link and at the start, and needed although nothing refers to it: what is loaded later
    /// may. `-Bdynamic` and `--no-as-needed` hold for it alone. It stands last, so that an archive before it, which may
    /// be the only one to call it, has been read.
    var linkerWords: [SystemString] {
        [
            "-L" + directory, "-rpath", directory, "--push-state", "-Bdynamic", "--no-as-needed", "-lcastor",
            "--pop-state",
        ]
    }

    /// The same for a driver: one word, unless there is a comma in the directory's name.
    var linkWords: [SystemString] {
        guard directory.bytes.contains(UInt8(ascii: ",")) else {
            return [linkerWords.reduce(SystemString("-Wl")) { $0 + "," + $1 }]
        }
        return linkerWords.flatMap { ["-Xlinker", $0] }
    }
}

extension SystemString {
    static func + (left: SystemString, right: SystemString) -> SystemString {
        SystemString(bytes: left.bytes + right.bytes)
    }
}
