/// Which of the recorded processes are alive.
import CastorLog
import Glibc

struct ProcessWatch {
    /// Start time by process id: an id alone may have gone to another process.
    private var started: [UInt32: UInt64] = [:]
    private var looked: UInt64 = 0

    var anyAlive: Bool { !started.isEmpty }
    var text: String { started.keys.sorted().map { "\($0)" }.joined(separator: " ") }

    mutating func see(_ pid: UInt32) {
        if started[pid] == nil, let start = ProcessFile.startOfLiving(pid) { started[pid] = start }
    }

    func isAlive(_ pid: UInt32) -> Bool { started[pid] != nil }

    /// Forgets those that have ended. At most twenty times a second; false in between.
    mutating func lookAgain() -> Bool {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        let milliseconds = UInt64(now.tv_sec) * 1000 + UInt64(now.tv_nsec) / 1_000_000
        if milliseconds < looked + 50 { return false }
        looked = milliseconds
        started = started.filter { ProcessFile.startOfLiving($0.key) == $0.value }
        return true
    }
}
