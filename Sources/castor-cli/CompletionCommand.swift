/// `castor completion`: scripts that complete what the commands declare.

enum CompletionCommand: Command {
    static let name = "completion"
    static let abstract = "Print a completion script for a shell"
    static let usage = "bash|zsh|fish"
    static let discussion = """
        Where each shell looks for it:

         castor completion bash > ~/.local/share/bash-completion/completions/castor
         castor completion zsh  > a directory of $fpath, as _castor
         castor completion fish > ~/.config/fish/completions/castor.fish
        """
    static let operands = Operands.exactly(1, "SHELL", .choice(["bash", "zsh", "fish"]))

    static func run(_ arguments: ParsedArguments) throws -> Int32 {
        switch arguments.operands[0].description {
        case "bash": Console.write(BashCompletion.script())
        case "zsh": Console.write(ZshCompletion.script())
        default: Console.write(FishCompletion.script())
        }
        return 0
    }

    /// What can stand for an operand, where it is one of a few words.
    static func words(for command: any Command.Type) -> [String] {
        if command is HelpCommand.Type { return Tool.visibleCommands.map { $0.name } }
        if command is SyscallsCommand.Type { return SyscallRow.all.map(\.name) }
        if case .choice(let choices) = command.operands.kind { return choices }
        return []
    }
}

enum BashCompletion {
    static func script() -> String {
        let names = Tool.visibleCommands.map { $0.name }.joined(separator: " ")
        return """
            # bash completion for castor
            _castor() {
                local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
                COMPREPLY=()
                if (( COMP_CWORD == 1 )); then
                    COMPREPLY=($(compgen -W "\(names) --help --version" -- "$cur"))
                    return
                fi
                case ${COMP_WORDS[1]} in
            \(Tool.visibleCommands.map(branch).joined())    esac
            }
            complete -F _castor castor

            """
    }

    /// The actions of a command that has such, then each one's options.
    private static func branch(for command: FtCommand.Type) -> String {
        let actions = FtCommand.actions.flatMap { action in
            ["    \(FtCommand.word(for: action)))"] + body(for: action, depth: 2).map { "    \($0)" }
        }
        let lines =
            ["\(command.name))", "    if (( COMP_CWORD == 2 )); then", "        COMPREPLY=(\(operands(of: command)))", "        return", "    fi"]
            + ["    case ${COMP_WORDS[2]} in"] + actions + ["    esac ;;"]
        return lines.map { "    \($0)\n" }.joined()
    }

    private static func branch(for command: any Command.Type) -> String {
        if command is FtCommand.Type { return branch(for: FtCommand.self) }
        return (["\(command.name))"] + body(for: command, depth: 1)).map { "    \($0)\n" }.joined()
    }

    /// `depth`: words that name the command, after castor.
    private static func body(for command: any Command.Type, depth: Int) -> [String] {
        var lines: [String] = []
        if case .afterOperand = command.rest { lines += delegation(command, from: depth + 1) }
        let values = command.options.filter { $0.value != nil && !$0.isCompilers }
        if !values.isEmpty {
            lines.append("    case $prev in")
            lines += values.map { option in
                "    \(spellings(of: option, separator: "|"))) COMPREPLY=(\(generator(for: option))); return ;;"
            }
            lines.append("    esac")
        }
        let options = command.allOptions.map { spellings(of: $0, separator: " ") }.joined(separator: " ")
        if case .file = command.operands.kind { lines.append("    compopt -o filenames 2>/dev/null") }
        lines.append("    if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W \"\(options)\" -- \"$cur\"))")
        lines.append("    else COMPREPLY=(\(operands(of: command))); fi ;;")
        return lines
    }

    /// From the program on, the program's own completion.
    private static func delegation(_ command: any Command.Type, from first: Int) -> [String] {
        let values = command.options.filter { $0.value != nil }.map { spellings(of: $0, separator: "|") }
        return [
            "    local i=\(first)",
            "    while (( i < COMP_CWORD )); do",
            "        case ${COMP_WORDS[i]} in",
            "        \(values.joined(separator: "|"))) (( i += 2 )) ;;",
            "        -*) (( i += 1 )) ;;",
            "        *) declare -F _command_offset >/dev/null && _command_offset $i; return ;;",
            "        esac",
            "    done",
        ]
    }

    private static func spellings(of option: Option, separator: String) -> String {
        guard option.isCompilers else {
            return (option.short.map { "-\($0)\(separator)" } ?? "") + option.name
        }
        guard let value = option.value else { return option.name }
        // A value cannot be completed by itself: it is not a word.
        guard let choices = value.kind.words else { return "\(option.name)=" }
        return choices.map { "\(option.name)=\($0)" }.joined(separator: separator)
    }

    private static func generator(for option: Option) -> String {
        switch option.value?.kind {
        case .choice(let choices), .choiceOrNumber(let choices, _): "$(compgen -W \"\(choices.joined(separator: " "))\" -- \"$cur\")"
        case .directory: "$(compgen -d -- \"$cur\")"
        case .file: "$(compgen -f -- \"$cur\")"
        default: ""
        }
    }

    private static func operands(of command: any Command.Type) -> String {
        let words = CompletionCommand.words(for: command)
        if !words.isEmpty { return "$(compgen -W \"\(words.joined(separator: " "))\" -- \"$cur\")" }
        return switch command.operands.kind {
        case .directory: "$(compgen -d -- \"$cur\")"
        case .file: "$(compgen -f -- \"$cur\")"
        case .program: "$(compgen -c -- \"$cur\") $(compgen -f -- \"$cur\")"
        default: ""
        }
    }
}
