/// A report of a primary or replica, for people.
import CastorLog
import CastorStandby
import Glibc

enum StandbyText {
    static func text(_ report: StandbyReport) -> String {
        var rows: [(String, String)] = [("Program", program(report)), ("Guarantee", guarantee(report))]
        rows += report.notGuaranteed.map { ("", "not: \($0)") }
        if let address = report.address { rows.append(("Address", address)) }
        rows.append(("Link", report.isEncrypted ? "TLS 1.3" : "plain text"))
        rows.append(("Lease", lease(report)))
        rows.append(("Epoch", report.epoch == 0 ? "none yet" : "\(report.epoch)"))
        for peer in report.peers {
            let kind = report.role == .replica ? "Primary" : "Replica"
            rows.append((kind, (report.role == .replica ? "" : "\(peer.place): ") + state(peer)))
        }
        if report.role != .replica {
            let oldest = report.held > 0 ? ", the oldest for \(report.heldFor) ms" : ""
            rows.append(("Held", "\(report.held) outputs\(oldest)"))
        }
        if let hindrance = report.hindrance { rows.append(("Waits", hindrance)) }
        if let failover = report.failover {
            rows.append(("Failover", "\(LogSummary.date(UInt64(max(0, failover.time)) * 1_000_000_000)): \(failover.reason); \(failover.duration) ms"))
        }
        rows.append(("Log", "\(report.directory), \(LogSummary.bytes(report.logBytes))"))
        rows.append(("Up", duration(report.uptime)))
        return "\(heading(report))\n" + rows.map { "  \($0.0.padded(10)) \(plain($0.1))\n" }.joined()
    }

    private static func heading(_ report: StandbyReport) -> String {
        let what = report.role == .live ? "live since it took over" : report.role.rawValue
        let how =
            switch report.role {
            case .replica: report.isProtected ? "PROTECTING" : "NOT PROTECTING"
            case .primary, .live:
                (report.isProtected ? "PROTECTED" : "UNPROTECTED") + " by \(report.protecting) of \(report.wanted) replicas"
            }
        return "\(report.pid), \(what): \(how)"
    }

    private static func program(_ report: StandbyReport) -> String {
        report.program.isEmpty ? "not known yet" : report.program.map { LogSummary.quoted(SystemString($0)) }.joined(separator: " ")
    }

    private static func guarantee(_ report: StandbyReport) -> String {
        report.isPrivileged ? "privileged: UDP and the TCP connections that clients have opened go over" : "unprivileged: UDP goes over"
    }

    private static func lease(_ report: StandbyReport) -> String {
        guard let store = report.store else { return "no store" }
        return report.role == .replica ? store : "\(store), \(report.holdsLease ? "held" : "not confirmed")"
    }

    private static func state(_ peer: StandbyReport.Peer) -> String {
        if let problem = peer.problem, peer.state == .notConnected { return "\(peer.state.rawValue): \(problem)" }
        guard peer.state != .notConnected, peer.state != .connected else { return peer.state.rawValue }
        let lag = peer.lag
        return "\(peer.state.rawValue); received \(peer.received), consumed \(peer.consumed); "
            + "behind by \(lag.events) events, \(lag.bytes) bytes, \(lag.time) ms"
    }

    private static func duration(_ time: Int64) -> String {
        let seconds = time / 1000
        if seconds < 60 { return "\(seconds) s" }
        if seconds < 3600 { return "\(seconds / 60) min \(seconds % 60) s" }
        return "\(seconds / 3600) h \(seconds / 60 % 60) min"
    }

    /// What came from others is not to steer the terminal.
    private static func plain(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 32 || $0.value == 127 ? "?" as Unicode.Scalar : $0 }))
    }
}
