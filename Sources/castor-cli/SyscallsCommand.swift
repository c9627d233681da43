/// `castor syscalls`: the table of the instruction plane, for people and as docs/COVERAGE.md.
import CTSXShim
import CastorLog

enum SyscallsCommand: Command {
    static let name = "syscalls"
    static let abstract = "Show how each system call is recorded and replayed"
    static let usage = "[--support LEVEL] [--markdown] [NAME...]"
    static let discussion = """
        With NAMEs or numbers, only those. The levels of support:

         full         recorded and replayed exactly
         partial      the same within the limits given
         enosys       answered with ENOSYS, so that the program takes its other way
         unsupported  runs while recording, but is not replayable; named when it is met
        """
    static let options: [Option] = [
        .value(
            "support", nil, "LEVEL", .choice(SyscallRow.supportWords), "Only calls supported at this level."),
        .flag("markdown", nil, "Print docs/COVERAGE.md."),
    ]
    static let operands = Operands.any("NAME", .text)

    static func run(_ arguments: ParsedArguments) throws -> Int32 {
        var rows = try arguments.operands.isEmpty ? SyscallRow.all : arguments.operands.map { try row($0.description) }
        if let level = arguments.text("support") { rows = rows.filter { $0.support == level } }
        Console.write(arguments.flag("markdown") ? markdown(rows) : table(rows))
        return 0
    }

    private static func row(_ word: String) throws -> SyscallRow {
        if let found = SyscallRow.all.first(where: { $0.name == word || String($0.number) == word }) { return found }
        let near = Suggestion.closest(to: word, in: SyscallRow.all.map(\.name)).map { "; did you mean '\($0)'?" }
        throw CommandError.failed("no system call '\(word)'\(near ?? "")")
    }

    private static func table(_ rows: [SyscallRow]) -> String {
        let headings = ["NR", "NAME", "SUPPORT", "REPLAY", "ORDER", "NOTE"]
        let cells = rows.map { row in [String(row.number)] + row.columns.map { $0.isEmpty ? "-" : $0 } + [row.note] }
        let lines = [headings] + cells
        let widths = headings.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
        return lines.map { line in
            var text = zip(line, widths).map { $0.padded($1) }.joined(separator: "  ")
            while text.last == " " { text.removeLast() }
            return text + "\n"
        }.joined()
    }

    private static func markdown(_ rows: [SyscallRow]) -> String {
        let counts = SyscallRow.supportWords.map { word in
            "| \(word) | \(rows.count { $0.support == word }) | \(SyscallRow.meaning(ofSupport: word)) |\n"
        }
        let lines = rows.map { row in
            let cells = [String(row.number), "`\(row.name)`"] + row.columns.dropFirst() + [row.note]
            return "| " + cells.joined(separator: " | ") + " |\n"
        }
        return """
            # System calls

            How each system call of x86-64 Linux (up to 6.18) is recorded and replayed. Made by \
            `castor syscalls --markdown` from `Sources/CTSXShim/include/castor_syscalls.def`, the table that the \
            recorder itself runs by; change that one, then make this one again.

            | support | calls | meaning |
            |---|---:|---|
            \(counts.joined())
            **Replay**: *elide*: result and outputs come from the log. *execute*: done again; the result must be the \
            recorded one. *output*: elided, but what went to standard output and error is shown. *map*: executed at \
            the recorded address. *thread*, *signal*, *kill*: threads and processes, signal handling, signals sent. \
            *never*: refused with ENOSYS while recording.

            **Order**: when a call takes its place among the events on its object: *before* it starts if it sends, \
            frees or changes names, *after* it returned if it receives; *both*: two events. A call without an order \
            concerns its thread only.

            | nr | name | support | replay | order | note |
            |---:|---|---|---|---|---|
            \(lines.joined())
            """
    }
}

/// One row of castor_syscalls.def in words.
struct SyscallRow {
    let number: Int
    let name: String
    let support: String
    let replay: String
    /// Empty when the call has no place in an order.
    let order: String
    let note: String

    static let supportWords = ["full", "partial", "enosys", "unsupported"]
    private static let replayWords = ["elide", "execute", "output", "map", "thread", "signal", "kill", "never"]
    private static let orderWords = ["", "before", "after", "both"]
    private static let objectWords = ["", "descriptor", "ipc", "files", "memory", "process", "address"]

    /// Name, support, replay and order.
    var columns: [String] { [name, support, replay, order] }

    static func meaning(ofSupport word: String) -> String {
        switch word {
        case "full": "recorded and replayed exactly"
        case "partial": "the same within the limits that the note gives"
        case "enosys": "answered with ENOSYS, so that the program takes its other way"
        default: "runs while recording, but is not replayable; named when it is met, and in the log"
        }
    }

    static var all: [SyscallRow] {
        (0..<Int(CASTOR_SYSCALLS)).compactMap { number in
            let row = castor_syscall_row_at(UInt64(number)).pointee
            guard let name = row.name else { return nil }
            let order = [orderWords[Int(row.order)], objectWords[Int(row.object)]].filter { !$0.isEmpty }
            return SyscallRow(
                number: number, name: String(cString: name), support: supportWords[Int(row.support)],
                replay: replayWords[Int(row.replay)], order: order.joined(separator: " "),
                note: row.note.map { String(cString: $0) } ?? "")
        }
    }
}
