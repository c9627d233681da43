/// `castor check`: whether a recording of a program will hold all that decides its course.
import CastorCheck
import CastorLog
import Glibc

enum CheckCommand: Command {
    static let name = "check"
    static let abstract = "Tell what a recording of a program would miss"
    static let usage = "[--all] [--json] [-q] PROGRAM"
    static let discussion = """
        Disassembles PROGRAM and the libraries that it loads, and lists by file and function what castor cannot \
        record: atomics, time stamps, random numbers and the like in code that was not built with 'castor cc'. A \
        script stands for its interpreter; a library can be checked by its path. Libraries that a program opens as \
        it runs are not seen. C++ names are readable after '| c++filt'.

        The verdict, at the end, and the exit status:

         0   exact: nothing synchronises outside castor's knowledge
         1   exact unless these race: atomics that castor does not see
         69  not supported: castor record refuses it, or something is missing

        cpuid is listed, but answers as in the recording on the same processor. What is known to do no harm is \
        named with the reason.
        """
    static let options: [Option] = [
        .flag("all", nil, "List every instruction with its address, system calls included."),
        .flag("json", nil, "Print JSON."),
        .flag("quiet", "q", "Print nothing; the exit status tells."),
    ]
    static let operands = Operands.exactly(1, "PROGRAM", .program)

    static func run(_ arguments: ParsedArguments) throws -> Int32 {
        let word = arguments.operands[0]
        let check = try check(word)
        if !arguments.flag("quiet") {
            let report = CheckReport(check: check, name: word.description, isFull: arguments.flag("all"))
            Console.write(arguments.flag("json") ? report.json.text(indented: true) + "\n" : report.text)
        }
        return switch check.verdict {
        case .exact: 0
        case .unlessTheseRace: ExitStatus.failure
        case .notSupported: ExitStatus.binary
        }
    }

    private static func check(_ word: SystemString) throws -> ProgramCheck {
        let answered = (try? Installation.find()).map { ProgramCheck.names(answeredBy: $0.runtime) } ?? []
        let path = word.description
        if path.contains("/"), let image = ELFImage(path: path), !Loading(image).isProgram {
            return ProgramCheck(path: path, environment: environment, answered: answered)
        }
        do {
            let program = try Program(named: word)
            return ProgramCheck(path: binary(of: program), environment: environment, answered: answered)
        } catch CommandError.refused(let message, _) {
            return ProgramCheck(program: path, refused: message)
        }
    }

    /// At the start of a recording: the verdict in one line, unless it is good.
    static func note(_ program: Program, as word: String, _ installation: Installation) {
        let check = ProgramCheck(
            path: binary(of: program), environment: environment,
            answered: ProgramCheck.names(answeredBy: installation.runtime), cache: cache)
        if check.verdict == .exact { return }
        let report = CheckReport(check: check, name: word, isFull: false)
        Console.report("\(Loading.baseName(word)): \(report.verdict(naming: 3)); see castor check \(word)")
    }

    /// The object file that runs; `env` in a script's first line is passed over.
    private static func binary(of program: Program) -> String {
        guard let interpreter = program.interpreter.first?.description else { return program.path.description }
        guard Loading.baseName(interpreter) == "env" else { return interpreter }
        let words = program.interpreter.dropFirst(2).flatMap { $0.description.split(separator: " ") }
        guard let word = words.first(where: { !$0.hasPrefix("-") && !$0.contains("=") }),
            let next = try? Program(named: SystemString(String(word))), next.path != program.path
        else { return interpreter }
        return (next.interpreter.first ?? next.path).description
    }

    private static var environment: [String: String] {
        var result: [String: String] = [:]
        for name in ["LD_LIBRARY_PATH", "LD_PRELOAD"] { result[name] = getenv(name).map { String(cString: $0) } }
        return result
    }

    private static var cache: SummaryCache? {
        if let place = getenv("XDG_CACHE_HOME").map({ String(cString: $0) }), place.hasPrefix("/") {
            return SummaryCache(directory: "\(place)/castor")
        }
        return getenv("HOME").flatMap { SummaryCache(directory: String(cString: $0) + "/.cache/castor") }
    }
}
