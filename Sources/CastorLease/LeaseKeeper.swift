/// Asks the store on behalf of a node, in a thread of its own, and answers when it can. Of requests that wait only the newest is asked:
/// the older ones were given up by whoever asked.
import CastorLog
import CastorStandby
import Glibc

public final class LeaseKeeper: @unchecked Sendable {
    private let monitor = Monitor()
    private let life: Milliseconds
    private let pause: Int
    private let now: @Sendable () -> Milliseconds
    private let note: @Sendable (String) -> Void
    /// Of the thread that asks alone, and before it runs of `begin`.
    private var clerk: LeaseClerk

    // With the lock.
    private var answer: @Sendable (LeaseAnswer) -> Void = { _ in }
    private var request: LeaseRequest?
    private var watchedUntil = Milliseconds.min
    private var isRunning = false
    /// What the store's failure was, which has been told.
    private var told: String?

    /// `now`: the node's clock. `note`: for what the user should know.
    public init(
        _ address: StoreAddress, node: NodeID, options: StandbyOptions, now: @escaping @Sendable () -> Milliseconds,
        note: @escaping @Sendable (String) -> Void
    ) throws(StoreFailure) {
        life = options.leaseInStore
        pause = max(1, Int(options.retry))
        // So that another endpoint can answer before the lease is over.
        let patience = Int(options.agreement.lease) / (address.endpoints.count == 1 ? 2 : 4)
        clerk = LeaseClerk(try Etcd(address, patience: max(patience, 1)), node: node, life: life, now: now)
        self.now = now
        self.note = note
    }

    /// Asks, and answers later by `answer`, which may be called by another thread at any time.
    public func ask(_ request: LeaseRequest) {
        monitor.lock()
        self.request = request
        monitor.changed()
        monitor.unlock()
    }

    /// From now on answers go there.
    public func answer(by answer: @escaping @Sendable (LeaseAnswer) -> Void) {
        monitor.lock()
        defer { monitor.unlock() }
        self.answer = answer
        guard !isRunning else { return }
        isRunning = true
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            {
                Unmanaged<LeaseKeeper>.fromOpaque($0!).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        precondition(code == 0, "no thread: \(String(cString: strerror(code)))")
        pthread_detach(thread)
    }

    /// The lease may be claimed soon: looks from now on whether it is still renewed, so that the claim need not begin with that.
    public func watch() {
        monitor.lock()
        watchedUntil = now() + 2 * life
        monitor.changed()
        monitor.unlock()
    }

    /// Begins a new run of the program: waits until the store answers, and while another run may still be had. nil when `isWanted` says
    /// that nobody wants it any more. To be called before anything is asked.
    public func begin(isWanted: () -> Bool) -> (record: LeaseRecord, sent: Milliseconds)? {
        // Higher than any other run's, should the record have been deleted.
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        let epoch = UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000
        var holder: LeaseRecord?
        while isWanted() {
            do throws(StoreFailure) {
                switch try clerk.begin(epoch: epoch, patience: 2 * life) {
                case .granted(let record, let sent):
                    told = nil
                    return (record, sent)
                case .held(let record):
                    if holder != record { note(LeaseKeeper.waiting(for: record)) }
                    holder = record
                }
            } catch {
                tell(error)
            }
            usleep(UInt32(pause) * 1000)
        }
        return nil
    }

    private static func waiting(for record: LeaseRecord) -> String {
        record.members.isEmpty
            ? "another node held the lease last (epoch \(record.epoch)): waiting for it to expire"
            : "another node held the lease last (epoch \(record.epoch)): waiting for it to expire and for its replicas to take over"
    }

    // MARK: - The thread

    private func run() {
        while true {
            monitor.lock()
            while request == nil, watchedUntil <= now() { monitor.wait() }
            if request == nil { monitor.wait(milliseconds: pause) }
            let asked = request
            request = nil
            monitor.unlock()
            do throws(StoreFailure) {
                if let asked { hear(try clerk.answer(asked)) } else { try clerk.look() }
                told = nil
            } catch {
                tell(error)
                if asked != nil { hear(.unreachable) }
            }
        }
    }

    private func hear(_ result: LeaseAnswer) {
        monitor.lock()
        let answer = answer
        monitor.unlock()
        answer(result)
    }

    /// Once for each reason.
    private func tell(_ failure: StoreFailure) {
        if told == nil { note("the lease store: \(failure)") }
        told = failure.description
    }
}
