/// `castor record`: starts a program under the recorder.
import CTSXShim
import CastorLog
import Glibc

enum RecordCommand: Command {
    static let name = "record"
    static let abstract = "Run a program and record it"
    static let usage = "[OPTIONS] PROGRAM [ARGS...]"
    static let discussion = """
        The programs that it starts are recorded with it, into the same log, until the last of them has ended.

        Everything after PROGRAM is its own. The program reads, writes and ends as usual; the exit status is its \
        own, 128 plus the signal's number if a signal ended it.

        The log is a directory. It holds what the program read and in which order its threads met, and \
        therefore whatever secrets came that way; only its owner may read it.

         castor record ./server --port 8080
         castor record -o /tmp/crash ./tests --shuffle
        """
    static let options: [Option] = [
        .value("output", "o", "DIR", .directory, "Write the log there instead of a new directory of its own."),
        .value(
            "only", nil, "NAME", .text,
            "Of the programs that PROGRAM starts, record those of this file name; may be given again. What others write to "
                + "recorded ones is recorded as input."),
        .flag(
            "chaos", nil,
            "Schedule threads unfairly, so that rare interleavings come out: they are delayed, stopped and crowded at random."
        ),
        .flag(
            "all-atomics", nil,
            "Log each operation on atomics, also of a thread that has been alone with a variable and is only counted there: "
                + "slower and larger, for looking at their values in the log."),
        .value(
            "compression", nil, "LEVEL",
            .choiceOrNumber(Compression.names, Int(Compression.levels.lowerBound)...Int(Compression.levels.upperBound)),
            "How small the log is to be made while the program runs: none, fast, default or best, or a level of zstd's, "
                + "1 to 19. What is repeated is stored once at any level."),
        .flag("quiet", "q", "Say nothing but errors."),
        .flag(
            "no-rewrite", nil,
            "Trap every system call instead of rewriting its site: slower, for tests and for finding faults."),
    ]
    static let operands = Operands.exactly(1, "PROGRAM", .program)
    static let rest = Rest.afterOperand

    static func run(_ arguments: ParsedArguments) throws -> Int32 {
        let installation = try Installation.find()
        let program = try Program(named: arguments.operands[0])
        let isQuiet = arguments.flag("quiet")
        if !isQuiet { CheckCommand.note(program, as: arguments.operands[0].description, installation) }
        let session = try Session(mode: CASTOR_MODE_RECORD)
        if isQuiet { session.segment.pointee.options |= CASTOR_OPT_QUIET }
        session.recordOnly(
            (arguments.values["only"] ?? []).flatMap { $0.description.split(separator: ",").map(String.init) })
        if arguments.flag("chaos") { session.segment.pointee.chaos = UInt32.random(in: 1...UInt32.max) }
        let directory = try arguments.text("output") ?? LogStore.standard.create(program: program.path.description)
        let number = Program.segmentDescriptor()
        var manifest = program.manifest(
            words: arguments.operands + arguments.rest, runtime: installation.runtime, descriptor: number)
        if arguments.flag("chaos") { manifest.options["chaos"] = "\(session.segment.pointee.chaos)" }
        manifest.options[Compression.option] = try arguments.text("compression") ?? "default"
        manifest.options["tscHz"] = "\(TimeStampCounter.hertz())"
        if arguments.flag("no-rewrite") {
            manifest.options["rewrite"] = "no"
            session.segment.pointee.options |= CASTOR_OPT_NO_REWRITE
        }
        if arguments.flag("all-atomics") { session.segment.pointee.options |= CASTOR_OPT_NO_OWNERS }
        let signals = session.takeSignals()
        try session.startAgent(installation.agent, ["record", directory] + (getenv("CASTOR_PROMPT") != nil ? ["prompt"] : []), input: manifest.json.text())
        try session.startProgram(
            manifest.program, manifest.arguments, environment: manifest.environment, segmentAt: number)
        let recording = Recording(session: session, signals: signals, isQuiet: isQuiet)
        let status = recording.wait()
        if !isQuiet { Console.report(recording.summary(directory)) }
        return status.exitStatus
    }
}

