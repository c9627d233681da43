/// `castor rm`: deletes recordings.
import CastorLog

enum RemoveCommand: Command {
    static let name = "rm"
    static let abstract = "Delete recordings"
    static let usage = "LOG... | --all"
    static let discussion = """
        LOG is a name that 'castor ls' shows, or a path. Only recordings are removed; one that is still being \
        recorded or holds files that castor did not make is kept.
        """
    static let options: [Option] = [.flag("all", nil, "Delete every recording that 'castor ls' lists.")]
    static let operands = Operands.any("LOG", .directory)

    static func run(_ arguments: ParsedArguments) throws -> Int32 {
        let all = arguments.flag("all")
        guard all != !arguments.operands.isEmpty else {
            throw CommandError.usage(all ? "--all takes no LOG" : "no LOG given")
        }
        let store = LogStore.standard
        let words = all ? store.logs().map { SystemString("\(store.path)/\($0)") } : arguments.operands
        var status: Int32 = 0
        for word in words {
            do {
                try store.remove(store.resolve(word))
            } catch CommandError.failed(let message, _) {
                Console.report(message)
                status = max(status, ExitStatus.failure)
            } catch let error as LogError {
                Console.report("\(error)")
                status = max(status, LogStatus.status(of: error))
            }
        }
        return status
    }
}
