/// The report of a replay that left its recording: where, what was expected, what came, and what it probably means.
import CTSXShim
import CastorLog
import Glibc

struct Divergence {
    let session: Session
    let log: LogReader
    let directory: String

    private var report: UnsafeMutablePointer<castor_report> { castor_segment_report(session.segment) }
    /// What is replayed in place of the recorded program.
    var build: ModifiedBuild?

    func print() {
        var r = report.pointee
        if build != nil {
            var numbers = FollowedNumbers(log)
            r.event = (try? numbers.number(after: r.event, stream: r.stream)) ?? r.event
        }
        let kind =
            switch r.kind {
            case CASTOR_DIVERGENCE_EVENT: "event divergence"
            case CASTOR_DIVERGENCE_ARGUMENT: "argument divergence"
            case CASTOR_DIVERGENCE_DEADLOCK: "deadlock divergence"
            case CASTOR_DIVERGENCE_BINARY: "missing or different binary"
            default: "divergence"
            }
        let text = withUnsafeBytes(of: r.text) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        line("divergence: \(kind) in thread \(r.stream) at event \(r.event)\(text.isEmpty ? "" : " (\(text))")")
        line("  expected: \(EventText.describe(r.expected))")
        if r.kind != CASTOR_DIVERGENCE_DEADLOCK {
            line("  actual:   \(attempted(r.actual))\(arguments(r))")
        } else {
            line("  actual:   no thread can go on")
            waitingThreads()
        }
        lastEvents("thread \(r.stream)", stream: r.stream, before: r.event)
        lastOfObject(r)
        backtrace(r)
        line("  probably: \(meaning(r))")
        if let hint = raceHint(r) { line("  \(hint)") }
        line(
            "  look at the log with: castor dump \(directory) --thread \(r.stream) --from \(r.event >= 10 ? r.event - 10 : 0) --to \(r.event + 1)"
        )
    }

    private func line(_ text: String) {
        Console.write((text.hasPrefix(" ") ? "" : "castor: ") + text + "\n", to: STDERR_FILENO)
    }

    /// A call that was not made has no result.
    private func attempted(_ entry: castor_entry) -> String {
        let text = EventText.describe(entry)
        return entry.result == 0 && text.hasSuffix(" = 0") ? String(text.dropLast(4)) : text
    }

    private func arguments(_ r: castor_report) -> String {
        guard r.actual.kind == CASTOR_EV_SYSCALL else { return "" }
        let row = castor_syscall_row_at(UInt64(r.actual.nr))
        let values = withUnsafeBytes(of: r.arguments) {
            $0.bindMemory(to: UInt64.self).prefix(Int(row.pointee.count)).map { $0 }
        }
        return "  arguments: "
            + values.map { $0 < 4096 ? "\($0)" : "0x" + String($0, radix: 16) }.joined(separator: ", ")
    }

    /// The last events of the thread, from the log.
    private func lastEvents(_ title: String, stream: UInt32, before event: UInt64) {
        let from = event >= 5 ? event - 5 : 0
        guard event > 0 else { return }
        line("  last events of \(title):")
        for number in log.chunks(stream: stream, events: from..<event) {
            try? log.chunk(at: number).forEach(stream: stream) { index, entry, _ in
                if index >= from, index < event { line("    \(index)  \(EventText.describe(entry.pointee))") }
            }
        }
    }

    /// The last events that others had on the same object.
    private func lastOfObject(_ r: castor_report) {
        guard r.expected.shard != CASTOR_NO_SHARD, r.expected.version > 0 else { return }
        var found: [(UInt32, UInt64, castor_entry)] = []
        let from = r.expected.version >= 5 ? r.expected.version - 5 : 0
        for number in 0..<log.index.chunks.count {
            guard let chunk = try? log.chunk(at: number) else { continue }
            for run in chunk.runs {
                try? chunk.forEach(stream: run.stream) { index, entry, _ in
                    let e = entry.pointee
                    if e.shard == r.expected.shard, e.version >= from, e.version < r.expected.version {
                        found.append((run.stream, index, e))
                    }
                }
            }
        }
        if found.isEmpty { return }
        line("  last events of the object (shard \(r.expected.shard)):")
        for (stream, index, e) in found.sorted(by: { $0.2.version < $1.2.version }) {
            line("    thread \(stream) event \(index), version \(e.version)  \(EventText.describe(e))")
        }
    }

