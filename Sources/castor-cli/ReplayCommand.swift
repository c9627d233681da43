/// `castor replay`: runs a recorded program again from its log.
import CTSXShim
import CastorLog
import Glibc

enum ReplayCommand: Command {
    static let name = "replay"
    static let abstract = "Run a recorded program again, exactly"
    static let usage = "[OPTIONS] [LOG] [-- DEBUGGER-ARGS...]"
    static let discussion = """
        Without LOG, the newest recording. Nothing but the log and the program's own files is needed: what it \
        read comes from the log, what it writes to its standard output and error is shown and compared.

        The exit status is the recorded one; 70 if the program left the recording (castor reports where and how), \
        65 for a damaged log, 66 for a missing one, 69 for a program or library that is missing or has changed.

         castor replay
         castor replay -d gdb -- -ex 'break main'
         castor replay -p worker
         castor replay --exe ./server-asan
        """
    static let options: [Option] = [
        .value(
            "order", nil, "ORDER", .choice(["partial", "total"]),
            "partial: threads wait for each other only where they met (the default). total: events start one by one."),
        .value("debugger", "d", "DEBUGGER", .choice(["gdb", "lldb"]), "Replay under a debugger."),
        .value(
            "process", "p", "PID|NAME", .text,
            "Debug this process of the recording from its start ('castor ps' lists them); the others replay beside it."),
        .value(
            "exe", nil, "PROGRAM", .text,
            "Replay another build of the program: with printf() added, at another optimization level, with a sanitizer."
        ),
        .flag("damaged", nil, "Replay a log that was cut off, up to its last whole chunk."),
        .flag("force", nil, "Replay although the program or a library is no longer the recorded one."),
        .flag("quiet", "q", "Say nothing but errors."),
    ]
    static let operands = Operands.upTo(1, "LOG", .directory)
    static let rest = Rest.afterDashes

    static func run(_ arguments: ParsedArguments) throws -> Int32 {
        let installation = try Installation.find()
        let directory = try ReplayPlan.find(arguments.operands.first)
        let plan = ReplayPlan(
            directory: directory, order: arguments.text("order") ?? "partial", isDamaged: arguments.flag("damaged"),
            isForced: arguments.flag("force"), isQuiet: arguments.flag("quiet"),
            build: try arguments.value("exe").map { try ModifiedBuild($0) })
        let log = try plan.open()
        if plan.isDamaged, log.events == 0 {
            if !plan.isQuiet { Console.report("\(directory): no events were written before the log was cut off") }
            return 0
        }
        try plan.checkObjects(log.manifest)
        if let process = arguments.text("process") {
            if arguments.text("debugger") == "lldb" {
                throw CommandError.usage("--process attaches gdb; --debugger lldb cannot be used with it")
            }
            return try AttachedReplay.run(process, plan, log, installation, words: arguments.rest)
        }
        if let debugger = arguments.text("debugger") {
            try Debugger.run(debugger, plan, log, words: arguments.rest)
        }
        let session = try plan.session(log)
        let signals = session.takeSignals()
        try session.startAgent(installation.agent, plan.agentWords, input: "")
        try plan.start(session, log.manifest)
        return try Replaying(session: session, signals: signals, plan: plan, log: log).wait()
    }
}

/// What is to be replayed and how; the same with and without a debugger.
struct ReplayPlan {
    let directory: String
    let order: String
    let isDamaged: Bool
    let isForced: Bool
    let isQuiet: Bool
    /// What is replayed in place of the recorded program.
    var build: ModifiedBuild?

    var agentWords: [String] { ["replay", directory, order] + (isDamaged ? ["damaged"] : []) }

    static func find(_ operand: SystemString?) throws -> String {
        do {
            return try LogStore.standard.resolve(operand)
        } catch LogError.missing(let path) {
            throw CommandError.missingLog("\(path): no log there")
        }
    }

    func open() throws -> LogReader {
        do {
            let log = try LogReader(directory: directory, allowTruncated: isDamaged)
            if let ending = log.ending, ending.tail != .complete, !isDamaged {
                throw CommandError.damaged(
                    "\(directory): the log stops before its program did (\(ending.tail.rawValue))",
                    advice: "'castor replay --damaged' replays what there is.")
            }
            return log
        } catch let error as LogError {
            switch error {
            case .missing: throw CommandError.missingLog("\(error)")
            case .truncated:
                throw CommandError.damaged("\(directory): \(error)", advice: "'castor replay --damaged' replays those.")
            default: throw CommandError.damaged("\(error)")
            }
        }
    }

