/// `castor help`: the overview, or what `castor COMMAND --help` prints.
enum HelpCommand: Command {
    static let name = "help"
    static let abstract = "Explain a command"
    static let usage = "[COMMAND [ACTION]]"
    static let operands = Operands.upTo(2, "COMMAND", .text)

    static func run(_ arguments: ParsedArguments) throws -> Int32 {
        if !arguments.operands.isEmpty {
            let name = arguments.operands.map(\.description).joined(separator: " ")
            let action = FtCommand.actions.first { action in action.name == name }
            Console.write(Help.text(for: try action ?? Tool.command(named: name)))
        } else {
            Console.write(Help.overview())
        }
        return 0
    }
}
