/// `castor`: finds the command, runs it and turns errors into messages and exit statuses.
import CTSXShim
import CastorLog
import Glibc

enum Tool {
    static let version = "0.1.0"
    static let abstract = "Castor records what a multithreaded program does and replays it exactly."

    static var commands: [any Command.Type] {
        [
            RecordCommand.self, ReplayCommand.self, RaceCommand.self, ListCommand.self, InfoCommand.self, ProcessesCommand.self,
            DumpCommand.self,
            RemoveCommand.self, CcCommand.self, CxxCommand.self, FlagsCommand.self, CheckCommand.self, DoctorCommand.self, FtCommand.self,
            SyscallsCommand.self, CompletionCommand.self, ManCommand.self,
            HelpCommand.self, LaunchCommand.self, StandbyCommand.self,
        ]
    }
    /// A key path through an existential metatype crashes the compiler (Swift 6.3), so closures here and elsewhere.
    static var commandNames: [String] { commands.map { $0.name } }
    static var visibleCommands: [any Command.Type] { commands.filter { !$0.isHidden } }

    static func command(named name: String) throws -> any Command.Type {
        if let command = commands.first(where: { $0.name == name }) { return command }
        let near = Suggestion.closest(to: name, in: commandNames).map { "; did you mean '\($0)'?" }
        throw CommandError.usage("unknown command '\(name)'\(near ?? "")")
    }

    static func run(_ words: ArraySlice<SystemString>) -> Int32 {
        var found: (any Command.Type)?
        do {
            guard let first = words.first?.description else { throw CommandError.usage("no command given") }
            switch first {
            case "-h", "--help": return try HelpCommand.run(ParsedArguments())
            case "--version":
                let formats = "log format \(logFormatVersion), runtime interface \(CASTOR_ABI_VERSION)"
                Console.print("castor \(version) (\(formats))")
                return 0
            case _ where first.hasPrefix("-"): throw CommandError.usage("unknown option \(first)")
            default: break
            }
            let command = try command(named: first)
            found = command
            guard let arguments = try ArgumentParser.parse(words.dropFirst(), for: command) else {
                Console.write(Help.text(for: command))
                return 0
            }
            return try command.run(arguments)
        } catch {
            return report(error, from: found)
        }
    }

    private static func report(_ error: any Error, from command: (any Command.Type)?) -> Int32 {
        switch error {
        case CommandError.usage(let message):
            Console.report(message)
            let topic = command.map { "castor \($0.name) \($0.helpOption.name)" } ?? "castor --help"
            Console.write("Try '\(topic)'.\n", to: STDERR_FILENO)
            return ExitStatus.usage
        case CommandError.failed(let message, let advice):
            Console.report(message)
            if !advice.isEmpty { Console.write(advice + "\n", to: STDERR_FILENO) }
            return ExitStatus.failure
        case CommandError.missingLog(let message):
            Console.report(message)
            return ExitStatus.missingLog
        case CommandError.missing(let message, let advice), CommandError.refused(let message, let advice):
            Console.report(message)
            if !advice.isEmpty { Console.write(advice + "\n", to: STDERR_FILENO) }
            return ExitStatus.binary
        case CommandError.damaged(let message, let advice):
            Console.report(message)
            if !advice.isEmpty { Console.write(advice + "\n", to: STDERR_FILENO) }
            return ExitStatus.damagedLog
        case CommandError.internalError(let message):
            Console.report("internal error: \(message)")
            return ExitStatus.software
        default:
            Console.report("\(error)")
            return ExitStatus.failure
        }
    }
}

let words = UnsafeBufferPointer(start: CommandLine.unsafeArgv, count: Int(CommandLine.argc))
    .compactMap { $0.map { SystemString(cString: $0) } }
exit(Tool.run(words.dropFirst()))
