/// `castor race`: replays a recording with a ThreadSanitizer build of its program, and tells the first data race.
import CTSXShim
import CastorLog
import Glibc

enum RaceCommand: Command {
    static let name = "race"
    static let abstract = "Find the data race in a recorded run"
    static let usage = "[OPTIONS] --exe PROGRAM [LOG]"
    static let discussion = """
        PROGRAM is the recorded program, built once more with -fsanitize=thread (clang or gcc). It replays the \
        recording, by default the newest one, and ThreadSanitizer watches its memory. The first data race is printed \
        with both stacks. The program's own output is not shown.

        The exit status is 2 when there was a race and 0 when there was none up to the recording's end; 70 if the \
        program left the recording before a race was found, 69 if PROGRAM is no such build.

         clang -g -fsanitize=thread -o server-tsan server.c
         castor race --exe ./server-tsan
        """
    static let options: [Option] = [
        .value("exe", nil, "PROGRAM", .text, "The program, built with -fsanitize=thread."),
        .flag("damaged", nil, "Replay a log that was cut off, up to its last whole chunk."),
        .flag("force", nil, "Replay although a library is no longer the recorded one."),
        .flag("quiet", "q", "Say nothing but the race and errors."),
    ]
    static let operands = Operands.upTo(1, "LOG", .directory)

    static let found: Int32 = 2

    static func run(_ arguments: ParsedArguments) throws -> Int32 {
        guard let program = arguments.value("exe") else {
            throw CommandError.usage("--exe is missing: the program, built with -fsanitize=thread")
        }
        let installation = try Installation.find()
        var build = try ModifiedBuild(program)
        guard build.sanitizer.kind == .thread else {
            throw CommandError.refused(
                "\(program): not a ThreadSanitizer build", advice: "Compile and link it with -fsanitize=thread.")
        }
        build.options = RaceCommand.racesOnly
        let isQuiet = arguments.flag("quiet")
        let plan = ReplayPlan(
            directory: try ReplayPlan.find(arguments.operands.first), order: "partial",
            isDamaged: arguments.flag("damaged"), isForced: arguments.flag("force"), isQuiet: true, build: build)
        let log = try plan.open()
        try plan.checkObjects(log.manifest)
        let session = try plan.session(log)
        castor_segment_lenient(session.segment).pointee.is_mute = 1
        let signals = session.takeSignals()
        try session.startAgent(installation.agent, plan.agentWords, input: "")
        try plan.start(session, log.manifest)
        let replaying = Replaying(session: session, signals: signals, plan: plan, log: log)
        replaying.printsReport = false
        let status = try replaying.wait()
        if let report = replaying.report {
            Console.write(report.text)
            return found
        }
        if status == ExitStatus.divergence || status == ExitStatus.binary {
            Console.report("no data race was found before the replay left the recording")
            return status
        }
        if !isQuiet { Console.print("no data race was found in \(log.events) events") }
        return 0
    }

    /// What else ThreadSanitizer reports is not asked for; a recorded fault is to come as it was recorded.
    private static let racesOnly = [
        "detect_deadlocks=0", "report_thread_leaks=0", "report_signal_unsafe=0", "report_destroy_locked=0",
        "report_mutex_bugs=0", "report_atomic_races=1", "handle_segv=0", "handle_sigbus=0", "handle_sigfpe=0",
        "handle_sigill=0", "handle_abort=0", "history_size=7",
    ]
}
