/// Which of the recorded processes are alive. A thread waits for their ends (pidfds) and for castor's messages, and wakes the
/// agent.
import CastorLog
import Glibc

final class ProcessWatch: @unchecked Sendable {
    /// Descriptors of living processes.
    private var watched: [UInt32: Int32] = [:]
    /// Those that there was no descriptor for, with their start times: an id alone may have gone to another process.
    private var unwatched: [UInt32: UInt64] = [:]
    private var looked: UInt64 = 0
    /// A process was not found: it may have ended before anybody looked.
    private var hasMissed = false

    private let segment: Segment
    private let set: Int32
    /// Guards what follows.
    private let monitor = Monitor()
    private var ended: [(pid: UInt32, descriptor: Int32)] = []
    private var isNew = false

    init(segment: Segment, control: Control) {
        self.segment = segment
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue)), &limit) == 0 {
            limit.rlim_cur = limit.rlim_max
            setrlimit(__rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue)), &limit)
        }
        set = Int32(RawCall.function(ProcessWatch.epollCreate, 0x80000 /* EPOLL_CLOEXEC */, 0, 0, 0, 0, 0))
        add(control.descriptor, 0, ProcessWatch.onChange)
        Thread.start { self.wait() }
    }

    var anyAlive: Bool { !watched.isEmpty || !unwatched.isEmpty }
    var text: String { (Array(watched.keys) + unwatched.keys).sorted().map { "\($0)" }.joined(separator: " ") }
    func isAlive(_ pid: UInt32) -> Bool { watched[pid] != nil || unwatched[pid] != nil }
    /// Somebody has to look now and then.
    var mustLook: Bool { !unwatched.isEmpty }

    func see(_ pid: UInt32) {
        if isAlive(pid) { return }
        let descriptor = Int32(RawCall.function(ProcessWatch.pidfdOpen, Int(pid), 0, 0, 0, 0, 0))
        if descriptor >= 0, hasEnded(descriptor) {  // and nobody has waited for it yet
            close(descriptor)
            hasMissed = true
        } else if descriptor >= 0, add(descriptor, pid, ProcessWatch.once) {
            watched[pid] = descriptor
        } else {
            if descriptor >= 0 { close(descriptor) }
            if let start = ProcessFile.startOfLiving(pid) { unwatched[pid] = start } else { hasMissed = true }
        }
    }

    private func hasEnded(_ descriptor: Int32) -> Bool {
        var state = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&state, 1, 0) == 1
    }

    /// Forgets those that have ended. Whether any may have since the last call.
    func lookAgain() -> Bool {
        monitor.lock()
        let gone = ended
        ended = []
        isNew = false
        monitor.unlock()
        var found = hasMissed || !gone.isEmpty
        hasMissed = false
        for (pid, descriptor) in gone {
            close(descriptor)
            watched[pid] = nil
        }
        if mustLook, Clock.milliseconds >= looked + 50 {
            looked = Clock.milliseconds
            unwatched = unwatched.filter { ProcessFile.startOfLiving($0.key) == $0.value }
            found = true
        }
        return found
    }

    /// A process has ended or castor has sent something since the last `lookAgain`.
    var hasNews: Bool {
        monitor.lock()
        defer { monitor.unlock() }
        return isNew
    }

    // MARK: - Waiting

    // <sys/epoll.h> has a packed structure, which Swift does not import: events, then 64 bits of the caller's.
    private static let epollCreate = 291, epollControl = 233, epollWait = 232, pidfdOpen = 434
    private static let once: UInt32 = 0x4000_0001  // EPOLLONESHOT | EPOLLIN
    private static let onChange: UInt32 = 0x8000_0001  // EPOLLET | EPOLLIN

    @discardableResult
    private func add(_ descriptor: Int32, _ pid: UInt32, _ events: UInt32) -> Bool {
        var event: [UInt32] = [events, pid, UInt32(bitPattern: descriptor)]
        return event.withUnsafeMutableBytes {
            RawCall.function(ProcessWatch.epollControl, Int(set), 1, Int(descriptor), Int(bitPattern: $0.baseAddress!), 0, 0) == 0
        }
    }

    private func wait() {
        var events = [UInt32](repeating: 0, count: 3 * 64)
        while true {
            let count = events.withUnsafeMutableBytes {
                RawCall.function(ProcessWatch.epollWait, Int(set), Int(bitPattern: $0.baseAddress!), 64, -1, 0, 0)
            }
            if count < 0, errno != EINTR { return }
            monitor.lock()
            for i in 0..<max(count, 0) where events[3 * i + 1] != 0 {
                ended.append((events[3 * i + 1], Int32(bitPattern: events[3 * i + 2])))
            }
            isNew = true
            monitor.unlock()
            segment.wakeAgent()
        }
    }
}
