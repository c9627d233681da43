/// What is wrong with connections, told once as long as it is the same.
import CastorLog
import Glibc

struct Complaints {
    private let control: Control
    private let subject: String
    private(set) var last: String?

    init(_ control: Control, about subject: String) {
        self.control = control
        self.subject = subject
    }

    /// An end that needs no word is the end of the trouble, too.
    mutating func say(_ error: any Error) {
        let text: String? =
            switch error {
            case Connection.End.closed, Connection.End.failed: nil
            default: "\(error)"
            }
        if let text, text != last { control.send("note \(subject): \(text)") }
        last = text
    }
}

/// Those who call a replica, some of which are perhaps no primaries. Used by any thread.
final class Callers: @unchecked Sendable {
    private let monitor = Monitor()
    private var complaints: Complaints
    private var count = 0
    private static let limit = 16

    init(_ control: Control) { complaints = Complaints(control, about: "a caller") }

    /// False: there are too many.
    func enter() -> Bool {
        monitor.lock()
        defer { monitor.unlock() }
        if count == Callers.limit { return false }
        count += 1
        return true
    }

    func leave() {
        monitor.lock()
        defer { monitor.unlock() }
        count -= 1
    }

    /// What was wrong last.
    var complaint: String? {
        monitor.lock()
        defer { monitor.unlock() }
        return complaints.last
    }

    func complain(_ error: Connection.End) {
        monitor.lock()
        defer { monitor.unlock() }
        complaints.say(error)
    }
}
