/// What a replica decides: when it suspects the primary, what it must have done before it goes live, and whether it may. No I/O, no
/// clock, no randomness.
///
///     apart ──opened──▶ greeting ──welcome──▶ following ──end of stream, silence──▶ apart, suspecting
///     apart, suspecting: drain ──idle──▶ claim ──granted──▶ live
///                                         └──refused──▶ the primary is alive: connect again
///
/// What is heard or not heard of the primary is a reason to ask, never one to go live: with a lease store the store decides, and it
/// gives a lease away after it has expired only. A grant may come late, for a claim that was given up: the node that holds the lease
/// goes live all the same, once it has done everything that it has received.

public struct ReplicaMachine: Sendable {
    public enum Input: Equatable, Sendable {
        case opened(Link)
        case received(Frame, Link)
        /// The link ended, or what came over it was no frame.
        case closed(Link)
        /// The replay has done everything before this position, the end of a chunk.
        case consumed(upTo: Position)
        /// The replay has done all whole chunks of the log as it was when this many bytes had been received. Said whenever that has
        /// become so, and once after `drain`.
        case idle(received: Position)
        case lease(LeaseAnswer)
        /// At least as often as heartbeats are due. A node whose ticks come late has slept, and has not listened meanwhile.
        case tick
        /// The operator says that this node is to take over.
        case takeOver
        /// The replay does not do what the log says.
        case diverged(String)
        /// This node cannot go on, for example because its disk is full.
        case failed(String)
    }

    public enum Action: Equatable, Sendable {
        /// Open a link to the primary.
        case connect
        case disconnect(Link)
        case send(Message, epoch: UInt64, Link)
        /// Write these bytes of the log there before the next action is done.
        case store(position: Position, bytes: [UInt8])
        case storeManifest([UInt8])
        /// Bytes of the archive of the program's files; position 0: it begins anew.
        case storeFiles(position: UInt64, bytes: [UInt8])
        /// Cut the log off: what follows is another log's.
        case truncate(to: Position)
        /// Replay what is there, then say `idle`.
        case drain
        case lease(LeaseRequest)
        /// Cut the log off where the replay is and go on as a primary that starts like this.
        case goLive(PrimaryMachine.Start)
        case say(String)
        /// Nothing is to be done any more.
        case stop(String)
        /// Start over as another node, from the start of the log.
        case rejoin(String)
    }

    enum Phase: Equatable {
        case apart
        case greeting(Link)
        case following(Link)
        case live, stopped
    }

    public let id: NodeID
    public let log: UInt64
    public let options: StandbyOptions
    let mutation: Mutation?

    var actions: [Action] = []
    var now: Milliseconds = 0
    var phase = Phase.apart

    // The log.
    public private(set) var received: Position = 0
    public private(set) var consumed: Position = 0
    /// What had been received when the replay last had nothing to do.
    private var idleAt: Position = 0
    /// The term of the last bytes; 0: none.
    var term: UInt64 = 0

    // The primary.
    /// The newest epoch that this node has heard of.
    var epoch: UInt64 = 0
    /// Bytes of the program's files that have come over this link.
    private var filesReceived: UInt64 = 0
    /// The primary said that outputs wait for this replica.
    var isCounted = false
    /// Later by the time that this node has slept since.
    var lastHeard: Milliseconds = 0
    private var lastTick = Milliseconds.max
    var lastSent = Milliseconds.min
    var nextConnect = Milliseconds.min

    // Taking over.
    /// The primary is believed dead: this node takes over if it may.
    var isSuspecting = false
    /// Why, or why it was the last time.
    var suspicion: String?
    var isDrained = false
    var isOrdered = false
    var hasEnded = false
    var nextClaim = Milliseconds.min
    /// No claim has been answered since the primary was suspected.
    var isFirstClaim = false

    public init(id: NodeID, log: UInt64, options: StandbyOptions) {
        self.init(id: id, log: log, options: options, mutation: nil)
    }