    /// Replay needs the very files that ran.
    func checkObjects(_ manifest: Manifest) throws {
        if manifest.objects.isEmpty {
            throw CommandError.damaged("\(directory): the program ended before it was recorded")
        }
        let replaced = build == nil ? nil : realpath(manifest.program.description, nil).map { String(cString: $0) }
        for object in manifest.objects {
            let path = object.path.description
            if build != nil, path == replaced || path == manifest.program.description { continue }
            guard let now = ObjectFile.buildID(path: path) else {
                throw CommandError.missing(
                    "\(path): missing; the recorded program used it (build-id \(object.buildID))")
            }
            if now != object.buildID, !isForced {
                throw CommandError.refused(
                    "\(path) has changed since the recording: its build-id is \(now), not \(object.buildID)",
                    advice: "'castor replay --force' replays all the same; it diverges where the change matters.")
            }
        }
    }

    /// The segment of a replay, with what the log says about the whole run.
    func session(_ log: LogReader) throws -> Session {
        try build?.check(log)
        let session = try Session(mode: CASTOR_MODE_REPLAY, shares: build?.sanitizer.kind == nil)
        try prepare(session, log)
        build?.prepare(session, log)
        return session
    }

    private func prepare(_ session: Session, _ log: LogReader) throws {
        guard log.events > 0 else {
            throw CommandError.damaged("\(directory): the program ended before it was recorded")
        }
        switch log.ending?.outcome {
        case .exited(let code): session.segment.pointee.final_code = UInt32(code)
        case .signalled(let number): session.segment.pointee.final_signal = UInt32(number)
        default: break
        }
        if isQuiet { session.segment.pointee.options |= CASTOR_OPT_QUIET }
        if log.manifest.options["rewrite"] == "no" { session.segment.pointee.options |= CASTOR_OPT_NO_REWRITE }
    }

    func descriptor(_ manifest: Manifest) -> Int32 {
        let prefix = CASTOR_ENV + "="
        let text = manifest.environment.map(\.description).first { $0.hasPrefix(prefix) }
        return text.flatMap { Int32($0.dropFirst(prefix.count)) } ?? Int32(CASTOR_SEGMENT_FD)
    }

    func start(_ session: Session, _ manifest: Manifest) throws {
        try enter(manifest)
        let program = try program(session, manifest)
        try session.startProgram(
            program.path, program.arguments, environment: program.environment, segmentAt: descriptor(manifest))
    }

    /// What is executed, and how.
    func program(_ session: Session, _ manifest: Manifest) throws -> (
        path: SystemString, arguments: [SystemString], environment: [SystemString]
    ) {
        if let build { return (build.path, manifest.arguments, build.environment(manifest.environment, session)) }
        let (path, arguments) = try ReplayPlan.command(session, manifest)
        return (path, arguments, manifest.environment)
    }

    /// What is executed. A script need not be there any more: its interpreter runs under a name as long as the script's was,
    /// for the name lies on the stack, and everything below it has to be where it was.
    private static func command(_ session: Session, _ manifest: Manifest) throws -> (SystemString, [SystemString]) {
        guard let binary = manifest.interpreter.first else { return (manifest.program, manifest.arguments) }
        let directory = session.scratch + "/main"
        let length = manifest.program.bytes.count
        let name = SystemString(
            bytes: (0..<length).map { i in
                i < (length - 1) / 255 * 2 ? UInt8(ascii: i % 2 == 0 ? "." : "/") : UInt8(ascii: "x")
            })
        mkdir(session.scratch, 0o700)
        mkdir(directory, 0o700)
        guard chdir(directory) == 0, symlink(binary.description, name.description) == 0 else {
            throw CommandError.failed("cannot make a link in \(directory): \(errorText(errno))")
        }
        let words = manifest.interpreter.dropFirst() + [manifest.program] + manifest.arguments.dropFirst()
        return (name, Array(words))
    }

