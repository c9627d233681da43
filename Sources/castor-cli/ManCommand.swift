/// `castor man-pages`: manual pages (man(7)) from the commands' declarations. For `make install`.
import CastorLog
import Glibc

enum ManCommand: Command {
    static let name = "man-pages"
    static let abstract = "Write the manual pages into a directory"
    static let usage = "DIR"
    static let operands = Operands.exactly(1, "DIR", .directory)
    static let isHidden = true

    static func run(_ arguments: ParsedArguments) throws -> Int32 {
        let directory = arguments.operands[0].description
        if mkdir(directory, 0o777) != 0 && errno != EEXIST {
            throw CommandError.failed("\(directory): \(errorText(errno))")
        }
        try write(overview(), to: "\(directory)/castor.1")
        for command in Tool.visibleCommands {
            try write(page(for: command), to: "\(directory)/castor-\(command.name).1")
        }
        return 0
    }

    private static func write(_ text: String, to path: String) throws {
        guard let file = fopen(path, "w") else { throw CommandError.failed("\(path): \(errorText(errno))") }
        let written = fputs(text, file)
        if fclose(file) != 0 || written < 0 { throw CommandError.failed("\(path): \(errorText(errno))") }
    }

    private static func overview() -> String {
        var text = heading("castor", abstract: Tool.abstract)
        text += ".SH SYNOPSIS\n.B castor\n.I COMMAND\n[\\fIARGUMENTS\\fR]\n.SH COMMANDS\n"
        for command in Tool.visibleCommands {
            text += ".TP\n.BR castor\\-\(escaped(command.name)) (1)\n\(escaped(command.abstract)).\n"
        }
        text += ".SH OPTIONS\n" + options([.help, .version])
        return text + exitStatus + ".SH SEE ALSO\n.BR gdb (1)\n"
    }

    private static func page(for command: any Command.Type) -> String {
        var text = heading("castor-\(command.name)", abstract: command.abstract)
        text += ".SH SYNOPSIS\n.B castor \(escaped(command.name))\n\(escaped(command.usage))\n.SH DESCRIPTION\n"
        text += "\(escaped(command.abstract)).\n"
        for block in Help.blocks(of: command.discussion) {
            switch block {
            case .prose(let prose): text += ".PP\n\(escaped(prose))\n"
            case .verbatim(let lines): text += ".PP\n.nf\n" + lines.map { escaped($0) + "\n" }.joined() + ".fi\n"
            }
        }
        return text + ".SH OPTIONS\n" + options(command.allOptions) + exitStatus
            + ".SH SEE ALSO\n.BR castor (1)\n"
    }

    private static func heading(_ title: String, abstract: String) -> String {
        let sentence = abstract.hasSuffix(".") ? String(abstract.dropLast()) : abstract
        return ".TH \(escaped(title.uppercased())) 1 \"\" \"castor \(Tool.version)\" \"Castor manual\"\n"
            + ".SH NAME\n\(escaped(title)) \\- \(escaped(sentence))\n"
    }

    private static func options(_ options: [Option]) -> String {
        options.map { option in
            let (name, argument) = option.nameAndValue
            let names = (option.short.map { ["-\($0)"] } ?? []) + [name]
            let value = argument.isEmpty ? "" : "\\fI\(escaped(argument))\\fR"
            let spelling = names.map { "\\fB\(escaped($0))\\fR" }.joined(separator: ", ")
            return ".TP\n\(spelling)\(value)\n\(escaped(option.help))\n"
        }.joined()
    }

    private static let exitStatus = """
        .SH EXIT STATUS
        0 on success, 64 if the command line is wrong, 70 after a mistake in castor itself, 1 otherwise.
        .BR castor\\-check (1)
        ends with its verdict;
        .BR castor\\-record (1)
        and
        .BR castor\\-replay (1)
        end as the program does,
        .BR castor\\-cc (1)
        and
        .BR castor\\-c++ (1)
        as the compiler does.

        """

    /// Text as roff takes it: backslashes and dashes spelled out, no line that looks like a request.
    private static func escaped(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "\\": result += "\\e"
            case "-": result += "\\-"
            case ".", "'": result += (result.isEmpty ? "\\&" : "") + String(character)
            default: result.append(character)
            }
        }
        return result
    }
}
