/// A machine under a clock that the test moves.

@testable import CastorStandby

func testOptions(_ replicas: UInt32 = 1, hasStore: Bool = true) -> StandbyOptions {
    var options = StandbyOptions()
    options.agreement.replicas = replicas
    options.agreement.lease = 1000
    options.agreement.window = 1000
    options.hasStore = hasStore
    return options
}

struct TestPrimary {
    static let id: NodeID = 1
    var machine: PrimaryMachine
    var now: Milliseconds = 10_000
    var epoch: UInt64 = 1

    /// A primary that has started, with its lease.
    init(
        _ options: StandbyOptions = testOptions(), log: Position = 0, members: [NodeID] = [], previousTerm: UInt64 = 0,
        epoch: UInt64 = 1
    ) {
        machine = PrimaryMachine(id: TestPrimary.id, log: 7, options: options)
        self.epoch = epoch
        _ = machine.handle(
            .started(
                .init(
                    epoch: epoch, leaseSent: options.hasStore ? now : nil, members: members, written: log,
                    previousTerm: previousTerm)),
            at: now)
    }

    /// What it does, without heartbeats and renewals.
    mutating func does(_ input: PrimaryMachine.Input, after pause: Milliseconds = 0) -> [PrimaryMachine.Action] {
        now += pause
        return machine.handle(input, at: now).filter {
            if case .lease(let request) = $0 { return request.kind != .renew }
            if case .send(.heartbeat, _, _) = $0 { return false }
            return true
        }
    }

    mutating func receives(_ message: Message, _ link: Link, epoch: UInt64? = nil) -> [PrimaryMachine.Action] {
        does(.received(Frame(epoch: epoch ?? self.epoch, sequence: 0, message: message), link))
    }

    mutating func acknowledges(_ received: Position, _ consumed: Position, _ link: Link) -> [PrimaryMachine.Action] {
        receives(
            .acknowledgement(Acknowledgement(received: received, consumed: consumed, credit: consumed + 1000)), link)
    }

    func hello(_ who: NodeID, at position: Position = 0, term: UInt64 = 0, log: UInt64 = 7) -> Message {
        .hello(Hello(who: who, log: log, term: term, position: position, agreement: machine.options.agreement))
    }

    /// The store grants the claim that is under way.
    mutating func storeConfirms(_ members: [NodeID]) -> [PrimaryMachine.Action] {
        epoch += 1
        return does(.lease(.granted(LeaseRecord(epoch: epoch, holder: TestPrimary.id, members: members), sent: now)))
    }

    /// A replica that has everything, and that the store knows of.
    mutating func protect(by who: NodeID, _ link: Link) {
        _ = does(.opened(link))
        _ = receives(hello(who), link)
        _ = acknowledges(machine.written, machine.written, link)
        if machine.options.hasStore { _ = storeConfirms(machine.members + [who]) }
    }
}

struct TestReplica {
    static let id: NodeID = 5
    var machine: ReplicaMachine
    var now: Milliseconds = 50_000
    var epoch: UInt64 = 3

    init(_ options: StandbyOptions = testOptions()) {
        machine = ReplicaMachine(id: TestReplica.id, log: 7, options: options)
    }

    /// What it does, without acknowledgements.
    mutating func does(_ input: ReplicaMachine.Input, after pause: Milliseconds = 0) -> [ReplicaMachine.Action] {
        now += pause
        return machine.handle(input, at: now).filter {
            if case .send(.acknowledgement, _, _) = $0 { return false }
            return true
        }
    }

    /// Awake, and nothing happens.
    mutating func waits(_ time: Milliseconds) { for _ in 0..<time / 10 { _ = does(.tick, after: 10) } }

    mutating func receives(_ message: Message, _ link: Link = 1, epoch: UInt64? = nil, after pause: Milliseconds = 0)
        -> [ReplicaMachine.Action]
    {
        does(.received(Frame(epoch: epoch ?? self.epoch, sequence: 0, message: message), link), after: pause)
    }

    /// Follows a primary, has received and replayed this much, and is waited for.
    mutating func follow(_ link: Link = 1, log: UInt64 = 100, term: UInt64 = 3) {
        _ = does(.opened(link))
        _ = receives(.welcome(Welcome(who: 1, term: term, agreed: machine.received)), link)
        let more = log - machine.received
        if more > 0 {
            _ = receives(.log(position: machine.received, bytes: [UInt8](repeating: 0, count: Int(more))), link)
        }
        _ = does(.consumed(upTo: log))
        _ = receives(.heartbeat(Heartbeat(clock: 0, written: log, isCounted: true)), link)
    }

    func claim(_ epoch: UInt64) -> ReplicaMachine.Action {
        .lease(LeaseRequest(.claim(members: nil), epoch: epoch, sent: now))
    }

    mutating func hears(_ answer: LeaseAnswer, after pause: Milliseconds = 0) -> [ReplicaMachine.Action] {
        does(.lease(answer), after: pause)
    }
}

extension [PrimaryMachine.Action] {
    /// Without what is only said.
    var done: Self { filter { if case .say = $0 { false } else { true } } }
}

extension [ReplicaMachine.Action] {
    var done: Self { filter { if case .say = $0 { false } else { true } } }
}