    /// Working directory and stack limit, which decide where the kernel puts things.
    func enter(_ manifest: Manifest) throws {
        _ = withUnsafePointer(to: manifest.workingDirectory.description) { chdir($0.pointee) }
        var stack = manifest.resourceLimits.stack
        // ThreadSanitizer starts the program once more when there is no limit, which would end the replay.
        if build != nil, stack.soft == UInt64.max { stack.soft = 64 << 20 }
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_STACK.rawValue), &limit)
        if UInt64(limit.rlim_cur) != stack.soft {
            limit.rlim_cur = rlim_t(stack.soft)
            if setrlimit(__rlimit_resource_t(RLIMIT_STACK.rawValue), &limit) != 0 {
                throw CommandError.failed(
                    "cannot set the recorded stack limit of \(stack.soft) bytes: \(errorText(errno))")
            }
        }
        var files = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files)
        if UInt64(files.rlim_cur) <= UInt64(descriptor(manifest)) {
            files.rlim_cur = min(files.rlim_max, rlim_t(descriptor(manifest)) + 1)
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files)
        }
    }
}

/// A replay that runs without a debugger.
final class Replaying {
    private let session: Session
    private let signals: Int32
    private let plan: ReplayPlan
    private let log: LogReader
    private var failure: String?
    private var hasDiverged = false
    /// The log was cut off, and every thread is where it stops or waits for one that is.
    private var isCut = false
    private var status: WaitStatus?
    private var seen: UInt64 = 0
    private var quiet = 0
    /// What a sanitizer has found.
    private(set) var report: (isRace: Bool, text: String)?
    var printsReport = true

    init(session: Session, signals: Int32, plan: ReplayPlan, log: LogReader) {
        self.session = session
        self.signals = signals
        self.plan = plan
        self.log = log
    }

    /// Goes on until the condition holds; false when the replay ended before.
    func wait(untilStopped isStopped: () -> Bool) throws -> Bool {
        while status == nil || othersGoOn(), !hasDiverged, !isCut, failure == nil {
            if isStopped() { return true }
            usleep(10_000)
            takeMessages()
            reap()
        }
        _ = try wait()
        return false
    }

    func wait() throws -> Int32 {
        let progress = Progress(total: log.events, isQuiet: plan.isQuiet)
        while status == nil || othersGoOn(), !hasDiverged, !isCut, failure == nil {
            var polls = [
                pollfd(fd: signals, events: Int16(POLLIN), revents: 0),
                pollfd(fd: session.control, events: Int16(POLLIN), revents: 0),
            ]
            poll(&polls, 2, status == nil ? 500 : 100)
            takeSignals()
            takeMessages()
            reap()
            progress.show(consumed())
        }
        progress.clear()
        report = plan.build?.report(session)
        if printsReport, let report { Console.write(report.text, to: STDERR_FILENO) }
        if hasDiverged || castor_load32(castor_report_kind(castor_segment_report(session.segment))) != 0 {
            Divergence(session: session, log: log, directory: plan.directory, build: plan.build).print()
            end()
            return castor_segment_report(session.segment).pointee.kind == CASTOR_DIVERGENCE_BINARY
                ? ExitStatus.binary : ExitStatus.divergence
        }
        end()
        notePolls()
        noteDifferences()
        if let failure { throw CommandError.damaged("\(plan.directory): \(failure)") }
        guard let status else {
            if !plan.isQuiet { Console.report("the log ends here; how the program ended is not in it") }
            return 0
        }
        return conclude(status)
    }

    /// Not silent: threads that polled what castor does not see were brought back in step.
    private func notePolls() {
        let s = session.segment.pointee
        if plan.isQuiet || (s.polls_passed == 0 && s.polls_added == 0) { return }
        Console.report(
            "note: threads polled variables that castor does not see, with a mutex between their looks: "
                + "\(s.polls_passed) recorded locks passed over, \(s.polls_added) added; everything else was as recorded"
        )
    }

    /// Nor this: what another build did otherwise and was let through.
    private func noteDifferences() {
        let lenient = session.segment.pointee.lenient
        let notes = [
            (lenient.added, "writes to the standard output and error added"),
            (lenient.passed, "recorded ones not made"), (lenient.contents, "calls that sent something else"),
        ].filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
        if plan.isQuiet || notes.isEmpty { return }
        Console.report("note: this build differs from the recorded one: \(notes.joined(separator: ", "))")
    }

