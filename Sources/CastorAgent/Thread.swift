/// Threads of the agent that nobody waits for.
import Glibc

enum Thread {
    /// Runs `body` beside everything else. `isUrgent`: before all that is not, as far as castor may ask for that (CAP_SYS_NICE), for a
    /// node that says nothing because its machine is busy is taken for dead.
    static func start(isUrgent: Bool = false, _ body: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        let work = Work(isUrgent: isUrgent, body)
        let code = pthread_create(
            &thread, nil,
            {
                Unmanaged<Work>.fromOpaque($0!).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(work).toOpaque())
        precondition(code == 0, "no thread: \(String(cString: strerror(code)))")
        pthread_detach(thread)
    }

    /// Whether threads can be urgent here: this one was for a moment.
    static let mayBeUrgent: Bool = {
        guard hasPriority(1, SCHED_RR) else { return false }
        return hasPriority(0, SCHED_OTHER)
    }()

    /// This thread, from now on.
    fileprivate static func hasPriority(_ number: Int32, _ policy: Int32) -> Bool {
        var priority = sched_param(sched_priority: number)
        return pthread_setschedparam(pthread_self(), policy, &priority) == 0
    }
}

private final class Work: Sendable {
    private let isUrgent: Bool
    private let body: @Sendable () -> Void

    init(isUrgent: Bool, _ body: @escaping @Sendable () -> Void) {
        self.isUrgent = isUrgent
        self.body = body
    }

    func run() {
        if isUrgent { _ = Thread.hasPriority(1, SCHED_RR) }  // else Reporter has said so
        body()
    }
}
