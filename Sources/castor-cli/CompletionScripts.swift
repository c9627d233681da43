/// Completion for zsh and fish. Bash, which has no tables of its own, is in CompletionCommand.swift.

enum ZshCompletion {
    static func script() -> String {
        let commands = Tool.visibleCommands.map { "        '\($0.name):\(quoted($0.abstract))'\n" }.joined()
        return """
            #compdef castor
            _castor() {
                local -a commands=(
            \(commands)    )
                local context state line
                _arguments -C '(- *)'{-h,--help}'[Show help]' '(- *)--version[Show the version]' \\
                    '1:command:->command' '*::argument:->argument'
                case $state in
                command) _describe command commands ;;
                argument)
                    case $words[1] in
            \(Tool.visibleCommands.map(branch).joined())        esac ;;
                esac
            }
            _castor "$@"

            """
    }

    private static func branch(for command: any Command.Type) -> String {
        if command is FtCommand.Type { return actions() }
        return "        \(command.name)) \(arguments(of: command)) ;;\n"
    }

    private static func arguments(of command: any Command.Type) -> String {
        "_arguments -s \((command.allOptions.map(spec) + operands(of: command)).joined(separator: " \\\n            "))"
    }

    /// One level deeper.
    private static func actions() -> String {
        let names = FtCommand.actions.map { action in "                '\(FtCommand.word(for: action)):\(quoted(action.abstract))'\n" }.joined()
        let branches = FtCommand.actions.map { action in "                \(FtCommand.word(for: action))) \(arguments(of: action)) ;;\n" }.joined()
        return """
                    ft)
                        local -a actions=(
            \(names)            )
                        _arguments -C '(- *)'{-h,--help}'[Show help]' '1:action:->action' '*::argument:->rest'
                        case $state in
                        action) _describe action actions ;;
                        rest)
                            case $words[1] in
            \(branches)                esac ;;
                        esac ;;

            """
    }

    private static func spec(for option: Option) -> String {
        let names = option.short.map { "'(-\($0) --\(option.long))'{-\($0),--\(option.long)}" } ?? option.name
        // The value stands in the same word.
        let equals = option.isCompilers && option.value != nil ? "=-" : ""
        let value =
            switch option.value?.kind {
            case .none: ""
            case .choice(let choices), .choiceOrNumber(let choices, _):
                ":\(quoted(option.value!.name)):(\(choices.joined(separator: " ")))"
            case .directory: ":\(quoted(option.value!.name)):_files -/"
            case .file: ":\(quoted(option.value!.name)):_files"
            case .text, .number: ":\(quoted(option.value!.name)): "
            }
        return "\(names)\(equals)'[\(quoted(option.help))]\(value)'"
    }

    private static func operands(of command: any Command.Type) -> [String] {
        let words = CompletionCommand.words(for: command)
        if !words.isEmpty { return ["'*:\(command.operands.name):(\(words.joined(separator: " ")))'"] }
        return switch command.operands.kind {
        case .directory: ["'*:\(command.operands.name):_files -/'"]
        case .file: ["'*:\(command.operands.name):_files'"]
        case .program: ["'(-)1:program:_command_names -e'", "'*::arguments:_normal'"]
        default: []
        }
    }

    /// Inside single quotes and brackets.
    private static func quoted(_ text: String) -> String {
        text.map { character in
            switch character {
            case "'": "'\\''"
            case "[", "]", ":": "\\\(character)"
            default: String(character)
            }
        }.joined()
    }
}

enum FishCompletion {
    static func script() -> String {
        var lines = [
            "# fish completion for castor",
            "complete -c castor -f",
            "complete -c castor -n __fish_use_subcommand -s h -l help -d 'Show help'",
            "complete -c castor -n __fish_use_subcommand -l version -d 'Show the version'",
        ]
        for command in Tool.visibleCommands {
            lines.append(
                "complete -c castor -n __fish_use_subcommand -a \(command.name) -d '\(quoted(command.abstract))'")
            lines += command is FtCommand.Type ? actions() : self.lines(for: command, where: "__fish_seen_subcommand_from \(command.name)")
        }
        return lines.map { $0 + "\n" }.joined()
    }

    private static func lines(for command: any Command.Type, where condition: String, depth: Int = 1) -> [String] {
        let specs = command.allOptions.map { spec(for: $0) } + operands(of: command, depth: depth)
        return specs.map { "complete -c castor -n '\(condition)' \($0)" }
    }

    /// One level deeper.
    private static func actions() -> [String] {
        let isFt = "__fish_seen_subcommand_from \(FtCommand.name)"
        let words = FtCommand.actions.map { action in FtCommand.word(for: action) }.joined(separator: " ")
        return FtCommand.actions.flatMap { action in
            let word = FtCommand.word(for: action)
            return [
                "complete -c castor -n '\(isFt); and not __fish_seen_subcommand_from \(words)' -a \(word) -d '\(quoted(action.abstract))'"
            ] + lines(for: action, where: "\(isFt); and __fish_seen_subcommand_from \(word)", depth: 2)
        }
    }

    private static func spec(for option: Option) -> String {
        let short = option.short.map { "-s \($0) " } ?? ""
        let value =
            switch option.value?.kind {
            case .none: ""
            case .choice(let choices), .choiceOrNumber(let choices, _): " -x -a '\(choices.joined(separator: " "))'"
            case .directory: " -x -a '(__fish_complete_directories)'"
            case .file: " -r -F"
            case .text, .number: " -x"
            }
        let name = option.name.hasPrefix("--") ? "-l \(option.long)" : "-o \(option.long)"
        return "\(short)\(name)\(value) -d '\(quoted(option.help))'"
    }

    private static func operands(of command: any Command.Type, depth: Int) -> [String] {
        let words = CompletionCommand.words(for: command)
        if !words.isEmpty { return ["-a '\(words.joined(separator: " "))'"] }
        return switch command.operands.kind {
        case .directory: ["-a '(__fish_complete_directories)'"]
        case .file: ["-F"]
        case .program: ["-a '(__fish_complete_subcommand --fcs-skip=\(depth + 1))'"]
        default: []
        }
    }

    private static func quoted(_ text: String) -> String {
        text.map { $0 == "'" || $0 == "\\" ? "\\\($0)" : String($0) }.joined()
    }
}
