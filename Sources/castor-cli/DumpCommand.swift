/// `castor dump`: the events of a recording.
import CTSXShim
import CastorLog

enum DumpCommand: Command {
    static let name = "dump"
    static let abstract = "Print the events of a recording"
    static let usage = "[--thread N] [--from EVENT] [--to EVENT] [--json] [LOG]"
    static let discussion = """
        Without LOG, the newest recording. A line shows the thread and the event's number in it, the time since the \
        start, what happened, the event's place in the order of its object (shard.version) and the length of its \
        payload.

        Threads are placed beside each other by time, which is a hint, within what the recorder wrote at once; \
        shard.version is the order that replay keeps.

        The exit status is 66 when there is no such recording and 65 when it is damaged or cut off; what can be \
        read is printed all the same.
        """
    static let options: [Option] = [
        .value("thread", nil, "N", .number, "Only the thread with this number (0 is the first)."),
        .value("from", nil, "EVENT", .number, "Start with this event."),
        .value("to", nil, "EVENT", .number, "Stop after this event."),
        .flag("json", nil, "Print one JSON object a line."),
    ]
    static let operands = Operands.upTo(1, "LOG", .directory)

    /// Where the recorder puts the frequency of the time stamps, in Hz.
    private static let frequencyOption = "tscHz"

    static func run(_ arguments: ParsedArguments) throws -> Int32 {
        let from = arguments.number("from") ?? 0
        let to = arguments.number("to") ?? .max
        guard from <= to else { throw CommandError.usage("--from is behind --to") }
        return try LogStatus.reporting {
            let directory = try LogStore.standard.resolve(arguments.operands.first)
            let reader = try LogReader(directory: directory, allowTruncated: true)
            let thread = arguments.number("thread")
            if let thread, thread >= reader.totals.count || reader.totals[Int(thread)] == 0 {
                throw CommandError.failed("the recording has no thread \(thread)")
            }
            var dump = Dump(reader: reader, isJSON: arguments.flag("json"), frequency: frequency(reader))
            defer { dump.flush() }
            for number in reader.index.chunks.indices {
                let streams = reader.index.chunks[number].ranges.filter { range in
                    (thread == nil || thread == UInt64(range.stream)) && range.firstEvent <= to
                        && range.firstEvent + UInt64(range.events) > from
                }.map(\.stream)
                if !streams.isEmpty { try dump.chunk(reader.chunk(at: number), streams, from...to) }
            }
            if reader.isTruncated {
                dump.flush()
                throw LogError.truncated(eventsReadable: reader.events)
            }
            return 0
        }
    }

    private static func frequency(_ reader: LogReader) -> Double? {
        reader.manifest.options[frequencyOption].flatMap { Double($0) }.flatMap { $0 > 0 ? $0 : nil }
    }
}

/// Prints chunk after chunk, the streams of each merged by time.
private struct Dump {
    let isJSON: Bool
    let frequency: Double?
    private let start: UInt64
    private var output = ""

    init(reader: LogReader, isJSON: Bool, frequency: Double?) {
        self.isJSON = isJSON
        self.frequency = frequency
        start = reader.index.chunks.lazy.map(\.minStamp).filter { $0 != 0 }.min() ?? 0
    }

    /// A stream's next event. Its time is that of the last stamp.
    private struct Head {
        let stream: UInt32
        let decoder: EventDecoder
        var index: UInt64 = 0
        var entry = castor_entry()
        var payload = UnsafeRawBufferPointer(start: nil, count: 0)
        var time: UInt64 = 0

        init(stream: UInt32, decoder: EventDecoder) {
            self.stream = stream
            self.decoder = decoder
        }

        /// Returns false at the end.
        mutating func advance(_ range: ClosedRange<UInt64>) throws -> Bool {
            while true {
                index = decoder.index
                guard index <= range.upperBound, let payload = try decoder.next(&entry) else { return false }
                self.payload = payload
                if entry.stamp != 0 { time = entry.stamp }
                if index >= range.lowerBound { return true }
            }
        }
    }

    mutating func chunk(_ chunk: Chunk, _ streams: [UInt32], _ range: ClosedRange<UInt64>) throws {
        var heads: [Head] = []
        for stream in streams {
            guard let decoder = chunk.decoder(stream: stream) else { continue }
            var head = Head(stream: stream, decoder: decoder)
            if try head.advance(range) { heads.append(head) }
        }
        while let first = heads.indices.min(by: { heads[$0].time < heads[$1].time }) {
            print(heads[first])
            if try !heads[first].advance(range) { heads.remove(at: first) }
        }
    }

    private mutating func print(_ head: Head) {
        let event = EventText(entry: head.entry, payload: head.payload)
        if isJSON {
            output += event.json(stream: head.stream, index: head.index).text()
        } else {
            output +=
                "\(head.stream):\(head.index)".padded(10) + " " + time(head.entry.stamp).padded(13) + " " + event.text
            if let place = event.place { output += "  \(place)" }
            if head.entry.payload > 0 { output += "  \(head.entry.payload) bytes" }
        }
        output += "\n"
        if output.utf8.count > 1 << 16 { flush() }
    }

    /// Seconds since the first stamp; ticks when their frequency is not known; `-` without a stamp.
    private func time(_ stamp: UInt64) -> String {
        guard stamp != 0 else { return "-" }
        let ticks = stamp &- start
        guard let frequency else { return "+\(ticks)" }
        return LogSummary.decimal(Double(ticks) / frequency, 9)
    }

    mutating func flush() {
        Console.write(output)
        output = ""
    }
}
