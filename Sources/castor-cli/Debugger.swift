/// `castor replay -d gdb`: an ordinary gdb session on the replayed process. gdb starts the program through castor's
/// hidden launch command, so every `run` begins the replay again, with a new agent.
import CTSXShim
import CastorLog
import Glibc

enum Debugger {
    /// Becomes the debugger; returns only by throwing.
    static func run(_ name: String, _ plan: ReplayPlan, _ log: LogReader, words: [SystemString]) throws {
        let own = try ownPath()
        let program = (plan.build?.path ?? log.manifest.program).description
        var arguments: [String]
        switch name {
        case "gdb":
            arguments = ["gdb", "-q"]
            for setup in gdbSetup(plan, own, faultSignal(log)) { arguments += ["-ex", setup] }
            arguments += words.map(\.description) + [program]
        default:
            arguments = ["lldb"]
            for setup in lldbSetup { arguments += ["-o", setup] }
            arguments += words.map(\.description) + ["--"] + launchWords(plan, own)
        }
        var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        execvp(name, &pointers)
        throw CommandError.missing("\(name): \(errorText(errno))")
    }

    private static func ownPath() throws -> String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let n = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        guard n > 0 else { throw CommandError.failed("cannot find out where castor itself is") }
        return String(decoding: buffer[..<n].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func launch(_ plan: ReplayPlan, _ own: String) -> String {
        launchWords(plan, own).map(quoted).joined(separator: " ")
    }
    private static func launchWords(_ plan: ReplayPlan, _ own: String) -> [String] {
        var words = [own, "launch", "--order", plan.order]
        if plan.isDamaged { words.append("--damaged") }
        if plan.isForced { words.append("--force") }
        if plan.isQuiet { words.append("--quiet") }
        if let build = plan.build { words += ["--exe", build.path.description] }
        return words + [absolute(plan.directory)]
    }
    private static func absolute(_ path: String) -> String {
        guard let real = realpath(path, nil) else { return path }
        defer { free(real) }
        return String(cString: real)
    }
    /// For the shell through which gdb starts the program.
    private static func quoted(_ word: String) -> String {
        word.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "/._-+".contains($0)) }
            ? word : "'" + word.replacing("'", with: "'\\''") + "'"
    }

    /// The signal of the fault that ended the program and that the runtime saw: the last event of one of the streams. A
    /// trap is not among them: debuggers stop at that by themselves, and live by that signal.
    static func faultSignal(_ log: LogReader) -> Int32? {
        guard case .signalled(let number) = log.ending?.outcome, number != SIGTRAP else { return nil }
        for place in log.index.chunks.indices.suffix(8).reversed() {
            guard let chunk = try? log.chunk(at: place) else { return nil }
            for run in chunk.runs {
                var found = false
                try? chunk.forEach(stream: run.stream) { _, entry, _ in
                    if entry.pointee.kind == CASTOR_EV_FATAL, Int32(entry.pointee.nr) == number { found = true }
                }
                if found { return number }
            }
        }
        return nil
    }

    /// SIGSYS is how system calls that were not rewritten reach the runtime; the program's own timers and waits are
    /// replayed, so gdb need not stop for what the runtime sends itself.
    private static func gdbSetup(_ plan: ReplayPlan, _ own: String, _ fault: Int32?) -> [String] {
        ["set disable-randomization off", "set startup-with-shell on", "set exec-wrapper \(launch(plan, own))"]
            + commonSetup(fault)
    }
    static func commonSetup(_ fault: Int32?) -> [String] {
        let script = GdbScript.text(faultSignal: fault).utf8.map { byte in
            (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined()
        return [
            "set confirm off",
            "set pagination off",
            "handle SIGSYS nostop noprint pass",
            "handle SIG32 SIG33 nostop noprint pass",
            "set print thread-events off",
            "set breakpoint pending on",
            "python exec(bytes.fromhex('\(script)').decode())",
            "set confirm on",
            "set pagination on",
        ]
    }

    /// lldb has no exec-wrapper: its target is castor's launch command, which becomes the program. The session begins
    /// before that, because lldb takes orders about signals only when there is a process; `continue` starts the replay.
    private static let lldbSetup = [
        "settings set target.disable-aslr false",
        "settings set target.process.stop-on-exec false",
        "process launch --stop-at-entry",
        "process handle SIGSYS --pass true --stop false --notify false",
    ]
}

/// `castor launch`: what the debugger starts in the program's place. It prepares the replay and becomes the program.
enum LaunchCommand: Command {
    static let name = "launch"
    static let abstract = "Prepare a replay and become the replayed program (used by castor replay -d)"
    static let usage = "[OPTIONS] LOG [PROGRAM...]"
    static let options: [Option] = [
        .value("order", nil, "ORDER", .choice(["partial", "total"]), "As of castor replay."),
        .flag("damaged", nil, "As of castor replay."),
        .flag("force", nil, "As of castor replay."),
        .flag("quiet", "q", "As of castor replay."),
        .value("exe", nil, "PROGRAM", .text, "As of castor replay."),
    ]
    static let operands = Operands.exactly(1, "LOG", .directory)
    static let rest = Rest.afterOperand
    static let isHidden = true

    static func run(_ arguments: ParsedArguments) throws -> Int32 {
        let installation = try Installation.find()
        let plan = ReplayPlan(
            directory: arguments.operands[0].description, order: arguments.text("order") ?? "partial",
            isDamaged: arguments.flag("damaged"), isForced: arguments.flag("force"), isQuiet: arguments.flag("quiet"),
            build: try arguments.value("exe").map { try ModifiedBuild($0) })
        let log = try plan.open()
        let session = try plan.session(log)
        session.segment.pointee.options |= CASTOR_OPT_DEBUGGER | CASTOR_OPT_PATIENT
        try session.startAgent(installation.agent, plan.agentWords, input: "")
        try plan.enter(log.manifest)
        var manifest = log.manifest
        (manifest.program, manifest.arguments, manifest.environment) = try plan.program(session, manifest)
        try session.becomeProgram(manifest, segmentAt: plan.descriptor(log.manifest))
        return ExitStatus.software
    }
}

/// `castor replay -p`: the recording replays, and gdb is attached to one of its processes at its start.
enum AttachedReplay {
    static func run(
        _ process: String, _ plan: ReplayPlan, _ log: LogReader, _ installation: Installation, words: [SystemString]
    ) throws -> Int32 {
        let stream = try RecordedProcesses(log).stream(of: process)
        let session = try plan.session(log)
        session.segment.pointee.debug_stream = stream
        session.segment.pointee.options |= CASTOR_OPT_PATIENT
        let signals = session.takeSignals()
        try session.startAgent(installation.agent, plan.agentWords, input: "")
        try plan.start(session, log.manifest)
        let replaying = Replaying(session: session, signals: signals, plan: plan, log: log)
        guard try replaying.wait(untilStopped: { castor_load32(castor_segment_debug_pid(session.segment)) != 0 }) else {
            throw CommandError.failed("the replay ended before that process started")
        }
        let status = debug(castor_load32(castor_segment_debug_pid(session.segment)), log, words)
        replaying.end()
        return status
    }

    private static func debug(_ pid: UInt32, _ log: LogReader, _ words: [SystemString]) -> Int32 {
        var arguments = ["gdb", "-q"]
        for setup in Debugger.commonSetup(Debugger.faultSignal(log)) { arguments += ["-iex", setup] }
        arguments += ["-p", "\(pid)", "-ex", "set var *(int *)&castor_debugger_is_here = 1"]
        arguments += words.map(\.description)
        let child = fork_()
        if child == 0 {
            var none = sigset_t()
            sigemptyset(&none)
            sigprocmask(SIG_SETMASK, &none, nil)
            var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
            execvp("gdb", &pointers)
            _exit(127)
        }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        return WaitStatus(status).exitStatus
    }

    /// Swift does not import fork().
    private static func fork_() -> pid_t {
        typealias Function = @convention(c) () -> pid_t
        return unsafeBitCast(dlsym(nil, "fork"), to: Function.self)()
    }
}
