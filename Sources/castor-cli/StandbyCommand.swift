/// `castor standby` (hidden): replays a log that is being written, and goes on by itself when it is told to (SIGUSR1). The half of
/// `castor ft replica` that has nothing to do with a network.
import CTSXShim
import CastorLog
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
        return try Standby(directory: directory, installation: installation, agent: ["standby", directory]).wait()
    }
}

/// A program that stands by.
final class Standby {
    private let session: Session
    private let signals: Int32
    private let directory: String
    private let manifest: Manifest
    private var status: WaitStatus?
    private var isLive = false
    private var finished = false
    private var failure: String?
    private var hasDiverged = false

    /// Starts the agent with these words, and the program when the agent has the log's beginning.
    init(directory: String, installation: Installation, agent: [String]) throws {
        self.directory = directory
        session = try Session(mode: CASTOR_MODE_REPLAY, holds: true, retains: true)
        session.segment.pointee.options |= CASTOR_OPT_STANDBY
        signals = session.takeSignals()
        try session.startAgent(installation.agent, agent, input: "")
        manifest = try Manifest(directory: directory)
        let plan = ReplayPlan(directory: directory, order: "partial", isDamaged: true, isForced: false, isQuiet: false)
        try plan.checkObjects(manifest)
        if manifest.options["rewrite"] == "no" { session.segment.pointee.options |= CASTOR_OPT_NO_REWRITE }
        try plan.start(session, manifest)
    }

    /// Until the program has ended.
    func wait() throws -> Int32 {
        while status == nil || (isLive && !finished), failure == nil, !hasDiverged {
            var polls = [
                pollfd(fd: signals, events: Int16(POLLIN), revents: 0),
                pollfd(fd: session.control, events: Int16(POLLIN), revents: 0),
            ]
            poll(&polls, 2, 1000)
            takeSignals()
            takeMessages()
            reap()
        }
        if hasDiverged {
            Divergence(session: session, log: try LogReader(directory: directory, allowTruncated: true), directory: directory, build: nil)
                .print()
        }
        if status == nil { kill(session.program, SIGKILL) }
        session.send("quit")
        var code: Int32 = 0
        waitpid(session.agent, &code, 0)
        ReplayDirectory.remove(session.scratch)
        if let failure { throw CommandError.failed(failure) }
        return hasDiverged ? ExitStatus.divergence : status?.exitStatus ?? 0
    }

    private func takeSignals() {
        for (number, _) in ArrivedSignals(descriptor: signals) {
            if number == SIGUSR1, !isLive { session.send("live") }
            if isLive, Session.forwarded.contains(number) { kill(session.program, number) }
            if !isLive, [SIGTERM, SIGINT, SIGHUP].contains(number) { kill(session.program, SIGKILL) }
        }
    }

    private func takeMessages() {
        while let message = session.receive(wait: false) {
            switch message {
            case "live": isLive = true
            case "diverged": hasDiverged = true
            case _ where message.hasPrefix("failed "): failure = String(message.dropFirst(7))
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
                if !finished, status == nil { failure = failure ?? "the agent ended" }
                finished = true
            }
        }
    }
}