    init(id: NodeID, log: UInt64, options: StandbyOptions, mutation: Mutation?) {
        self.id = id
        self.log = log
        self.options = options
        self.mutation = mutation
    }

    /// Why this node is neither live nor follows a primary; nil when it is or does.
    public internal(set) var hindrance: String? = "not connected yet"

    /// Takes one input. `now` is the node's clock when the input came; it may be older than the moment of the call, never newer.
    public mutating func handle(_ input: Input, at now: Milliseconds) -> [Action] {
        self.now = max(self.now, now)
        if phase == .stopped || phase == .live {
            if case .opened(let link) = input { return [.disconnect(link)] }
            return []
        }
        take(input)
        defer { actions = [] }
        return actions
    }

    private mutating func take(_ input: Input) {
        switch input {
        case .opened(let link): opened(link)
        case .received(let frame, let link):
            if phase == .following(link) || phase == .greeting(link) { take(frame, link) }
        case .closed(let link): closed(link)
        case .consumed(let position):
            precondition(consumed <= position && position <= received, "the replay is at \(position) of \(received)")
            consumed = position
            if case .following(let link) = phase, options.agreement.release == .consumed { acknowledge(link) }
        case .idle(let position): idle(position)
        case .lease(let answer): take(answer)
        case .tick: tick()
        case .takeOver: takeOver()
        case .diverged(let text): diverged(text)
        case .failed(let text):
            if case .following(let link) = phase { send(.leaving, link) }
            leaveLink()
            stop(text)
        }
    }

    private mutating func idle(_ position: Position) {
        guard position == received else { return }
        idleAt = position
        if hasEnded { return stop("the program has ended") }
        if isSuspecting {
            isDrained = true
            proceed()
        } else if case .following(let link) = phase {
            // The next chunk may be longer than the window.
            acknowledge(link)
        }
    }

    private mutating func tick() {
        // Perhaps the whole host stood still, and the primary with it: what it has to say then comes only from now on.
        if now - options.silence / 2 > lastTick { lastHeard = min(now, lastHeard + now - lastTick) }
        lastTick = now
        switch phase {
        case .following(let link):
            if now - lastHeard >= options.silence {
                suspect(
                    "nothing was heard of the primary for \(now - lastHeard) ms",
                    claimFrom: lastHeard + options.leaseInStore)
            } else if lastSent == .min || now - lastSent >= options.heartbeat {
                acknowledge(link)
            }
        case .greeting:
            // Whoever has nothing of the log may be getting the program's files, and has nothing to take over.
            if now - lastHeard >= (received == 0 ? max(options.deadline, options.silence) : options.silence) {
                leaveLink()
                proceed()
            }
        case .apart: proceed()
        case .live, .stopped: break
        }
    }

    // MARK: - Links

    private mutating func opened(_ link: Link) {
        guard phase == .apart, !hasEnded else { return actions.append(.disconnect(link)) }
        phase = .greeting(link)
        filesReceived = 0
        lastHeard = now
        let hello = Hello(who: id, log: log, term: term, position: received, agreement: options.agreement)
        send(.hello(hello), link)
    }

    private mutating func closed(_ link: Link) {
        if phase == .following(link) {
            phase = .apart
            if !hasEnded { suspect("the link to the primary ended", claimFrom: now) }
        } else if phase == .greeting(link) {
            phase = .apart
            proceed()
        }
    }

    mutating func leaveLink() {
        switch phase {
        case .greeting(let link), .following(let link): actions.append(.disconnect(link))
        default: break
        }
        if phase != .live && phase != .stopped { phase = .apart }
    }

    mutating func acknowledge(_ link: Link) {
        lastSent = now
        let credit = max(consumed, min(idleAt, received)) + options.agreement.window
        send(.acknowledgement(Acknowledgement(received: received, consumed: consumed, credit: credit)), link)
    }

    // MARK: - Frames

