/// `castor ps`: the processes of a recording.
import CastorLog

enum ProcessesCommand: Command {
    static let name = "ps"
    static let abstract = "List the processes of a recording"
    static let usage = "[--json] [LOG]"
    static let discussion = """
        Without LOG, the newest recording. Children are indented below their parents; a command in brackets is a child \
        that executed nothing and went on with its parent's program.

        'castor replay -p PID' or 'castor replay -p NAME' debugs one of them.
        """
    static let options: [Option] = [.flag("json", nil, "Print JSON.")]
    static let operands = Operands.upTo(1, "LOG", .directory)

    static func run(_ arguments: ParsedArguments) throws -> Int32 {
        try LogStatus.reporting {
            let directory = try LogStore.standard.resolve(arguments.operands.first)
            let processes = try RecordedProcesses(try LogReader(directory: directory, allowTruncated: true))
            if arguments.flag("json") {
                Console.print(JSON.array(processes.all.map(json)).text(indented: true))
            } else {
                table(processes.all)
            }
            return 0
        }
    }

    private static func table(_ processes: [RecordedProcess]) {
        var rows = [["PID", "PPID", "THREADS", "EVENTS", "ENDING", "COMMAND"]]
        func add(_ process: RecordedProcess, depth: Int) {
            // On one line, whatever the arguments hold.
            let words = process.command.map { LogSummary.quoted(SystemString($0)) }.joined(separator: " ")
                .replacing("\n", with: "\\n").replacing("\t", with: "\\t")
            let command = process.programs.isEmpty ? "[\(words)]" : words
            rows.append([
                "\(process.pid)", process.parent.map { "\($0)" } ?? "-", "\(process.threads)", "\(process.events)",
                ending(process.ending), String(repeating: "  ", count: depth) + command,
            ])
            for child in process.children { add(processes[child], depth: depth + 1) }
        }
        for process in processes where process.parent == nil { add(process, depth: 0) }
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        for row in rows {
            let cells = row.indices.map { column in
                let blanks = String(repeating: " ", count: widths[column] - row[column].count)
                return column < 4 ? blanks + row[column] : column == row.count - 1 ? row[column] : row[column] + blanks
            }
            Console.print(cells.joined(separator: "  "))
        }
    }

    private static func ending(_ outcome: Ending.Outcome) -> String {
        switch outcome {
        case .exited(let code): "exit \(code)"
        case .signalled(let number): SystemNames.signal(Int(number))
        case .unknown: "-"
        }
    }

    private static func json(_ process: RecordedProcess) -> JSON {
        var members: [JSON.Member] = [.init("pid", JSON(process.pid))]
        if let parent = process.parent { members.append(.init("parent", JSON(parent))) }
        members.append(.init("threads", JSON(process.threads)))
        members.append(.init("events", JSON(process.events)))
        switch process.ending {
        case .exited(let code): members.append(.init("exit", JSON(Int64(code))))
        case .signalled(let number): members.append(.init("signal", JSON(Int64(number))))
        case .unknown: break
        }
        let programs = process.programs.map { program in
            JSON.object([
                .init("stream", JSON(program.stream)), .init("command", .array(program.command.map(JSON.string))),
            ])
        }
        members.append(.init("programs", .array(programs)))
        return .object(members)
    }
}
