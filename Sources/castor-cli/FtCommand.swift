/// `castor ft`: a program with a hot standby. Its actions are commands of their own, with names of two words.
import CastorLog
import Glibc

enum FtCommand: Command {
    static let name = "ft"
    static let abstract = "Keep a hot standby of a program"
    static let usage = "ACTION [OPTIONS]..."
    static let discussion = """
        A primary runs the program and records it; a replica follows the recording on another machine and goes on with the \
        program where it was when the primary dies.

         castor ft replica --listen 10.0.0.3:7070
         castor ft primary --replica 10.0.0.3:7070 -- ./server --port 8080
         castor ft status

        'castor ft ACTION --help' tells more about an action.
        """
    static let operands = Operands.upTo(1, "ACTION", .choice(actions.map { action in word(for: action) }))
    static let rest = Rest.everything

    static var actions: [any Command.Type] { [FtPrimaryCommand.self, FtReplicaCommand.self, FtStatusCommand.self] }

    /// `primary` of `ft primary`
    static func word(for action: any Command.Type) -> String { String(action.name.dropFirst(name.count + 1)) }

    static func run(_ arguments: ParsedArguments) throws -> Int32 {
        guard let word = arguments.rest.first?.description else { throw CommandError.usage("castor ft: no action given") }
        if word == "--help" || word == "-h" {
            Console.write(Help.text(for: self))
            return 0
        }
        guard let action = actions.first(where: { action in action.name == "ft \(word)" }) else {
            let names = actions.map { action in FtCommand.word(for: action) }
            let near = Suggestion.closest(to: word, in: names).map { "; did you mean '\($0)'?" }
            throw CommandError.usage("castor ft has no action '\(word)'\(near ?? "")")
        }
        guard let parsed = try ArgumentParser.parse(arguments.rest.dropFirst(), for: action) else {
            Console.write(Help.text(for: action))
            return 0
        }
        return try action.run(parsed)
    }
}

/// `HOST:PORT`; a host with colons stands in brackets.
struct Endpoint: CustomStringConvertible {
    let host: String
    let port: String
    var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    init(_ text: String) throws {
        guard let colon = text.lastIndex(of: ":") else { throw CommandError.usage("'\(text)' is not HOST:PORT") }
        var host = text[..<colon]
        let port = text[text.index(after: colon)...]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard !host.isEmpty, let number = UInt16(port), number > 0 else { throw CommandError.usage("'\(text)' is not HOST:PORT") }
        (self.host, self.port) = (String(host), String(port))
    }

    var isLoopback: Bool { host == "localhost" || host == "::1" || host.hasPrefix("127.") }
}
