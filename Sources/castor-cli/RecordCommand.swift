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
        .value(
            "buffer", nil, "MIB", .choice(["1", "2", "4", "8", "16", "32", "64"]),
            "Room of each thread for what the recorder has not taken yet, in MiB (4): with more a longer burst goes on undisturbed. Only "
                + "what is used takes memory."),
        .value(
            "agent-threads", nil, "N", .choiceOrNumber(["auto"], 1...64),
            "So many threads of the recorder take events from the program; auto, the default: one for each memory node, and one for 16 "
                + "processors."),
        .flag(
            "transactions", nil,
            "Order events by hardware transactions (Intel's RTM), as Castor's paper does: where it was measured that costs more than the "
                + "locked additions that are made otherwise, and is as exact."),
        .flag("quiet", "q", "Say nothing but errors."),
        .flag(
            "no-rewrite", nil,
            "Trap every system call instead of rewriting its site: slower, for tests and for finding faults."),
    ]
    static let operands = Operands.exactly(1, "PROGRAM", .program)
    static let rest = Rest.afterOperand

    static func run(_ arguments: ParsedArguments) throws -> Int32 {
        if arguments.flag("transactions"), castor_rtm_self_test() == 0 {
            throw CommandError.failed("this processor has no transactional memory that works ('castor doctor' says more): leave --transactions out")
        }
        let installation = try Installation.find()
        let program = try Program(named: arguments.operands[0])
        let isQuiet = arguments.flag("quiet")
        if !isQuiet { CheckCommand.note(program, as: arguments.operands[0].description, installation) }
        let buffer = arguments.number("buffer").map { Int($0) << 20 } ?? Session.buffer
        let session = try Session(mode: CASTOR_MODE_RECORD, buffer: buffer)
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
        if arguments.flag("transactions") { session.segment.pointee.options |= CASTOR_OPT_TRANSACTIONS }
        if arguments.flag("all-atomics") { session.segment.pointee.options |= CASTOR_OPT_NO_OWNERS }
        let signals = session.takeSignals()
        let threads = arguments.number("agent-threads").map { ["threads=\($0)"] } ?? []
        try session.startAgent(installation.agent, ["record", directory] + threads, input: manifest.json.text())
        try session.startProgram(
            manifest.program, manifest.arguments, environment: manifest.environment, segmentAt: number)
        let recording = Recording(session: session, signals: signals, isQuiet: isQuiet)
        let status = recording.wait()
        if !isQuiet { Console.report(recording.summary(directory)) }
        return status.exitStatus
    }
}
