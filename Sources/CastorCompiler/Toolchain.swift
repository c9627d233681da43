/// The compilers that castor has a plugin for. A plugin loads into the compiler of its own major version only, so the
/// major is part of every name: a compiler that is found by its name is the plugin's.

public struct Toolchain: Equatable, Sendable {
    public enum Family: Sendable { case clang, gcc }
    public enum Language: Sendable { case c, cxx }

    public let family: Family
    public let major: Int

    /// The preferred ones first.
    public static let all = [
        Toolchain(family: .clang, major: 16), Toolchain(family: .clang, major: 19),
        Toolchain(family: .clang, major: 14), Toolchain(family: .gcc, major: 12),
    ]
    /// What `--castor-compiler` takes. A name without a major is the first of its family.
    public static let names = ["clang"] + all.filter { $0.family == .clang }.map(\.name) + ["gcc", "gcc-12"]

    /// `clang-16`, as users and plugins call it.
    public var name: String { "\(family)-\(major)" }

    public static func named(_ name: String) -> [Toolchain] { all.filter { $0.name == name || "\($0.family)" == name } }

    /// The program that compiles `language`; in Debian also the name of its package.
    public func driver(for language: Language) -> String {
        switch (family, language) {
        case (_, .c): name
        case (.clang, .cxx): "clang++-\(major)"
        case (.gcc, .cxx): "g++-\(major)"
        }
    }

    /// Debian's package of the driver: clang's has both.
    public func package(for language: Language) -> String {
        family == .clang ? name : driver(for: language)
    }

    /// gcc takes what stands before the first dash of `-fplugin-arg-NAME-KEY` for the plugin's name, so there is none
    /// in it.
    public var plugin: String {
        switch family {
        case .clang: "castor-pass-clang-\(major).so"
        case .gcc: "castor_pass_gcc_\(major).so"
        }
    }

    /// Debian's package that the plugin is built with.
    public var pluginPackage: String { family == .clang ? "llvm-\(major)-dev" : "\(name)-plugin-dev" }
}

// MARK: - Choosing

extension Toolchain {
    /// No compiler that could do the work; the message says what to install.
    public struct Missing: Error, Equatable {
        public let message: String
        public let advice: String
    }

    /// The first of `candidates` whose driver and plugin are both there.
    public static func choose(
        among candidates: [Toolchain], for language: Language, hasDriver: (String) -> Bool, hasPlugin: (String) -> Bool
    ) throws(Missing) -> Toolchain {
        let installed = candidates.filter { hasDriver($0.driver(for: language)) }
        if let found = installed.first(where: { hasPlugin($0.plugin) }) { return found }
        guard let first = installed.first else {
            let drivers = candidates.map { $0.driver(for: language) }.joined(separator: ", ")
            let packages = candidates.map { $0.package(for: language) }.joined(separator: ", ")
            throw Missing(
                message: candidates.count == 1 ? "\(drivers) is not installed" : "none of \(drivers) is installed",
                advice: "Debian package\(candidates.count == 1 ? "" : "s, any of which will do"): \(packages)")
        }
        throw Missing(
            message: "\(first.driver(for: language)) is installed, but castor's plugin for it, \(first.plugin), is not",
            advice: "It is built with the Debian package \(first.pluginPackage): install that and run 'make' again.")
    }
}
