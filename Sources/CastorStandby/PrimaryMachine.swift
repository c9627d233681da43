/// What a primary decides: which outputs may leave, which replicas they wait for, and when it must be silent. No I/O, no clock, no
/// randomness: inputs in, actions out, in the order in which they are to be done.
///
/// *Members* are the replicas that may take over: those that the store lists. The rule that everything else follows from:
/// **whoever may take over is waited for.** So a replica is waited for from before it is proposed to the store as a member, and until
/// the store has confirmed that it is one no more.
///
/// The machine asks the store and never assumes its answer. The store's lease counts from when it was asked for.

public struct PrimaryMachine: Sendable {
    public enum Input: Equatable, Sendable {
        /// The first input.
        case started(Start)
        /// The log's file has this many bytes.
        case grew(to: Position)
        case manifestChanged
        /// An output waits that must not leave before the log up to `position` is safe. Positions do not decrease.
        case queued(position: Position)
        case opened(Link)
        case received(Frame, Link)
        /// The link ended, or what came over it was no frame.
        case closed(Link)
        /// At least as often as heartbeats are due.
        case tick
        case lease(LeaseAnswer)
        /// The program ended by itself; the log grows no more.
        case ended
        /// The log cannot be written any more, and the program still runs.
        case logLost
        /// Give the program away: it has been stopped.
        case leave
    }

    public enum Action: Equatable, Sendable {
        case send(Message, epoch: UInt64, Link)
        /// Send these bytes of the log, in as many frames as it takes.
        case sendLog(from: Position, to: Position, epoch: UInt64, Link)
        case sendManifest(epoch: UInt64, Link)
        case disconnect(Link)
        /// Let every output go that waits at this position or before.
        case release(upTo: Position)
        /// Let packets out until this time of the node's clock, and none later, whether or not castor runs then. `.max`: for good.
        case gate(openUntil: Milliseconds)
        /// Let no packet out.
        case silence(isForGood: Bool)
        case lease(LeaseRequest)
        /// This replica is no member any more. To be said loudly.
        case drop(NodeID, String)
        case say(String)
        /// Nothing is to be done any more.
        case stop(String)
    }

    /// How a primary begins: the first one, or a replica that goes live.
    public struct Start: Equatable, Sendable {
        public var epoch: UInt64
        /// When the lease was asked for that was granted in this epoch; nil: there is no store.
        public var leaseSent: Milliseconds?
        /// Who else may take over, as the store has it.
        public var members: [NodeID] = []
        /// Length of the log.
        public var written: Position = 0
        /// The term of the bytes that are there already, and that this primary did not write. 0: none.
        public var previousTerm: UInt64 = 0

        public init(
            epoch: UInt64, leaseSent: Milliseconds?, members: [NodeID] = [], written: Position = 0,
            previousTerm: UInt64 = 0
        ) {
            self.epoch = epoch
            self.leaseSent = leaseSent
            self.members = members
            self.written = written
            self.previousTerm = previousTerm
        }
    }

    struct Output {
        var position: Position
        var since: Milliseconds
    }

    enum Phase { case idle, serving, ending, stopped }

    public let id: NodeID
    public let log: UInt64
    public let options: StandbyOptions
    let mutation: Mutation?

    var actions: [Action] = []
    var now: Milliseconds = 0
    var phase = Phase.idle

    // The log and what waits for it.
    var written: Position = 0
    /// What leads to any output that has left is before this: this primary's, or the last one's, who may have let out all that is here.
    var released: Position = 0
    /// The last position up to which this primary has released outputs. Of those that wait nothing is known beyond it: a member that
    /// the last primary had may lack what is here.
    private var confirmed: Position = 0
    var waiting: [Output] = []
    /// Of `waiting`: those before have been released.
    var firstWaiting = 0

    // Terms: who wrote what.
    var term: UInt64 = 0
    var previousTerm: UInt64 = 0
    /// Where this primary's own bytes begin.
    var termStart: Position = 0

    // The lease.
    var epoch: UInt64 = 0
    var openUntil = Milliseconds.min
    var isSilent = true
    var saidSilent = false
    var nextRequest: Milliseconds = 0
    var saidUnreachable = false

    // Replicas.
    var followers: [Follower] = []
    var members: [NodeID] = []
    /// The members that the store was asked to list; nil when it knows all that there is.
    var pending: [NodeID]?
    /// A replica that is waited for so that it can become a member.
    var candidate: NodeID?
    /// Replicas that were too slow, and until when nobody waits for them again.
    var barred: [NodeID: Milliseconds] = [:]
    /// Fewer than f members are enough: it has been said.
    var isDegraded = false
    /// Since when there have been fewer than f members.
    var shortSince: Milliseconds = 0
    /// When the program's last output had left.
    var endedSince: Milliseconds?
    /// Every replica that is linked knows that the program has ended.
    var isEndKnown = false
    /// The log grows no more: nobody can follow.
    var isLogLost = false

    public init(id: NodeID, log: UInt64, options: StandbyOptions) {
        self.init(id: id, log: log, options: options, mutation: nil)
    }

    init(id: NodeID, log: UInt64, options: StandbyOptions, mutation: Mutation?) {
        self.id = id
        self.log = log
        self.options = options
        self.mutation = mutation
    }

    /// Why outputs do not leave; nil when they do.
    public private(set) var hindrance: String? = "not started"

