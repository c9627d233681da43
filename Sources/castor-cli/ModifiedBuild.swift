/// `--exe PROGRAM`: another build of the recorded program, to be replayed in its place.
import CTSXShim
import CastorCheck
import CastorLog
import Glibc

struct ModifiedBuild {
    let path: SystemString
    let sanitizer: SanitizerBuild
    /// The library of the sanitizer's runtime.
    private let library: String?
    /// Options for the sanitizer, beside those of every replay.
    var options: [String] = []

    /// Refuses what cannot take the place of a recorded program, with the reason.
    init(_ operand: SystemString) throws {
        let text = operand.description
        guard let real = realpath(text, nil) else { throw CommandError.missing("\(text): \(errorText(errno))") }
        defer { free(real) }
        path = SystemString(cString: real)
        guard let image = ELFImage(path: path.description), image.interpreter != nil else {
            throw CommandError.refused("\(text): not a dynamically linked program")
        }
        sanitizer = SanitizerBuild(image)
        if sanitizer.kind == .memory {
            throw CommandError.refused(
                "\(text): MemorySanitizer builds cannot replay: what comes from the log looks uninitialised to it")
        }
        if let name = sanitizer.library {
            library = ["/usr/lib/x86_64-linux-gnu", "/lib/x86_64-linux-gnu", "/usr/lib64"].map { "\($0)/\(name)" }
                .first { access($0, R_OK) == 0 }
            if library == nil {
                throw CommandError.missing("\(text): the sanitizer's library \(name) is missing")
            }
        } else {
            library = nil
            if sanitizer.kind != nil, sanitizer.code.isEmpty {
                throw CommandError.refused(
                    "\(text): a stripped \(sanitizer.kind!.rawValue) build: its runtime cannot be told from the program",
                    advice: "Keep the symbols (no -s, no strip).")
            }
        }
    }

    /// What the log asks of the build.
    func check(_ log: LogReader) throws {
        if !log.manifest.interpreter.isEmpty {
            throw CommandError.usage("--exe: the recorded program is a script")
        }
        let recorded = ELFImage(path: log.manifest.program.description)
        if sanitizer.kind == .thread, let recorded, SanitizerBuild(recorded).isInstrumented {
            throw CommandError.refused(
                "\(path): castor cc compiled the recorded program, and a ThreadSanitizer build tells castor of no atomics"
            )
        }
    }

    func prepare(_ session: Session, _ log: LogReader) {
        session.segment.pointee.options |= CASTOR_OPT_LENIENT
        if sanitizer.kind != nil { session.segment.pointee.options |= CASTOR_OPT_SANITIZED }
        let lenient = castor_segment_lenient(session.segment)
        lenient.pointee.sanitizer_start = sanitizer.code.lowerBound
        lenient.pointee.sanitizer_end = sanitizer.code.upperBound
        lenient.pointee.entry = sanitizer.entry
        lenient.pointee.finds_races = sanitizer.kind == .thread ? 1 : 0
        let streams = RecordedStreams(log)
        lenient.pointee.streams = (streams.output, streams.errors)
    }

    /// The recorded environment, but for the sanitizer's library and options. The runtime takes both out again.
    func environment(_ recorded: [SystemString], _ session: Session) -> [SystemString] {
        guard let kind = sanitizer.kind else { return recorded }
        var result: [SystemString] = []
        for variable in recorded where !variable.description.hasPrefix(kind.variable + "=") {
            let text = variable.description
            if let library, text.hasPrefix("LD_PRELOAD=") {
                result.append(SystemString("LD_PRELOAD=\(library):\(text.dropFirst(11))"))
            } else {
                result.append(variable)
            }
        }
        // Neither may look at the clock or start another program in the midst of this one; its threads are the recorded ones
        // only up to the first report; leaks are nothing of a replay's.
        mkdir(session.scratch, 0o700)
        mkdir("\(session.scratch)/report", 0o700)
        let always = [
            "color=never", "symbolize=0", "allocator_release_to_os_interval_ms=-1", "halt_on_error=1",
            SanitizerReport.format, "log_path='\(session.scratch)/report/of'",
            kind == .thread ? "atexit_sleep_ms=0" : "detect_leaks=0:print_legend=0",
        ]
        let users = getenv(kind.variable).map { [String(cString: $0)] } ?? []
        let all = (users + options + always).joined(separator: ":")
        return result + [SystemString("\(kind.variable)=\(all)")]
    }

    /// What the sanitizer has written about this replay, with the names of functions.
    func report(_ session: Session) -> (isRace: Bool, text: String)? {
        let directory = "\(session.scratch)/report"
        guard sanitizer.kind != nil, let list = opendir(directory) else { return nil }
        defer { closedir(list) }
        while let entry = readdir(list) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard name.hasPrefix("of"), let text = SystemFile.text("\(directory)/\(name)"),
                let report = SanitizerReport(text)
            else { continue }
            return (report.isRace, report.text(AddressNames.of(report.places)))
        }
        return nil
    }
}

/// Where the recorded program had the C library's standard output and error streams; 0 when that is not known.
struct RecordedStreams {
    private(set) var output: UInt64 = 0
    private(set) var errors: UInt64 = 0

    init(_ log: LogReader) {
        var maps = ""
        guard let place = log.chunks(stream: 0, events: 0..<1).first else { return }
        try? log.chunk(at: place).forEach(stream: 0) { index, _, payload in
            if index == 0 { maps = String(decoding: ImageDescription(Array(payload))?.maps ?? [], as: UTF8.self) }
        }
        for line in maps.split(separator: "\n") where line.hasSuffix("/libc.so.6") {
            let words = line.split(separator: " ")
            guard words.count > 5, words[2] == "00000000", let base = UInt64(words[0].prefix { $0 != "-" }, radix: 16),
                let image = ELFImage(path: String(words[5]))
            else { continue }
            output = image.dynamicSymbol("_IO_2_1_stdout_").map { base + $0 } ?? 0
            errors = image.dynamicSymbol("_IO_2_1_stderr_").map { base + $0 } ?? 0
            return
        }
    }
}
