/// `castor help`: the overview, or what `castor COMMAND --help` prints.
enum HelpCommand: Command {
    static let name = "help"
    static let abstract = "Explain a command"
    static let usage = "[COMMAND]"
    static let operands = Operands.upTo(1, "COMMAND", .text)

    static func run(_ arguments: ParsedArguments) throws -> Int32 {
        if let topic = arguments.operands.first {
            Console.write(Help.text(for: try Tool.command(named: topic.description)))
        } else {
            Console.write(Help.overview())
        }
        return 0
    }
}
