/// The frame of the command line: a subcommand is a type that declares itself. Parsing, help, manual pages
/// and shell completion all derive from the declaration, so none of them can disagree with it.
import CastorLog

protocol Command {
    static var name: String { get }
    /// One sentence without its full stop.
    static var abstract: String { get }
    /// Paragraphs separated by an empty line; wrapped when shown. A line that starts with a blank is kept.
    static var discussion: String { get }
    /// What follows `castor NAME` on the usage line.
    static var usage: String { get }
    static var options: [Option] { get }
    /// The option that shows the help; it is not among `options`.
    static var helpOption: Option { get }
    static var operands: Operands { get }
    static var rest: Rest { get }
    /// Hidden commands are for scripts: run and helped, but not listed.
    static var isHidden: Bool { get }
    /// The result is the exit status.
    static func run(_ arguments: ParsedArguments) throws -> Int32
}

extension Command {
    static var discussion: String { "" }
    static var options: [Option] { [] }
    static var helpOption: Option { .help }
    static var allOptions: [Option] { options + [helpOption] }
    static var operands: Operands { .none }
    static var rest: Rest { .refused }
    static var isHidden: Bool { false }
}

/// An option: `--long`, perhaps `-s`, perhaps with a value.
struct Option: Sendable {
    let long: String
    let short: Character?
    /// nil for a flag.
    let value: Value?
    let help: String
    var style = Style.ours

    enum Style: Sendable {
        /// `--name VALUE`, `--name=VALUE`
        case ours
        /// As compilers have them: so many dashes, and a value in the same word only.
        case compilers(dashes: String)
    }

    struct Value: Sendable {
        let name: String
        let kind: Kind
        enum Kind: Sendable {
            case text
            case number
            case directory
            case file
            case choice([String])
            /// One of these words, or a whole number.
            case choiceOrNumber([String], ClosedRange<Int>)

            /// Words to choose from.
            var words: [String]? {
                switch self {
                case .choice(let words), .choiceOrNumber(let words, _): words
                default: nil
                }
            }
        }
    }

    /// With its dashes.
    var name: String {
        if case .compilers(let dashes) = style { dashes + long } else { "--\(long)" }
    }
    var isCompilers: Bool {
        if case .compilers = style { true } else { false }
    }
    /// As help shows it: `--name VALUE`.
    var nameAndValue: (name: String, value: String) {
        guard let value else { return (name, "") }
        if case .compilers = style { return (name + "=", value.name) }
        return (name + " ", value.name)
    }

    static func flag(_ long: String, _ short: Character? = nil, _ help: String) -> Option {
        Option(long: long, short: short, value: nil, help: help)
    }

    static func value(
        _ long: String, _ short: Character? = nil, _ name: String, _ kind: Value.Kind = .text, _ help: String
    ) -> Option {
        Option(long: long, short: short, value: Value(name: name, kind: kind), help: help)
    }

    /// An option that stands among a compiler's own.
    static func compilers(_ dashes: String, _ long: String, _ value: Value? = nil, _ help: String) -> Option {
        Option(long: long, short: nil, value: value, help: help, style: .compilers(dashes: dashes))
    }

    /// Every command has it or one like it; it is not declared.
    static let help = flag("help", "h", "Show this help and exit.")
    /// Of the tool, not of a command.
    static let version = flag("version", nil, "Show the version and exit.")
}

/// What a command takes besides options.
struct Operands: Sendable {
    let count: ClosedRange<Int>
    /// As the usage line calls one.
    let name: String
    let kind: Kind

    enum Kind: Sendable {
        case text
        case directory
        case file
        case program
        case choice([String])
    }

    static let none = Operands(count: 0...0, name: "", kind: .text)
    static func upTo(_ maximum: Int, _ name: String, _ kind: Kind) -> Operands {
        Operands(count: 0...maximum, name: name, kind: kind)
    }
    static func exactly(_ count: Int, _ name: String, _ kind: Kind) -> Operands {
        Operands(count: count...count, name: name, kind: kind)
    }
    static func any(_ name: String, _ kind: Kind) -> Operands { upTo(Int.max, name, kind) }
}

/// Arguments that are handed on untouched.
enum Rest: Sendable {
    case refused
    /// Everything after the first operand belongs to it: a program's arguments.
    case afterOperand
    /// Everything after `--`.
    case afterDashes
    /// All, whatever they look like.
    case everything
}

/// Why a command did not do its work. The message is one line, without the tool's name.
enum CommandError: Error {
    /// The command line is wrong: exit status 64.
    case usage(String)
    /// Something outside is in the way; `advice` says what the user can do. Exit status 1.
    case failed(String, advice: String = "")
    /// Something that is needed is not there: exit status 66 for a log, 69 for a program or library.
    case missingLog(String)
    case missing(String, advice: String = "")
    /// A program that castor does not record or replay, with the reason: exit status 69.
    case refused(String, advice: String = "")
    /// A log that is not what castor wrote: exit status 65.
    case damaged(String, advice: String = "")
    /// A mistake in castor itself: exit status 70.
    case internalError(String)
}

/// Exit statuses beside 0 and the recorded program's own (sysexits.h).
enum ExitStatus {
    static let failure: Int32 = 1
    static let usage: Int32 = 64
    static let damagedLog: Int32 = 65
    static let missingLog: Int32 = 66
    static let binary: Int32 = 69
    static let divergence: Int32 = 70
    static let software: Int32 = 70
}