    private mutating func take(_ frame: Frame, _ link: Link) {
        if frame.epoch < epoch {
            let reason = "the primary's epoch \(frame.epoch) is over, this is epoch \(epoch)"
            if phase == .following(link) { return suspect(reason, claimFrom: now) }
            say(reason)
            leaveLink()
            nextConnect = now + options.silence
            return
        }
        epoch = frame.epoch
        lastHeard = now
        switch (frame.message, phase) {
        case (.welcome(let welcome), .greeting): follow(welcome, link)
        case (.refuse(let reason), _): refused(reason, link)
        case (.files(let position, let bytes), .greeting) where received == 0 && position == filesReceived:
            filesReceived += UInt64(bytes.count)
            actions.append(.storeFiles(position: position, bytes: bytes))
        case (.manifest(let bytes), .following): actions.append(.storeManifest(bytes))
        case (.heartbeat(let heartbeat), .following): isCounted = heartbeat.isCounted
        case (.leaving, .following): suspect("the primary gave the program away", claimFrom: now)
        case (.log(let position, let bytes), .following):
            guard position == received else {
                return suspect("the log goes on at \(position) instead of \(received)", claimFrom: now)
            }
            actions.append(.store(position: position, bytes: bytes))
            received += UInt64(bytes.count)
            if options.agreement.release == .received { acknowledge(link) }
        case (.ended(let length), .following):
            guard length == received else {
                return suspect("the log ends at \(length), not at \(received)", claimFrom: now)
            }
            hasEnded = true
            isDrained = false
            acknowledge(link)
            actions.append(.drain)
        default:
            let reason = "a primary sends no \(frame.message.type) now"
            if phase == .following(link) { return suspect(reason, claimFrom: now) }
            say(reason)
            leaveLink()
        }
    }

    private mutating func follow(_ welcome: Welcome, _ link: Link) {
        if welcome.agreed < consumed {
            // What was replayed cannot be undone. The primary need not wait for this node any more.
            send(.leaving, link)
            return rejoin("the primary's log is another one from byte \(welcome.agreed) on")
        }
        if welcome.agreed > received { return suspect("the primary counts bytes that never came", claimFrom: now) }
        if welcome.agreed < received, !isDrained, mutation != .truncateUndrained {
            // The replay may have gone further than it has said.
            leaveLink()
            nextConnect = now + options.retry
            return
        }
        if welcome.agreed < received {
            actions.append(.truncate(to: welcome.agreed))
            received = welcome.agreed
        }
        phase = .following(link)
        term = welcome.term
        isSuspecting = false
        isDrained = false
        isOrdered = false
        isCounted = false
        hindrance = nil
        say("following the primary from byte \(received) on")
        acknowledge(link)
    }

    private mutating func refused(_ reason: String, _ link: Link) {
        // Only the store knows whether whoever refuses is the primary still.
        if phase == .following(link) { isCounted = false }
        let wasFollowing = phase == .following(link)
        hindrance = "refused: \(reason)"
        if wasFollowing { return suspect("the primary refuses this replica: \(reason)", claimFrom: now) }
        say("the primary refuses this replica: \(reason)")
        leaveLink()
        nextConnect = now + options.lease
    }

    // MARK: - Ends

    private mutating func diverged(_ text: String) {
        if case .following(let link) = phase {
            send(.diverged(text), link)
            return rejoin("diverged: \(text)")
        }
        if hasEnded { return stop("diverged after the program's end: \(text)") }
        rejoin(
            isSuspecting
                ? "diverged while catching up, so that this node cannot take over: \(text)" : "diverged: \(text)")
    }

    private mutating func rejoin(_ reason: String) {
        leaveLink()
        phase = .stopped
        hindrance = reason
        say(reason)
        actions.append(.rejoin(reason))
    }

    mutating func stop(_ reason: String) {
        leaveLink()
        phase = .stopped
        hindrance = reason
        actions.append(.stop(reason))
    }

    mutating func send(_ message: Message, _ link: Link) { actions.append(.send(message, epoch: epoch, link)) }
    mutating func say(_ text: String) { actions.append(.say(text)) }
}
