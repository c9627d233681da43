/// `castor doctor`: what this machine offers, tried rather than read off, and what follows for the user.
import CastorLog

enum DoctorCommand: Command {
    static let name = "doctor"
    static let abstract = "Check what this machine offers for recording and replay"
    static let usage = "[--json]"
    static let discussion = """
        Each line: ok, warn or fail, a fact, and what follows from it. The exit status is 0 unless something \
        that castor cannot do without is missing; then it is 1.
        """
    static let options: [Option] = [.flag("json", nil, "Print JSON.")]

    static func run(_ arguments: ParsedArguments) throws -> Int32 {
        let findings = KernelProbes.all() + ProcessorProbes.all() + ResourceProbes.all() + ToolProbes.all()
        if arguments.flag("json") {
            Console.print(JSON.array(findings.map(\.json)).text(indented: true))
        } else {
            let width = findings.map(\.subject.count).max() ?? 0
            for finding in findings { Console.write(finding.text(subjectWidth: width)) }
        }
        return findings.contains { $0.status == .fail } ? ExitStatus.failure : 0
    }
}

/// What one probe found.
struct Finding {
    enum Status: String {
        case ok
        /// castor works, but something is slower, unavailable or in need of care.
        case warn
        /// castor cannot record or replay here.
        case fail
    }

    let status: Status
    /// What was looked at.
    let subject: String
    let fact: String
    /// What follows for the user; empty when nothing does.
    let consequence: String

    static func ok(_ subject: String, _ fact: String, _ consequence: String = "") -> Finding {
        Finding(status: .ok, subject: subject, fact: fact, consequence: consequence)
    }
    static func warn(_ subject: String, _ fact: String, _ consequence: String) -> Finding {
        Finding(status: .warn, subject: subject, fact: fact, consequence: consequence)
    }
    static func fail(_ subject: String, _ fact: String, _ consequence: String) -> Finding {
        Finding(status: .fail, subject: subject, fact: fact, consequence: consequence)
    }

    func text(subjectWidth: Int) -> String {
        let tail = consequence.isEmpty ? "" : ": \(consequence)"
        return "\(status.rawValue.padded(4))  \(subject.padded(subjectWidth))  \(fact)\(tail)\n"
    }

    var json: JSON {
        .object([
            JSON.Member("status", .string(status.rawValue)), JSON.Member("subject", .string(subject)),
            JSON.Member("fact", .string(fact)), JSON.Member("consequence", .string(consequence)),
        ])
    }
}