    private func takeSignals() {
        for (number, _) in ArrivedSignals(descriptor: signals) {
            if number != SIGCHLD, number != SIGWINCH, number != SIGCONT {  // the user wants the replay to end
                end()
                exit(128 + number)
            }
        }
    }

    private func takeMessages() {
        while let message = session.receive(wait: false) {
            if message == "cut" { isCut = true }
            if message == "diverged" || message == "deadlock" { hasDiverged = true }
            if message.hasPrefix("failed ") { failure = String(message.dropFirst(7)) }
        }
    }

    private func reap() {
        var code: Int32 = 0
        while case let pid = waitpid(-1, &code, WNOHANG), pid > 0 {
            if pid == session.program { status = WaitStatus(code) }
            if pid == session.agent, status == nil, failure == nil { failure = "the replay agent ended" }
        }
    }

    /// Processes that outlive the first one, until for five seconds nothing moves in them.
    private func othersGoOn() -> Bool {
        let lenient = session.segment.pointee.lenient
        if lenient.ended != 0 || lenient.asserted != 0 { return false }
        let now = consumed()
        quiet = now == seen ? quiet + 1 : 0
        seen = now
        if quiet >= 50 { return false }
        return castor_load32(castor_segment_all_fed(session.segment)) == 0
            || session.processes.contains { ProcessFile.startOfLiving($0) != nil }
    }

    private func consumed() -> UInt64 {
        var events: UInt64 = 0
        for i in 0..<min(castor_load32(castor_segment_rings_used(session.segment)), session.segment.pointee.ring_count)
        {
            events += castor_ring_at(session.segment, i).pointee.events
        }
        return events
    }

    func end() {
        for pid in session.processes where pid != 0 && pid != UInt32(session.program) { kill(pid_t(pid), SIGKILL) }
        if status == nil {
            kill(session.program, SIGKILL)
            var code: Int32 = 0
            waitpid(session.program, &code, 0)
        }
        session.send("quit")
        kill(session.agent, SIGTERM)
        var code: Int32 = 0
        waitpid(session.agent, &code, 0)
        ReplayDirectory.remove(session.scratch)
    }

    /// The process ended: as the recorded one did, or the replay is not the recording.
    private func conclude(_ status: WaitStatus) -> Int32 {
        let finished = castor_load32(castor_segment_finished(session.segment)) != 0
        if let status = endedByItself(status) { return status }
        let recorded: WaitStatus
        switch log.ending?.outcome {
        case .exited(let code): recorded = .exited(code)
        case .signalled(let number): recorded = .signalled(number)
        default:
            if !plan.isQuiet { Console.report("the log ends here; how the program ended is not in it") }
            return finished ? 0 : ExitStatus.divergence
        }
        if case .signalled(let number) = recorded, !plan.isQuiet {
            Console.report("the recorded program was ended by signal \(number) (\(String(cString: strsignal(number))))")
        }
        if recorded.exitStatus != status.exitStatus || (!finished && !isFault(recorded)) {
            Console.report(
                "divergence: the replayed process ended before its recording did, or otherwise: status \(status.exitStatus), the recording with \(recorded.exitStatus)"
            )
            return ExitStatus.divergence
        }
        return recorded.exitStatus
    }

    /// Another build may find out what the recorded one did not, and end there.
    private func endedByItself(_ status: WaitStatus) -> Int32? {
        let lenient = session.segment.pointee.lenient
        if lenient.asserted != 0 {
            if !plan.isQuiet { Console.report("a castor_assert does not hold: the replay ends there") }
            return status.exitStatus
        }
        guard lenient.ended != 0, let kind = plan.build?.sanitizer.kind else { return nil }
        if !plan.isQuiet { Console.report("\(kind.rawValue) has ended the replay here") }
        return status.exitStatus
    }

    /// A fault so hard that no handler ran (a stack overflow) is not announced by the runtime.
    private func isFault(_ status: WaitStatus) -> Bool {
        if case .signalled(let number) = status { return [SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT].contains(number) }
        return false
    }
}
