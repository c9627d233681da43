/// What `castor cc` itself is told, among the words for the compiler.
import CastorLog

public struct CompilerOptions: Equatable, Sendable {
    /// `--castor-compiler=NAME`: one of `Toolchain.names`.
    public var compiler: String?
    /// `--castor-stats=FILE`: the plugin appends to it what it instrumented.
    public var statistics: SystemString?
    /// `--castor-explain`: say what would run, and why.
    public var explains = false
    /// `--castor-help`
    public var asksForHelp = false
    /// `-fcastor-order=shared`: plain loads and stores of memory that may be shared are recorded too.
    public var ordersSharedMemory = false
    /// `-fcastor-poll`: every loop has a place where a signal may be handled.
    public var polls = false

    public init() {}

    /// A mistake in an option of castor's own.
    public struct UsageError: Error, Equatable {
        public let message: String
    }

    /// Takes castor's options out of `words`, wherever they stand: `CC="castor cc --castor-compiler=gcc"` puts them
    /// first, `CFLAGS` in the middle.
    public init(takenFrom words: inout [SystemString]) throws(UsageError) {
        var others: [SystemString] = []
        for word in words where try !take(word) { others.append(word) }
        words = others
    }

    private mutating func take(_ word: SystemString) throws(UsageError) -> Bool {
        let text = word.description
        guard text.hasPrefix("--castor-") || text.hasPrefix("-fcastor-") else { return false }
        let name = text.prefix { $0 != "=" }
        let value = word.bytes.firstIndex(of: UInt8(ascii: "=")).map { Array(word.bytes[($0 + 1)...]) }
        switch (name, value.map { String(decoding: $0, as: UTF8.self) }) {
        case ("--castor-explain", nil): explains = true
        case ("--castor-help", nil): asksForHelp = true
        case ("-fcastor-poll", nil): polls = true
        case ("-fcastor-order", "shared"): ordersSharedMemory = true
        case ("--castor-stats", let file?) where !file.isEmpty: statistics = SystemString(bytes: value!)
        case ("--castor-compiler", let compiler?) where Toolchain.names.contains(compiler): self.compiler = compiler
        case ("--castor-compiler", let compiler?): throw Self.unknown(compiler: compiler, from: "--castor-compiler")
        case ("-fcastor-order", _?): throw UsageError(message: "-fcastor-order is 'shared' or not given")
        case ("--castor-compiler", nil), ("--castor-stats", _), ("-fcastor-order", nil):
            throw UsageError(message: "\(name) needs a value: \(name)=…")
        default: throw UsageError(message: "unknown option \(text)")
        }
        return true
    }

    /// `source` is the option or variable that named it.
    public static func unknown(compiler: String, from source: String) -> UsageError {
        UsageError(message: "\(source) is one of \(Toolchain.names.joined(separator: ", ")), not '\(compiler)'")
    }
}
