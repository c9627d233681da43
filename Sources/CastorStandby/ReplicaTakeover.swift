/// How a replica takes over: suspect, drain, claim, go live.

extension ReplicaMachine {
    /// Gives the link up. The store is asked from `claimFrom` on, once everything received has been replayed.
    mutating func suspect(_ reason: String, claimFrom: Milliseconds) {
        leaveLink()
        say(reason)
        hindrance = reason
        suspicion = reason
        isSuspecting = true
        isDrained = false
        nextClaim = claimFrom
        // The store is asked first, when there is one and the time has come: the primary may have released its lease.
        isFirstClaim = options.hasStore && claimFrom <= now
        nextConnect = isFirstClaim ? now + options.silence : now
        actions.append(.drain)
        if mutation == .liveUndrained { isDrained = true }
        proceed()
    }

    mutating func takeOver() {
        guard term != 0 else { return say("cannot take over: this node has never followed a primary") }
        isOrdered = true
        if isSuspecting {
            nextClaim = now
            proceed()
        } else {
            suspect("ordered to take over", claimFrom: now)
        }
    }

    /// What can be done now while there is no link.
    mutating func proceed() {
        guard phase == .apart, !hasEnded else { return }
        if isSuspecting, isDrained {
            if mutation == .liveWithoutLease {
                return goLive(epoch: epoch + 1, leaseSent: options.hasStore ? now : nil, members: [])
            }
            if options.hasStore { claim() } else { decideAlone() }
        }
        // A live primary may be there after all.
        if phase == .apart, now >= nextConnect {
            nextConnect = now + max(options.retry, options.silence / 2)
            actions.append(.connect)
        }
    }

    private mutating func claim() {
        guard now >= nextClaim else { return }
        nextClaim = now + options.retry
        actions.append(.lease(LeaseRequest(.claim(members: nil), epoch: epoch, sent: now)))
    }

    /// Without a store nobody can know whether the primary lives.
    private mutating func decideAlone() {
        guard isOrdered || options.isAutomatic else {
            hindrance =
                "the primary is not heard and there is no lease store: stop it for certain, then order the take-over"
            return
        }
        guard isCounted else {
            hindrance = "outputs did not wait for this replica: it may not know all that has left"
            if isOrdered { say(hindrance!) }
            isOrdered = false
            return
        }
        guard isOrdered || now >= lastHeard + options.leaseInStore else { return }
        goLive(epoch: epoch + 1, leaseSent: nil, members: [])
    }

    // MARK: - The store's answers

    mutating func take(_ answer: LeaseAnswer) {
        switch answer {
        case .granted(let record, let sent): granted(record, sent)
        case .refused(let record): refused(record)
        case .unreachable:
            guard isSuspecting else { return }
            if hindrance != "the lease store cannot be reached" { say("the lease store cannot be reached") }
            hindrance = "the lease store cannot be reached"
            answered()
            proceed()
        }
    }

    private mutating func granted(_ record: LeaseRecord, _ sent: Milliseconds) {
        guard record.holder == id, record.epoch > epoch else { return }
        epoch = record.epoch
        // In the middle of a greeting: nothing has been received since it was drained.
        if case .greeting = phase { leaveLink() }
        guard phase == .apart, isSuspecting, isDrained else {
            return suspect("the lease was granted after all", claimFrom: now)
        }
        // Replaying or the answer took too long. Whoever holds the lease may claim it again.
        guard now < sent + options.lease else {
            nextClaim = now
            return proceed()
        }
        goLive(epoch: record.epoch, leaseSent: sent, members: record.members)
    }

    /// The store has not granted the first claim: the primary may be alive after all.
    private mutating func answered() {
        if isFirstClaim { nextConnect = now }
        isFirstClaim = false
    }

    private mutating func refused(_ record: LeaseRecord) {
        if record.hasEnded { return stop("the program has ended") }
        guard isSuspecting else { return }
        answered()
        if record.epoch > epoch { epoch = record.epoch }
        if record.holder == id {
            nextClaim = now
            return proceed()
        }
        if record.members.contains(id) {
            hindrance = "another node holds the lease (epoch \(record.epoch))"
        } else {
            hindrance = "the lease store does not list this replica: others went on without it (epoch \(record.epoch))"
            nextClaim = now + options.leaseInStore
        }
        if isOrdered { say("cannot take over: \(hindrance!)") }
        isOrdered = false
        proceed()
    }

    private mutating func goLive(epoch: UInt64, leaseSent: Milliseconds?, members: [NodeID]) {
        phase = .live
        self.epoch = epoch
        hindrance = nil
        say("live in epoch \(epoch) from byte \(consumed) on")
        let start = PrimaryMachine.Start(
            epoch: epoch, leaseSent: leaseSent, members: members, written: consumed, previousTerm: term)
        actions.append(.goLive(start))
    }
}