    /// Takes one input. `now` is the node's clock when the input came; it may be older than the moment of the call, never newer.
    public mutating func handle(_ input: Input, at now: Milliseconds) -> [Action] {
        self.now = max(self.now, now)
        if phase == .stopped {
            if case .opened(let link) = input { return [.disconnect(link)] }
            return []
        }
        closeGateInTime()
        take(input)
        if phase != .stopped {
            reconsiderMembers()
            releaseOutputs()
        }
        defer { actions = [] }
        return actions
    }

    private mutating func take(_ input: Input) {
        switch input {
        case .started(let start): begin(start)
        case .grew(let length):
            written = max(written, length)
            sendLog()
        case .manifestChanged:
            for follower in followers {
                if let link = follower.link { actions.append(.sendManifest(epoch: epoch, link)) }
            }
        case .queued(let position): waiting.append(Output(position: position, since: self.now))
        case .opened(let link): if isLogLost { actions.append(.disconnect(link)) }
        case .received(let frame, let link): take(frame, link)
        case .closed(let link): unlink(link)
        case .tick: tick()
        case .lease(let answer): take(answer)
        case .ended: phase = .ending
        case .logLost: loseLog()
        case .leave: leave()
        }
    }

    private mutating func begin(_ start: Start) {
        precondition(phase == .idle, "a primary starts once")
        phase = .serving
        epoch = start.epoch
        term = start.epoch
        previousTerm = start.previousTerm
        termStart = start.written
        written = start.written
        released = start.written
        members = start.members
        followers = members.map { Follower(id: $0, link: nil, position: 0, now: now) }
        shortSince = now
        if let sent = start.leaseSent {
            precondition(options.hasStore)
            openGate(from: sent)
        } else {
            precondition(!options.hasStore)
            openUntil = .max
            isSilent = false
            actions.append(.gate(openUntil: .max))
        }
        // Whoever has just taken over does not let its clients wait for a replica that nobody has started yet.
        if previousTerm != 0, members.count < options.replicas { degrade() }
        tick()
    }

    private mutating func tick() {
        sendHeartbeats()
        askStore()
        if phase == .ending { end() }
    }

    // MARK: - Outputs

    /// Everything before this is safe.
    private var safe: Position {
        if members.count < options.replicas, !isDegraded { return confirmed }
        var safe = Position.max
        var found = 0
        for follower in followers where isCounted(follower.id) {
            safe = min(safe, acknowledged(follower))
            if members.contains(follower.id) { found += 1 }
        }
        precondition(found == members.count || mutation != nil, "\(found) of \(members.count) members are waited for")
        return safe
    }

    private mutating func releaseOutputs() {
        hindrance =
            isSilent ? "the lease is not confirmed" : firstWaiting < waiting.count ? "outputs wait for a replica" : nil
        guard !isSilent, firstWaiting < waiting.count else { return }
        let safe = safe
        var last: Position?
        while firstWaiting < waiting.count, waiting[firstWaiting].position <= safe {
            last = waiting[firstWaiting].position
            firstWaiting += 1
        }
        guard let last else { return }
        released = max(released, last)
        confirmed = max(confirmed, last)
        actions.append(.release(upTo: last))
        if firstWaiting == waiting.count {
            hindrance = nil
            waiting.removeAll(keepingCapacity: true)
            firstWaiting = 0
        } else if firstWaiting > 1024 {
            waiting.removeSubrange(..<firstWaiting)
            firstWaiting = 0
        }
    }

    // MARK: - Ends

    /// All outputs first, then the replicas, then the store, each of the last two for as long as the deadline.
    private mutating func end() {
        guard firstWaiting == waiting.count else { return }
        let since = endedSince ?? now
        endedSince = since
        for i in followers.indices where followers[i].sent == written && !followers[i].hasHeardEnd {
            guard let link = followers[i].link else { continue }
            followers[i].hasHeardEnd = true
            send(.ended(length: written), link)
        }
        let isLate = now - since >= options.deadline
        guard isLate || followers.allSatisfy({ $0.link == nil || $0.received == written }) else { return }
        if !options.hasStore { return stop("the program has ended") }
        if !isEndKnown {
            isEndKnown = true
            nextRequest = now
            askStore()
        }
        if now - since >= 2 * options.deadline { stop("the program has ended; the lease store could not be told") }
    }

    /// A replica that may take over has what led to every output that has left. When there is none the program stays, and nobody
    /// becomes one.
    private mutating func loseLog() {
        guard members.isEmpty, pending == nil else { return leave() }
        isLogLost = true
        candidate = nil
        for follower in followers { if let link = follower.link { actions.append(.disconnect(link)) } }
        followers = []
        if !isDegraded { degrade() }
    }

    private mutating func leave() {
        silence(isForGood: true)
        for follower in followers { if let link = follower.link { send(.leaving, link) } }
        if options.hasStore { actions.append(.lease(LeaseRequest(.release(hasEnded: false), epoch: epoch, sent: now))) }
        stop("the program was given away")
    }

    /// Somebody else has taken over.
    mutating func fence(_ reason: String) {
        silence(isForGood: true)
        stop(reason)
    }

    mutating func silence(isForGood: Bool) {
        isSilent = true
        actions.append(.silence(isForGood: isForGood))
    }

    mutating func stop(_ reason: String) {
        phase = .stopped
        hindrance = reason
        for follower in followers { if let link = follower.link { actions.append(.disconnect(link)) } }
        followers = []
        actions.append(.stop(reason))
    }

    mutating func send(_ message: Message, _ link: Link) { actions.append(.send(message, epoch: epoch, link)) }
    mutating func say(_ text: String) { actions.append(.say(text)) }
}

/// A connection, by the number that the driver gave it. Never used for two.
public typealias Link = Int
