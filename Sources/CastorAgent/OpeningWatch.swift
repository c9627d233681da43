/// Connections that clients open at a primary: before a client hears that it has one, standbys know of it. The kernel of a primary that
/// dies takes those with it that the program has not accepted yet.
import CastorLog
import CastorTCP

final class OpeningWatch: @unchecked Sendable {
    private let gate: EgressGate
    private let monitor = Monitor()
    private var openings: [Opening] = []

    /// `wake`: there is something to take.
    init(gate: EgressGate, wake: @escaping @Sendable () -> Void) {
        self.gate = gate
        Thread.start(isUrgent: true) { [self] in
            while true {
                let new = gate.takeOpenings(milliseconds: -1)
                if new.isEmpty { continue }
                monitor.lock()
                openings += new
                monitor.unlock()
                wake()
            }
        }
    }

    var hasNews: Bool {
        monitor.lock()
        defer { monitor.unlock() }
        return !openings.isEmpty
    }

    /// Those of which the log is to know next.
    func take() -> [Opening] {
        monitor.lock()
        defer { monitor.unlock() }
        defer { openings = [] }
        return openings
    }

    /// Standbys know of these.
    func admit(_ openings: [Opening]) { for opening in openings { gate.admit(opening) } }
}
