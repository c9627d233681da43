/// The replicas as the primary sees them: who is linked, how far each one is, and which of them outputs wait for.

/// A replica that is linked or a member.
struct Follower: Sendable {
    let id: NodeID
    /// nil: it is a member and not linked now.
    var link: Link?
    /// Since when it has not been.
    var unlinkedSince: Milliseconds
    /// Everything before this was sent over the link.
    var sent: Position
    /// It may be sent up to here.
    var credit: Position
    var received: Position = 0
    var consumed: Position = 0
    /// When it last acknowledged something new, or was begun to be waited for.
    var progress: Milliseconds
    var heartbeat = Milliseconds.min
    var hasHeardEnd = false
    /// It has acknowledged something over this link, so that it knows that it was welcomed: whoever does not would never take over.
    var isFollowing = false
    /// It said that it takes no more part, or failed.
    var isGone = false

    init(id: NodeID, link: Link?, position: Position, now: Milliseconds) {
        self.id = id
        self.link = link
        sent = position
        credit = position
        progress = now
        unlinkedSince = now
    }
}

extension PrimaryMachine {
    // MARK: - Who is waited for

    func isCounted(_ id: NodeID) -> Bool {
        if members.contains(id) {
            return !(mutation == .dropBeforeConfirmation && pending.map { !$0.contains(id) } ?? false)
        }
        if mutation == .countAfterConfirmation { return false }
        return candidate == id || pending?.contains(id) ?? false
    }

    func acknowledged(_ follower: Follower) -> Position {
        if mutation == .releaseOnSent { return follower.sent }
        return options.agreement.release == .received ? follower.received : follower.consumed
    }

    private func follower(_ id: NodeID) -> Int? { followers.firstIndex { $0.id == id } }

    /// Outputs have waited for it for as long as the deadline, and it has acknowledged nothing.
    private func isLate(_ follower: Follower) -> Bool {
        guard firstWaiting < waiting.count, acknowledged(follower) < waiting[firstWaiting].position else {
            return false
        }
        return now - max(follower.progress, waiting[firstWaiting].since) >= options.deadline
    }

    /// It has not been linked for as long as the deadline, and another could take its place. Outputs need not wait for that.
    private func isReplaceable(_ follower: Follower) -> Bool {
        follower.link == nil && now - follower.unlinkedSince >= options.deadline && followers.contains { isNear($0) }
    }

    /// Drops whom outputs wait for in vain, and makes replicas members that are near. One change at a time: the store must have
    /// confirmed the last one.
    mutating func reconsiderMembers() {
        guard pending == nil, phase == .serving || phase == .ending else { return }
        if !barred.isEmpty { barred = barred.filter { $1 > now } }
        if phase == .ending { rejectCandidate() }
        let lost = followers.filter { members.contains($0.id) && ($0.isGone || isLate($0) || isReplaceable($0)) }.map(\.id)
        if !lost.isEmpty {
            rejectCandidate()
            return propose(members.filter { !lost.contains($0) })
        }
        guard members.count < options.replicas, phase == .serving else { return }
        if !isDegraded, firstWaiting < waiting.count,
            now - max(waiting[firstWaiting].since, shortSince) >= options.deadline
        {
            degrade()
        }
        if candidate == nil, let i = followers.firstIndex(where: { isNear($0) }) {
            candidate = followers[i].id
            followers[i].progress = now
        }
        guard let candidate else { return }
        guard let i = follower(candidate), followers[i].link != nil, !followers[i].isGone, !isLate(followers[i]) else {
            return rejectCandidate()
        }
        // What has left already it must have, too.
        if acknowledged(followers[i]) >= released { propose(members + [candidate]) }
    }

    /// It is no member yet, so that nobody has to be asked.
    private mutating func rejectCandidate() {
        guard let candidate else { return }
        self.candidate = nil
        guard let i = follower(candidate) else { return }
        if isLate(followers[i]) { barred[candidate] = now + 4 * options.deadline }
        if followers[i].link == nil { followers.remove(at: i) }
    }

    private func isNear(_ follower: Follower) -> Bool {
        follower.isFollowing && follower.link != nil && !follower.isGone && !members.contains(follower.id)
            && barred[follower.id] == nil
            && written - min(written, acknowledged(follower)) <= options.nearness
    }

    /// The store, if there is one, has confirmed that this replica may not take over.
    mutating func drop(_ id: NodeID) {
        guard let i = follower(id) else { return }
        let old = followers[i]
        let reason = old.isGone ? "it left" : "it \(old.link == nil ? "was not connected" : "acknowledged nothing") for \(options.deadline) ms"
        if !followers[i].isGone { barred[id] = now + 4 * options.deadline }
        actions.append(.drop(id, reason))
        if let link = followers[i].link {
            send(.refuse("dropped: \(reason)"), link)
            actions.append(.disconnect(link))
        }
        followers.remove(at: i)
    }

