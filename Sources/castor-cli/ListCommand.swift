/// `castor ls`: the recordings that are there.
import CastorLog

enum ListCommand: Command {
    static let name = "ls"
    static let abstract = "List recordings"
    static let usage = "[--json]"
    static let options: [Option] = [.flag("json", nil, "Print JSON.")]

    static func run(_ arguments: ParsedArguments) throws -> Int32 {
        let store = LogStore.standard
        let logs = store.logs().map { (name: $0, summary: LogSummary(directory: "\(store.path)/\($0)")) }
        if arguments.flag("json") {
            Console.print(JSON.array(logs.map { json($0.name, $0.summary) }).text(indented: true))
            return 0
        }
        guard !logs.isEmpty else {
            Console.report("no recordings in \(store.path)")
            return 0
        }
        var rows = [["NAME", "PROGRAM", "STARTED", "EVENTS", "SIZE", "ENDING"]]
        for (name, summary) in logs {
            rows.append([
                name, summary.manifest?.program.description ?? "-",
                summary.manifest.map { LogSummary.date($0.started) } ?? "-", summary.events.map { "\($0)" } ?? "-",
                LogSummary.bytes(summary.size), summary.ending,
            ])
        }
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        for row in rows {
            let cells = zip(row, widths).enumerated().map { column, cell in
                // Numbers to the right; nothing after the last column.
                column == 3 || column == 4
                    ? String(repeating: " ", count: cell.1 - cell.0.count) + cell.0
                    : column == row.count - 1 ? cell.0 : cell.0.padded(cell.1)
            }
            Console.print(cells.joined(separator: "  "))
        }
        return 0
    }

    private static func json(_ name: String, _ summary: LogSummary) -> JSON {
        var members: [JSON.Member] = [.init("name", .string(name)), .init("path", .string(summary.directory))]
        if let manifest = summary.manifest {
            members.append(.init("program", manifest.program.json))
            members.append(.init("started", JSON(manifest.started)))
        }
        if let events = summary.events { members.append(.init("events", JSON(events))) }
        members.append(.init("size", JSON(summary.size)))
        switch summary.state {
        case .recording: members.append(.init("state", "recording"))
        case .broken(let error):
            members.append(.init("state", "damaged"))
            members.append(.init("error", .string("\(error)")))
        case .readable(let reader):
            members.append(.init("state", .string(reader.isTruncated ? "cut off" : "complete")))
            members.append(.init("ending", reader.ending?.json ?? .null))
        }
        return .object(members)
    }
}
