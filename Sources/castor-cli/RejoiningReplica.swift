/// A replica that starts over when its replay has left the recording, has died, or knows what its primary does not: as another node, from
/// the start of the log, which the primary keeps. The primary goes on meanwhile, unprotected.
import CastorLog
import CastorStandby
import Glibc

struct RejoiningReplica {
    let directory: String
    let installation: Installation
    let agent: [String]
    /// A shell's command that puts the program's files back to what they were at its start; nil: nothing is to be done.
    let restore: String?

    /// Returns castor's exit status, when the program has ended or there is no sense in going on.
    func run() throws -> Int32 {
        var patience = RejoinPatience()
        var earlier: Session?
        while true {
            let begun = seconds()
            let standby = try Standby(directory: directory, after: earlier)
            let failure: Standby.Failure
            switch try standby.run(installation, agent: agent) {
            case .ended(let status): return status
            case .failed(let why): failure = why
            }
            switch patience.decide(at: failure.place, lasted: seconds() - begun) {
            case .giveUp(let place):
                Console.report(
                    "\(failure.text) for the \(RejoinPatience.limit)th time at event \(place.event) of thread \(place.stream): "
                        + "this replica gives up")
                return ExitStatus.divergence
            case .pause(let seconds):
                Console.report("\(failure.text): this replica starts over in \(seconds) s, from the start of the primary's log")
                if let number = standby.session.awaitSignal(seconds: seconds) { return 128 + number }
            }
            try prepare()
            standby.session.close()
            earlier = standby.session
        }
    }

    /// What this replica has of the log, the primary has; the program's files are to be as at its start.
    private func prepare() throws {
        LogStore.clear(directory)
        guard let restore else { return }
        let status = WaitStatus(system(restore)).exitStatus
        if status != 0 { throw CommandError.failed("'\(restore)' ended with status \(status), so that the program's files are not as at its start") }
    }

    private func seconds() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return time.tv_sec
    }
}
