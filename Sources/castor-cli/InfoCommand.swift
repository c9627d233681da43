/// `castor info`: what a recording is.
import CastorLog

enum InfoCommand: Command {
    static let name = "info"
    static let abstract = "Describe a recording"
    static let usage = "[--json] [LOG]"
    static let discussion = """
        Without LOG, the newest recording. The events themselves are not read; 'castor dump' reads and checks \
        them all.

        The exit status is 66 when there is no such recording and 65 when it is damaged.
        """
    static let options: [Option] = [.flag("json", nil, "Print JSON.")]
    static let operands = Operands.upTo(1, "LOG", .directory)

    static func run(_ arguments: ParsedArguments) throws -> Int32 {
        try LogStatus.reporting {
            let directory = try LogStore.standard.resolve(arguments.operands.first)
            let reader = try LogReader(directory: directory, allowTruncated: true)
            let lengths = try Lengths(reader)
            if arguments.flag("json") {
                Console.print(json(directory, reader, lengths).text(indented: true))
            } else {
                Console.write(text(directory, reader, lengths))
            }
            return 0
        }
    }

    /// Sums over all chunks, in bytes.
    private struct Lengths {
        let raw: UInt64
        let stored: UInt64

        init(_ reader: LogReader) throws { (raw, stored) = try reader.lengths() }

        var ratio: Double { stored == 0 ? 1 : Double(raw) / Double(stored) }
    }

    private static func bytesPerEvent(_ reader: LogReader) -> Double {
        reader.events == 0 ? 0 : Double(reader.size) / Double(reader.events)
    }

    private static func text(_ directory: String, _ reader: LogReader, _ lengths: Lengths) -> String {
        let manifest = reader.manifest
        var rows: [(String, String)] = [
            ("Log", directory),
            ("Program", manifest.program.description),
            ("Command", manifest.arguments.map(LogSummary.quoted).joined(separator: " ")),
            ("Directory", manifest.workingDirectory.description),
            ("Started", LogSummary.date(manifest.started)),
            (
                "Ending",
                LogReader.isBeingWritten(directory: directory) ? "recording" : LogSummary.ending(of: reader)
            ),
            ("Recorder", "castor \(manifest.castorVersion), log format \(manifest.formatVersion)"),
            (
                "Machine",
                [manifest.cpuModel, "Linux \(manifest.kernelRelease)", "glibc \(manifest.glibcVersion)"]
                    .filter { !$0.isEmpty }.joined(separator: ", ")
            ),
            ("Objects", "\(manifest.objects.count)"),
            ("Events", "\(reader.events) in \(reader.totals.count { $0 > 0 }) streams"),
            (
                "Size",
                "\(LogSummary.bytes(reader.size)) in \(reader.index.chunks.count) chunks, "
                    + "\(LogSummary.decimal(bytesPerEvent(reader), 2)) bytes per event, "
                    + "compressed \(LogSummary.decimal(lengths.ratio, 2)):1"
            ),
        ]
        for option in manifest.options.sorted(by: { $0.key < $1.key }) {
            rows.append(("Option", "\(option.key)=\(option.value)"))
        }
        for call in reader.ending?.unsupported ?? [] {
            rows.append(("Unsupported", "\(call.name), \(call.count) times"))
        }
        for (stream, events) in reader.totals.enumerated() where events > 0 {
            rows.append(("Stream \(stream)", "\(events) events"))
        }
        return rows.map { "\($0.0.padded(12)) \($0.1)\n" }.joined()
    }

    private static func json(_ directory: String, _ reader: LogReader, _ lengths: Lengths) -> JSON {
        .object([
            .init("path", .string(directory)),
            .init("manifest", reader.manifest.json),
            .init("ending", reader.ending?.json ?? .null),
            .init("isTruncated", .bool(reader.isTruncated)),
            .init("isBeingRecorded", .bool(LogReader.isBeingWritten(directory: directory))),
            .init("events", JSON(reader.events)),
            .init("streams", .array(reader.totals.map { JSON($0) })),
            .init("chunks", JSON(reader.index.chunks.count)),
            .init("size", JSON(reader.size)),
            .init("codedBytes", JSON(lengths.raw)),
            .init("storedBytes", JSON(lengths.stored)),
            .init("bytesPerEvent", .number(bytesPerEvent(reader))),
            .init("compressionRatio", .number(lengths.ratio)),
        ])
    }
}
