/// How far a replay has come: a line on the terminal, once it takes longer than a few seconds.
import CastorLog
import Glibc

final class Progress {
    private let total: UInt64
    private let isShown: Bool
    private let started: Int
    private var hasLine = false

    init(total: UInt64, isQuiet: Bool) {
        self.total = total
        isShown = !isQuiet && isatty(STDERR_FILENO) == 1
        started = time(nil)
    }

    func show(_ done: UInt64) {
        guard isShown, total > 0, time(nil) - started >= 3 else { return }
        let percent = min(100, done * 100 / total)
        Console.write("\r\u{1b}[Kcastor: replaying, \(percent)% of \(total) events", to: STDERR_FILENO)
        hasLine = true
    }

    func clear() { if hasLine { Console.write("\r\u{1b}[K", to: STDERR_FILENO) } }
}
