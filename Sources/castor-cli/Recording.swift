/// A program that is being recorded.
import CTSXShim
import CastorLog
import Glibc

/// A recording that runs: castor waits for the program, passes signals on and watches over the agent.
final class Recording {
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

    /// The agent died: the program must not wait for room in a ring that nobody empties. One that has standbys ends: they know nothing
    /// of what it does from now on.
    private func abandon() {
        let hasStandby = castor_load32(castor_segment_committing(session.segment)) != 0
        if hasStandby, status == nil { kill(session.program, SIGKILL) }
        if castor_exchange32(castor_segment_stopped(session.segment), CASTOR_STOP_AGENT_DIED) != 0 { return }
        for i in 0..<min(castor_load32(castor_segment_rings_used(session.segment)), session.segment.pointee.ring_count)
        {
            let word = castor_ring_head(castor_ring_at(session.segment, i))
            _ = RawSystem.call(.futex, Int(bitPattern: word), 1, Int(Int32.max))
        }
        Console.report(
            "the recording agent was killed"
                + (status != nil ? " before it had finished"
                    : hasStandby ? "; the program is ended, for its standby takes over" : "; the program goes on, unrecorded"))
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
