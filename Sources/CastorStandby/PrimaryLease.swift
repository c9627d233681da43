/// The primary's lease: renewed in time, counted from when it was asked for, and lost for good as soon as anybody else has a higher epoch.

extension PrimaryMachine {
    // MARK: - The gate

    /// The kernel has closed it already; this is for what castor itself releases.
    mutating func closeGateInTime() {
        guard phase != .idle, !isSilent, openUntil <= now, mutation != .neverSilent else { return }
        silence(isForGood: false)
        saidSilent = true
        say("silent: the lease store has not confirmed the lease for \(options.lease) ms")
    }

    /// A lease was granted that had been asked for at `sent`.
    mutating func openGate(from sent: Milliseconds) {
        let from = mutation == .leaseFromAnswer ? now : sent
        let until = mutation == .neverSilent ? .max : from + options.lease
        guard until > openUntil else { return }
        openUntil = until
        guard until > now else { return }
        actions.append(.gate(openUntil: until))
        isSilent = false
        if saidSilent { say("the lease is confirmed again") }
        saidSilent = false
    }

    // MARK: - Asking

    mutating func askStore() {
        guard options.hasStore, now >= nextRequest else { return }
        let kind: LeaseRequest.Kind
        if isEndKnown {
            kind = .release(hasEnded: true)
        } else if let pending {
            kind = .claim(members: pending)
        } else {
            kind = .renew
        }
        actions.append(.lease(LeaseRequest(kind, epoch: epoch, sent: now)))
        nextRequest = now + (kind == .renew ? options.renewal : options.retry)
    }

    mutating func take(_ answer: LeaseAnswer) {
        switch answer {
        case .granted(let record, let sent): granted(record, sent)
        case .refused(let record):
            // An old request that came after a newer one.
            if record.holder == id { return }
            fence("another node has taken over (epoch \(record.epoch))")
        case .unreachable:
            nextRequest = min(nextRequest, now + options.retry)
            if !saidUnreachable { say("the lease store cannot be reached") }
            saidUnreachable = true
        }
    }

    private mutating func granted(_ record: LeaseRecord, _ sent: Milliseconds) {
        guard record.holder == id else { return }
        saidUnreachable = false
        // The gate remains shut: a new run of the program may begin on another node at once.
        if record.hasEnded { return stop("the program has ended") }
        if record.epoch == epoch + 1, let pending {
            epoch = record.epoch
            adopt(pending)
        }
        if record.epoch == epoch { openGate(from: sent) }
    }

    // MARK: - Members

    /// Has the store list these members; they are the members once it has confirmed that.
    mutating func propose(_ new: [NodeID]) {
        guard options.hasStore, mutation != .dropWithoutEpoch || new.count > members.count else { return adopt(new) }
        pending = new
        nextRequest = now
        askStore()
    }

    /// These are the members now.
    private mutating func adopt(_ new: [NodeID]) {
        let (before, dropped) = (members.count, members.filter { !new.contains($0) })
        members = new
        pending = nil
        candidate = nil
        for id in dropped { drop(id) }
        // Without a store nothing else tells a new member that it may take over.
        for i in followers.indices where new.contains(followers[i].id) { followers[i].heartbeat = .min }
        sendHeartbeats()
        if new.count > before { say("protected by \(new.count) of \(options.replicas) replicas") }
        if new.count >= options.replicas {
            isDegraded = false
        } else {
            if before >= options.replicas { shortSince = now }
            // Another replica that is linked may take the place first.
            if !dropped.isEmpty, !isDegraded, !followers.contains(where: { $0.link != nil && !new.contains($0.id) }) {
                degrade()
            }
        }
    }

    /// Goes on with fewer replicas than were asked for. Nothing is needed of the store: it lists no others.
    mutating func degrade() {
        isDegraded = true
        let how = options.hasStore ? "" : "; without a lease store, what was dropped must not take over"
        say(
            members.isEmpty
                ? "UNPROTECTED: outputs wait for no replica\(how)"
                : "outputs wait for only \(members.count) of \(options.replicas) replicas\(how)")
    }
}
