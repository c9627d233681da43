/// `castor standby` (hidden): replays a log that is being written, and goes on by itself when it is told to (SIGUSR1). The half of
/// `castor ft replica` that has nothing to do with a network.
import CTSXShim
import CastorLog
import CastorStandby
import Glibc

enum StandbyCommand: Command {
    static let name = "standby"
    static let abstract = "Follow a log that is being written, and take over"
    static let usage = "LOG"
    static let discussion = "Internal. SIGUSR1 makes the program go on by itself where the log ends."
    static let options: [Option] = []
    static let operands = Operands.exactly(1, "LOG", .directory)
    static let isHidden = true

    static func run(_ arguments: ParsedArguments) throws -> Int32 {
        let installation = try Installation.find()
        let directory = arguments.operands[0].description
        let standby = try Standby(directory: directory)
        switch try standby.run(installation, agent: ["standby", directory]) {
        case .ended(let status): return status
        case .failed(let failure):
            if failure.place != nil { return ExitStatus.divergence }
            throw CommandError.failed(failure.text)
        }
    }
}

/// A program that stands by.
final class Standby {
    /// How it ended.
    enum End {
        case ended(Int32)
        /// There is no replay any more, but a primary perhaps: another may begin.
        case failed(Failure)
    }
    struct Failure {
        var text: String
        /// Where the replay left the recording.
        var place: ReplayPlace?
    }

    let session: Session
    private let signals: Int32
    private let directory: String
    private var files: PrivateFiles?
    private var status: WaitStatus?
    private var isLive = false
    private var finished = false
    /// Somebody does not want this replica any more.
    private var isToEnd = false
    /// The log says that the program ended.
    private var hasEnding = false
    private var error: String?
    private var failure: Failure?

    /// `earlier`: what this process ran before.
    init(directory: String, after earlier: Session? = nil) throws {
        self.directory = directory
        session = try Session(mode: CASTOR_MODE_REPLAY, holds: true, retains: true)
        session.segment.pointee.options |= CASTOR_OPT_STANDBY
        signals = earlier.map(session.takeSignals) ?? session.takeSignals()
    }

    /// Starts the agent with these words, and the program when the agent has the log's beginning; until that has ended.
    func run(_ installation: Installation, agent: [String]) throws -> End {
        do {
            try session.startAgent(installation.agent, agent, input: "")
        } catch Session.StartFailure.rejoin(let why) { return .failed(Failure(text: why)) }
        try startProgram()
        return try wait()
    }

    private func startProgram() throws {
        let manifest = try Manifest(directory: directory)
        files = PrivateFiles(manifest, log: PrivateFiles.realPath(directory))
        try files?.mount()
        let plan = ReplayPlan(directory: directory, order: "partial", isDamaged: true, isForced: false, isQuiet: false)
        try plan.checkObjects(manifest)
        if manifest.options["rewrite"] == "no" { session.segment.pointee.options |= CASTOR_OPT_NO_REWRITE }
        try plan.start(session, manifest)
    }

    private func wait() throws -> End {
        while !isOver, error == nil, failure == nil {
            var polls = [
                pollfd(fd: signals, events: Int16(POLLIN), revents: 0),
                pollfd(fd: session.control, events: Int16(POLLIN), revents: 0),
            ]
            poll(&polls, 2, 1000)
            takeSignals()
            takeMessages()
            reap()
        }
        if failure?.place != nil, let log = try? LogReader(directory: directory, allowTruncated: true) {
            Divergence(session: session, log: log, directory: directory, build: nil).print()
        }
        if status == nil { kill(session.program, SIGKILL) }
        session.send("quit")
        var code: Int32 = 0
        waitpid(session.agent, &code, 0)
        if failure != nil { session.endProgram() }
        ReplayDirectory.remove(session.scratch)
        files?.unmount()
        if let error { throw CommandError.failed(error) }
        if let failure, !isToEnd { return .failed(failure) }
        return .ended(status?.exitStatus ?? 0)
    }

    /// The program has ended as its log says, or live. What a signal ended may be a replay that died: the agent finds out.
    private var isOver: Bool {
        switch status {
        case nil: false
        case _ where isLive: finished
        case .exited: true
        case .signalled: hasEnding || isToEnd
        }
    }

    private func takeSignals() {
        for (number, _) in ArrivedSignals(descriptor: signals) {
            if number == SIGUSR1, !isLive { session.send("live") }
            if isLive, Session.forwarded.contains(number) { kill(session.program, number) }
            if !isLive, [SIGTERM, SIGINT, SIGHUP].contains(number) {
                isToEnd = true
                kill(session.program, SIGKILL)
            }
        }
    }

    private func takeMessages() {
        while let message = session.receive(wait: false) {
            switch message {
            case "live": isLive = true
            case "ended": hasEnding = true
            case "diverged":
                let report = castor_segment_report(session.segment).pointee
                failure = Failure(text: "the replay left the recording", place: ReplayPlace(stream: report.stream, event: report.event))
            case _ where message.hasPrefix("rejoin "): failure = Failure(text: String(message.dropFirst(7)))
            case _ where message.hasPrefix("failed "): error = String(message.dropFirst(7))
            case _ where message.hasPrefix("note "): Console.report(String(message.dropFirst(5)))
            case _ where message.hasPrefix("finished"): finished = true
            default: break
            }
        }
    }

    private func reap() {
        var code: Int32 = 0
        while case let pid = waitpid(-1, &code, WNOHANG), pid > 0 {
            if pid == session.program {
                let ended = WaitStatus(code)
                status = ended
                switch ended {
                case .exited(let code): session.send("exited \(code)")
                case .signalled(let number): session.send("signalled \(number)")
                }
            }
            if pid == session.agent {
                takeMessages()
                if !finished, error == nil { noteAgentsEnd() }
                finished = true
            }
        }
    }

    private func noteAgentsEnd() {
        let text = "the agent ended"
        if !isLive, !hasEnding {
            failure = failure ?? Failure(text: text)
        } else if status == nil {
            error = text
        }
    }
}