    // MARK: - Links

    mutating func unlink(_ link: Link) {
        guard let i = followers.firstIndex(where: { $0.link == link }) else { return }
        followers[i].link = nil
        followers[i].unlinkedSince = now
        if !isCounted(followers[i].id) { followers.remove(at: i) }
    }

    private mutating func refuse(_ reason: String, _ link: Link) {
        send(.refuse(reason), link)
        actions.append(.disconnect(link))
        unlink(link)
        say("a replica was refused: \(reason)")
    }

    mutating func sendHeartbeats() {
        for i in followers.indices {
            guard let link = followers[i].link,
                followers[i].heartbeat == .min || now - followers[i].heartbeat >= options.heartbeat
            else { continue }
            followers[i].heartbeat = now
            let isMember = members.contains(followers[i].id)
            send(.heartbeat(Heartbeat(clock: UInt64(max(now, 0)), written: written, isCounted: isMember)), link)
        }
    }

    mutating func sendLog() {
        for i in followers.indices { sendLog(i) }
    }

    private mutating func sendLog(_ i: Int) {
        let limit = min(written, followers[i].credit)
        guard let link = followers[i].link, followers[i].sent < limit else { return }
        actions.append(.sendLog(from: followers[i].sent, to: limit, epoch: epoch, link))
        followers[i].sent = limit
    }

    // MARK: - Frames

    mutating func take(_ frame: Frame, _ link: Link) {
        if case .hello(let hello) = frame.message, hello.log != log {
            return refuse("that is another program's log", link)
        }
        // What the store was asked for may have been granted already.
        if frame.epoch > epoch + (pending == nil ? 0 : 1) {
            return fence("a replica knows of a newer primary (epoch \(frame.epoch))")
        }
        if case .hello(let hello) = frame.message { return greet(hello, link) }
        guard let i = followers.firstIndex(where: { $0.link == link }) else {
            return refuse("the first frame must be a hello", link)
        }
        switch frame.message {
        case .acknowledgement(let acknowledgement): take(acknowledgement, i)
        case .heartbeat: break
        case .diverged(let text):
            say("a replica diverged: \(text)")
            followers[i].isGone = true
        case .leaving: followers[i].isGone = true
        case .station: break
        default: refuse("a replica sends no \(frame.message.type)", link)
        }
    }

    private mutating func take(_ acknowledgement: Acknowledgement, _ i: Int) {
        let follower = followers[i]
        guard follower.received <= acknowledgement.received, follower.consumed <= acknowledgement.consumed,
            acknowledgement.consumed <= acknowledgement.received, acknowledgement.received <= follower.sent
        else { return refuse("an acknowledgement that cannot be", follower.link!) }
        let before = acknowledged(follower)
        followers[i].isFollowing = true
        followers[i].received = acknowledgement.received
        followers[i].consumed = acknowledgement.consumed
        followers[i].credit = max(follower.credit, acknowledgement.credit)
        if acknowledged(followers[i]) > before { followers[i].progress = now }
        sendLog(i)
    }

    private mutating func greet(_ hello: Hello, _ link: Link) {
        guard hello.agreement == options.agreement else {
            return refuse("it was started with other options or another version", link)
        }
        guard phase == .serving else { return refuse("the program has ended", link) }
        guard !isLogLost else { return refuse("the log cannot be written any more", link) }
        let agreed = agreement(hello)
        var follower = Follower(id: hello.who, link: link, position: agreed, now: now)
        if let i = self.follower(hello.who) {
            // It has lost its old link; whoever lost bytes, too, is somebody else.
            let old = followers[i]
            guard old.received <= agreed else { return refuse("it lost what it had acknowledged", link) }
            if let link = old.link { actions.append(.disconnect(link)) }
            (follower.received, follower.consumed, follower.progress) = (old.received, old.consumed, old.progress)
            follower.isGone = old.isGone
            followers.remove(at: i)
        }
        follower.credit = agreed + options.agreement.window
        followers.append(follower)
        send(.welcome(Welcome(who: id, term: term, agreed: agreed)), link)
        actions.append(.sendManifest(epoch: epoch, link))
        sendLog(followers.count - 1)
    }

    /// How much of a replica's log is this one's beginning. Two logs are the same up to where the writer of one began to write
    /// and the other's did not stop.
    private func agreement(_ hello: Hello) -> Position {
        if mutation == .ignoreTerms { return min(hello.position, written) }
        if hello.term == term { return min(hello.position, written) }
        if hello.term == previousTerm, previousTerm != 0 { return min(hello.position, termStart) }
        return 0
    }
}