/// A recording that runs: castor waits for the program, passes signals on and watches over the agent.
private final class Recording {
    private let session: Session
    private let signals: Int32
    private var status: WaitStatus?
    private var agentIsGone = false
    private var finished: [Substring] = []

    private let isQuiet: Bool

    init(session: Session, signals: Int32, isQuiet: Bool) {
        self.session = session
        self.signals = signals
        self.isQuiet = isQuiet
    }

    func wait() -> WaitStatus {
        while status == nil || (!agentIsGone && finished.isEmpty) {
            var polls = [
                pollfd(fd: signals, events: Int16(POLLIN), revents: 0),
                pollfd(fd: agentIsGone ? -1 : session.control, events: Int16(POLLIN), revents: 0),
            ]
            poll(&polls, 2, 1000)
            takeSignals()
            reap()
            takeMessages()
        }
        return status!
    }

    private func takeSignals() {
        for (number, isFromKernel) in ArrivedSignals(descriptor: signals) {
            // The terminal's own (SIGINT, SIGQUIT) reached the program too.
            if Session.forwarded.contains(number), status == nil { kill(session.program, number) }
            if number == SIGINT || number == SIGQUIT, !isFromKernel, status == nil { kill(session.program, number) }
            // The program has ended; the user does not want to wait for what it left behind.
            if status != nil, [SIGINT, SIGQUIT, SIGTERM, SIGHUP].contains(number) { session.send("abandon") }
        }
    }

    private func reap() {
        var code: Int32 = 0
        while case let pid = waitpid(-1, &code, WNOHANG), pid > 0 {
            if pid == session.agent {
                takeMessages()
                agentIsGone = true
                if finished.isEmpty { abandon() }
            } else if pid == session.program {
                let ended = WaitStatus(code)
                status = ended
                switch ended {
                case .exited(let code): session.send("exited \(code)")
                case .signalled(let number): session.send("signalled \(number)")
                }
            }
        }
    }

    /// The agent died: the program must not wait for room in a ring that nobody empties.
    private func abandon() {
        if castor_exchange32(castor_segment_stopped(session.segment), CASTOR_STOP_AGENT_DIED) != 0 { return }
        for i in 0..<min(castor_load32(castor_segment_rings_used(session.segment)), session.segment.pointee.ring_count)
        {
            let word = castor_ring_head(castor_ring_at(session.segment, i))
            _ = RawSystem.call(.futex, Int(bitPattern: word), 1, Int(Int32.max))
        }
        Console.report(
            "the recording agent was killed"
                + (status == nil ? "; the program goes on, unrecorded" : " before it had finished"))
    }

    private func takeMessages() {
        while !agentIsGone, let message = session.receive(wait: false) {
            if message.hasPrefix("info "), !isQuiet { Console.report(String(message.dropFirst(5))) }
            if message.hasPrefix("note ") { Console.report(String(message.dropFirst(5))) }
            if message.hasPrefix("finished") { finished = message.split(separator: " ") }
        }
    }

    func summary(_ directory: String) -> String {
        guard finished.count == 3, let events = UInt64(finished[1]), let bytes = UInt64(finished[2]) else {
            return "the log is incomplete: \(directory) ('castor replay --damaged' replays what there is)"
        }
        let unsupported = castor_load32(castor_segment_unsupported(session.segment))
        let warning = unsupported > 0 ? "; \(unsupported) unsupported calls, replay may diverge" : ""
        return "\(directory): \(events) events, \(size(bytes))\(warning); replay with: castor replay \(directory)"
    }

    private func size(_ bytes: UInt64) -> String {
        if bytes < 10_000 { return "\(bytes) bytes" }
        if bytes < 10_000_000 { return "\(bytes / 1000) kB" }
        return "\(bytes / 1_000_000) MB"
    }
}