    private func waitingThreads() {
        for i in 0..<min(castor_load32(castor_segment_rings_used(session.segment)), session.segment.pointee.ring_count)
        {
            let ring = castor_ring_at(session.segment, i)
            guard castor_load32(castor_ring_state(ring)) == CASTOR_RING_LIVE else { continue }
            let what =
                switch ring.pointee.waiting {
                case CASTOR_WAIT_TURN:
                    "waits at event \(ring.pointee.events) for version \(ring.pointee.wait_version) of shard \(ring.pointee.wait_shard)"
                case CASTOR_WAIT_REAL: "is blocked in a lock whose turn it had, before event \(ring.pointee.events)"
                case CASTOR_PARKED: "is at the end of its stream"
                case CASTOR_RUNNING: "has computed since event \(ring.pointee.events), far longer than in the recording"
                default: "waits"
                }
            line("    thread \(ring.pointee.stream) \(what)")
        }
    }

    /// gdb, where it is installed, says where the thread stands.
    private func backtrace(_ r: castor_report) {
        guard r.pid != 0, access("/usr/bin/gdb", X_OK) == 0, r.kind != CASTOR_DIVERGENCE_BINARY else { return }
        let command =
            "gdb -nx -batch -p \(r.pid) -ex 'set print thread-events off' "
            + "-ex 'thread apply all bt 24' 2>/dev/null"
        guard let pipe = popen(command, "r") else { return }
        var text = ""
        var buffer = [CChar](repeating: 0, count: 4096)
        while fgets(&buffer, Int32(buffer.count), pipe) != nil { text += String(cString: buffer) }
        pclose(pipe)
        var isOurs = false
        var lines: [String] = []
        for row in text.split(separator: "\n") {
            if row.hasPrefix("Thread ") { isOurs = row.contains("LWP \(r.tid))") || row.contains("LWP \(r.tid) ") }
            if isOurs, row.hasPrefix("#"), !row.contains("libCastorRuntime.so"), !row.contains("castor_") {
                lines.append(String(row))
            }
        }
        if lines.isEmpty { return }
        line("  backtrace of thread \(r.stream):")
        for row in lines { line("    " + row) }
    }

    /// Where the cause may be a data race there is a way to find it.
    private func raceHint(_ r: castor_report) -> String? {
        if r.kind == CASTOR_DIVERGENCE_BINARY || build != nil || isOfFiles(r) { return nil }
        return
            "a data race is found with: castor race --exe PROGRAM \(directory)   (PROGRAM built with -fsanitize=thread)"
    }

    /// A standby made a call again, and the kernel gave it another answer (Standby.swift).
    private func isOfFiles(_ r: castor_report) -> Bool {
        var r = r
        return withUnsafeMutablePointer(to: &r) { String(cString: castor_report_text($0)) } == "result on the standby"
    }

    private func meaning(_ r: castor_report) -> String {
        if isOfFiles(r) {
            return
                "the files of this machine are not what those of the primary were when the program began there (are they the same files? each machine needs its own)"
        }
        if build != nil, r.kind != CASTOR_DIVERGENCE_BINARY {
            return
                "this build makes other calls here than the recorded one; or else something that castor does not see decided: a data race, an atomic or volatile variable"
        }
        return switch r.kind {
        case CASTOR_DIVERGENCE_EVENT:
            "something that castor does not see decided which call came next: a data race, an atomic or volatile variable, or an instruction such as RDTSC or RDRAND"
        case CASTOR_DIVERGENCE_ARGUMENT:
            "a value was computed from something that castor does not see: a data race, uninitialised memory, or an instruction such as RDTSC or RDRAND"
        case CASTOR_DIVERGENCE_DEADLOCK:
            "threads synchronise in a way that castor does not see (a spin on a plain or atomic variable), against the recorded order of their locks"
        default: "the files that the recording ran are not the ones that are here now"
        }
    }
}

extension EventText {
    static func describe(_ entry: castor_entry) -> String {
        EventText(entry: entry, payload: UnsafeRawBufferPointer(start: nil, count: 0)).text
    }
}
