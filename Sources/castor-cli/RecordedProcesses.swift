/// The processes of a recording, from the first and the last event of each stream.
import CTSXShim
import CastorLog

/// One process. A program that it executed later has a stream of its own, with the same process id.
struct RecordedProcess {
    let pid: UInt32
    let parent: UInt32?
    /// Streams that start a program in it, oldest first; empty when it only went on with its parent's.
    var programs: [(stream: UInt32, command: [String])] = []
    /// The first stream.
    let stream: UInt32
    /// The command of the parent, when it executed none.
    var inherited: [String] = []
    var threads = 0
    var events: UInt64 = 0
    var ending: Ending.Outcome = .unknown
    var children: [Int] = []

    var command: [String] { programs.last?.command ?? inherited }
}

struct RecordedProcesses {
    private(set) var all: [RecordedProcess] = []
    private var placeByStream: [UInt32: Int] = [:]

    init(_ log: LogReader) throws {
        for stream in log.totals.indices.map(UInt32.init) where log.totals[Int(stream)] > 0 {
            try add(stream, log)
        }
        for stream in placeByStream.keys.sorted() { try noteEnding(stream, log) }
        if let ending = log.ending, !all.isEmpty { all[0].ending = ending.outcome }
        if all.contains(where: { $0.ending == .unknown }) { try askParents(log) }
    }

    /// The stream at whose start a debugger stops: the program that a process ran last, by its id; the newest program of a
    /// name.
    func stream(of text: String) throws -> UInt32 {
        if let pid = UInt32(text) {
            guard let process = all.first(where: { $0.pid == pid }) else {
                throw CommandError.failed("the recording has no process \(pid)", advice: "'castor ps' lists them.")
            }
            return process.programs.last?.stream ?? process.stream
        }
        for process in all {
            for program in process.programs.reversed() where matches(program.command, text) { return program.stream }
            if process.programs.isEmpty, matches(process.inherited, text), process.parent != nil {
                return process.stream
            }
        }
        throw CommandError.failed("the recording has no process '\(text)'", advice: "'castor ps' lists them.")
    }

    private func matches(_ command: [String], _ text: String) -> Bool {
        guard let first = command.first else { return false }
        return first == text || first.hasSuffix("/" + text)
    }

    // MARK: - Reading

    private mutating func add(_ stream: UInt32, _ log: LogReader) throws {
        guard let (entry, payload) = try event(0, of: stream, log), entry.kind == CASTOR_EV_THREAD_START else { return }
        let pid = UInt32(truncatingIfNeeded: entry.hash)
        let parentStream = UInt32(truncatingIfNeeded: entry.value)
        let parent = placeByStream[parentStream]
        let command = ImageDescription(payload).map { $0.arguments.map { String(decoding: $0, as: UTF8.self) } }
        if let parent, all[parent].pid == pid {
            if let command { all[parent].programs.append((stream, command)) } else { all[parent].threads += 1 }
            placeByStream[stream] = parent
        } else {
            var process = RecordedProcess(
                pid: pid, parent: parent.map { all[$0].pid }, stream: stream,
                inherited: parent.map { all[$0].command } ?? [], threads: 1)
            if let command { process.programs.append((stream, command)) }
            if let parent { all[parent].children.append(all.count) }
            placeByStream[stream] = all.count
            all.append(process)
        }
        all[placeByStream[stream]!].events += log.totals[Int(stream)]
    }

    private mutating func noteEnding(_ stream: UInt32, _ log: LogReader) throws {
        guard let (entry, _) = try event(log.totals[Int(stream)] - 1, of: stream, log) else { return }
        if entry.kind == CASTOR_EV_FATAL { all[placeByStream[stream]!].ending = .signalled(signal: Int32(entry.nr)) }
        if entry.kind == CASTOR_EV_SYSCALL, entry.nr == 231 {  // exit_group
            all[placeByStream[stream]!].ending = .exited(code: Int32(entry.object & 0xff))
        }
    }

    /// Who was killed says nothing; who waited for it was told.
    private mutating func askParents(_ log: LogReader) throws {
        for number in log.index.chunks.indices {
            let chunk = try log.chunk(at: number)
            for run in chunk.runs {
                try chunk.forEach(stream: run.stream) { _, entry, payload in
                    guard entry.pointee.kind == CASTOR_EV_SYSCALL, entry.pointee.nr == 61, entry.pointee.result > 0,
                        payload.count >= 4,
                        let place = all.lastIndex(where: { Int64($0.pid) == entry.pointee.result }),
                        all[place].ending == .unknown
                    else { return }
                    switch WaitStatus(payload.loadUnaligned(as: Int32.self)) {
                    case .exited(let code): all[place].ending = .exited(code: code)
                    case .signalled(let number): all[place].ending = .signalled(signal: number)
                    }
                }
            }
        }
    }

    private func event(_ number: UInt64, of stream: UInt32, _ log: LogReader) throws -> (castor_entry, [UInt8])? {
        guard let place = log.chunks(stream: stream, events: number..<number + 1).first else { return nil }
        var found: (castor_entry, [UInt8])?
        try log.chunk(at: place).forEach(stream: stream) { index, entry, payload in
            if index == number { found = (entry.pointee, Array(payload)) }
        }
        return found
    }
}
