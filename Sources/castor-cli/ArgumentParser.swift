/// From words to options and operands. Words are bytes: a path or a program's argument need not be UTF-8.
import CastorLog

/// What a command was given.
struct ParsedArguments {
    /// Values by the option's long name, in the order given; a flag has one empty value per mention.
    fileprivate(set) var values: [String: [SystemString]] = [:]
    fileprivate(set) var operands: [SystemString] = []
    /// What `Rest` says, untouched.
    fileprivate(set) var rest: [SystemString] = []

    func flag(_ long: String) -> Bool { values[long] != nil }

    /// The last value given.
    func value(_ long: String) -> SystemString? { values[long]?.last }
    func text(_ long: String) -> String? { value(long)?.description }

    /// A whole number that is not negative; checked while parsing.
    func number(_ long: String) -> UInt64? { text(long).flatMap { UInt64($0) } }
}

struct ArgumentParser {
    let options: [Option]
    let operands: Operands
    let rest: Rest
    private var words: ArraySlice<SystemString>
    private var parsed = ParsedArguments()

    /// nil when help was asked for. Throws only `CommandError.usage`.
    static func parse(_ words: ArraySlice<SystemString>, for command: any Command.Type) throws -> ParsedArguments? {
        if case .everything = command.rest { return ParsedArguments(rest: Array(words)) }
        var parser = ArgumentParser(
            options: command.allOptions, operands: command.operands, rest: command.rest, words: words)
        try parser.run()
        if parser.parsed.flag(Option.help.long) { return nil }
        try parser.checkOperands()
        return parser.parsed
    }

    private init(options: [Option], operands: Operands, rest: Rest, words: ArraySlice<SystemString>) {
        self.options = options
        self.operands = operands
        self.rest = rest
        self.words = words
    }

    private mutating func run() throws {
        while let word = words.popFirst() {
            let text = word.description
            if text == "--" {
                try takeAllAsOperands()
            } else if text.hasPrefix("--") {
                try takeLong(word)
            } else if text.hasPrefix("-"), text.utf8.count > 1 {
                try takeShort(word)
            } else {
                parsed.operands.append(word)
                if case .afterOperand = rest { takeRest() }
            }
        }
    }

    private mutating func takeRest() {
        parsed.rest = Array(words)
        words = []
    }

    /// After `--` nothing is an option.
    private mutating func takeAllAsOperands() throws {
        switch rest {
        case .afterDashes: takeRest()
        case .refused, .everything:
            parsed.operands += words
            words = []
        case .afterOperand:
            guard let program = words.popFirst() else { return }
            parsed.operands.append(program)
            takeRest()
        }
    }

    /// `--name`, `--name=value` or `--name value`.
    private mutating func takeLong(_ word: SystemString) throws {
        let body = word.bytes.dropFirst(2)
        let equals = body.firstIndex(of: UInt8(ascii: "="))
        let name = String(decoding: body[..<(equals ?? body.endIndex)], as: UTF8.self)
        guard let option = options.first(where: { $0.long == name }) else {
            let near = Suggestion.closest(to: name, in: options.map(\.long)).map { "; did you mean --\($0)?" }
            throw CommandError.usage("unknown option --\(name)\(near ?? "")")
        }
        guard let equals else { return try take(option, as: "--\(name)", attached: nil) }
        guard option.value != nil else { throw CommandError.usage("option --\(name) takes no value") }
        try take(option, as: "--\(name)", attached: SystemString(bytes: Array(body[(equals + 1)...])))
    }

    /// `-a`, `-ab`, `-ovalue` or `-o value`.
    private mutating func takeShort(_ word: SystemString) throws {
        var body = word.bytes.dropFirst()
        while let byte = body.popFirst() {
            let letter = Character(UnicodeScalar(byte))
            guard let option = options.first(where: { $0.short == letter }) else {
                throw CommandError.usage("unknown option -\(letter)")
            }
            let attached = option.value == nil || body.isEmpty ? nil : SystemString(bytes: Array(body))
            try take(option, as: "-\(letter)", attached: attached)
            if option.value != nil { return }
        }
    }

    private mutating func take(_ option: Option, as written: String, attached: SystemString?) throws {
        guard let value = option.value else {
            parsed.values[option.long, default: []].append("")
            return
        }
        guard let given = attached ?? words.popFirst() else {
            throw CommandError.usage("option \(written) needs a value: \(value.name)")
        }
        switch value.kind {
        case .choice(let choices) where !choices.contains(given.description):
            throw CommandError.usage("\(written) is one of \(choices.joined(separator: ", ")), not '\(given)'")
        case .choiceOrNumber(let choices, let range)
        where !choices.contains(given.description) && !(Int(given.description).map(range.contains) ?? false):
            throw CommandError.usage(
                "\(written) is one of \(choices.joined(separator: ", ")), or a number from \(range.lowerBound) to "
                    + "\(range.upperBound), not '\(given)'")
        case .number where UInt64(given.description) == nil:
            throw CommandError.usage("\(written) is a whole number, not '\(given)'")
        default: break
        }
        parsed.values[option.long, default: []].append(given)
    }

    private func checkOperands() throws {
        let count = parsed.operands.count
        if count < operands.count.lowerBound { throw CommandError.usage("\(operands.name) is missing") }
        if count > operands.count.upperBound {
            throw CommandError.usage("unexpected argument '\(parsed.operands[operands.count.upperBound])'")
        }
        if case .choice(let choices) = operands.kind {
            for operand in parsed.operands where !choices.contains(operand.description) {
                let words = choices.joined(separator: ", ")
                throw CommandError.usage("\(operands.name) is one of \(words), not '\(operand)'")
            }
        }
    }
}

/// "Did you mean": the nearest word, if it is near enough to be meant.
enum Suggestion {
    static func closest(to word: String, in candidates: [String]) -> String? {
        let limit = max(1, word.count / 3)
        return candidates.map { (name: $0, distance: distance(Array(word), Array($0))) }
            .filter { $0.distance <= limit }.min { $0.distance < $1.distance }?.name
    }

    /// Edits that turn `a` into `b`: insert, delete, replace or swap neighbours (optimal string alignment).
    static func distance(_ a: [Character], _ b: [Character]) -> Int {
        var rows = [Array(0...b.count)]
        for i in 0..<a.count {
            var row = [i + 1]
            for j in 0..<b.count {
                var best = min(row[j] + 1, rows[i][j + 1] + 1, rows[i][j] + (a[i] == b[j] ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, rows[i - 1][j - 1] + 1) }
                row.append(best)
            }
            rows.append(row)
        }
        return rows[a.count][b.count]
    }
}
