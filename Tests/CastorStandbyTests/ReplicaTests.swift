import Testing

@testable import CastorStandby

@Suite struct ReplicaTests {
    private let held = LeaseRecord(epoch: 3, holder: 1, members: [TestReplica.id])
    private let won = LeaseRecord(epoch: 4, holder: TestReplica.id)

    // MARK: - Following

    @Test func followsFromTheStart() {
        var replica = TestReplica()
        #expect(replica.does(.tick) == [.connect])
        #expect(replica.does(.tick, after: 10) == [])
        #expect(replica.does(.tick, after: 40) == [.connect])
        let hello = Hello(
            who: TestReplica.id, log: 7, term: 0, position: 0, agreement: replica.machine.options.agreement)
        #expect(replica.does(.opened(1)) == [.send(.hello(hello), epoch: 0, 1)])
        let actions = replica.machine.handle(
            .received(Frame(epoch: 3, sequence: 0, message: .welcome(Welcome(who: 1, term: 3, agreed: 0))), 1),
            at: replica.now)
        #expect(
            actions.contains(
                .send(.acknowledgement(Acknowledgement(received: 0, consumed: 0, credit: 1000)), epoch: 3, 1)))
        #expect(replica.receives(.manifest([1, 2])) == [.storeManifest([1, 2])])
        #expect(replica.receives(.log(position: 0, bytes: [9, 8, 7])) == [.store(position: 0, bytes: [9, 8, 7])])
        #expect(replica.machine.received == 3)
        #expect(replica.machine.hindrance == nil)
    }

    /// Before the welcome, to whoever has nothing yet; that may take its time.
    @Test func filesComeFirst() {
        var replica = TestReplica()
        _ = replica.does(.tick)
        _ = replica.does(.opened(1))
        #expect(replica.receives(.files(position: 0, bytes: [1, 2])) == [.storeFiles(position: 0, bytes: [1, 2])])
        #expect(replica.does(.tick, after: replica.machine.options.silence) == [])
        #expect(replica.receives(.files(position: 2, bytes: [3])) == [.storeFiles(position: 2, bytes: [3])])
        #expect(replica.receives(.files(position: 2, bytes: [3])).contains(.disconnect(1)))
        // Over another link, from the start.
        _ = replica.does(.opened(2))
        #expect(replica.receives(.files(position: 0, bytes: [1]), 2) == [.storeFiles(position: 0, bytes: [1])])
        replica.waits(replica.machine.options.deadline - 10)
        #expect(replica.does(.tick, after: 10).contains(.disconnect(2)))
        replica.follow(3, log: 100)
        _ = replica.does(.closed(3))
        _ = replica.does(.opened(4))
        #expect(replica.receives(.files(position: 0, bytes: [1]), 4).contains(.disconnect(4)))
    }

    @Test func acknowledgesWhatItHasDone() {
        var replica = TestReplica()
        replica.follow(log: 100)
        func acknowledgement(_ received: Position, _ consumed: Position, _ credit: Position) -> [ReplicaMachine.Action]
        {
            [
                .send(
                    .acknowledgement(Acknowledgement(received: received, consumed: consumed, credit: credit)), epoch: 3,
                    1)
            ]
        }
        _ = replica.receives(.log(position: 100, bytes: [UInt8](repeating: 0, count: 900)))
        #expect(replica.machine.handle(.consumed(upTo: 400), at: replica.now) == acknowledgement(1000, 400, 1400))
        // The next chunk is longer than the window: more may come, or nothing would ever move.
        #expect(replica.machine.handle(.idle(received: 1000), at: replica.now) == acknowledgement(1000, 400, 2000))
        #expect(replica.machine.handle(.tick, at: replica.now + 10) == acknowledgement(1000, 400, 2000))
    }

    // MARK: - Taking over

    @Test func endOfStreamIsSuspicionAtOnce() {
        var replica = TestReplica()
        replica.follow()
        #expect(replica.does(.closed(1)).done == [.drain])
        #expect(replica.does(.tick, after: 5).done == [])
        // Replayed: the store is asked at once, since the primary may have released its lease.
        #expect(replica.does(.idle(received: 100)) == [replica.claim(3)])
        let actions = replica.hears(.granted(won, sent: replica.now), after: 3)
        let start = PrimaryMachine.Start(
            epoch: 4, leaseSent: replica.now - 3, members: [], written: 100, previousTerm: 3)
        #expect(actions.done == [.goLive(start)])
        #expect(replica.does(.tick, after: 1000) == [])
    }

    @Test func silenceIsSuspicionLater() {
        var replica = TestReplica()
        replica.follow()
        let heard = replica.now
        #expect(replica.does(.tick, after: 99) == [])
        #expect(replica.does(.tick, after: 1).done == [.disconnect(1), .drain, .connect])
        #expect(replica.does(.idle(received: 100)) == [])
        // Not before the lease must have run out, whatever the clocks: 1000 ms, 5 % and 10 ms after the last that was heard.
        replica.now = heard + 1059
        #expect(!replica.does(.tick).contains(replica.claim(3)))
        #expect(replica.does(.tick, after: 1).contains(replica.claim(3)))
    }

    /// Host and primary may have stood still together; what was said meanwhile may be still to be read.
    @Test func ownSleepIsNoSilence() {
        var replica = TestReplica()
        replica.follow()
        replica.waits(20)
        #expect(replica.does(.tick, after: 5000) == [])
        replica.waits(70)
        #expect(replica.does(.tick, after: 9) == [])
        #expect(replica.does(.tick, after: 1).done == [.disconnect(1), .drain, .connect])
    }

    @Test func everythingReceivedIsReplayedFirst() {
        var replica = TestReplica()
        replica.follow(log: 100)
        _ = replica.receives(.log(position: 100, bytes: [1, 2, 3]))
        _ = replica.does(.closed(1))
        // Idle with what it had before.
        #expect(replica.does(.idle(received: 100)) == [])
        #expect(replica.does(.tick, after: 5000).done == [.connect])
        // Three bytes are no chunk.
        #expect(replica.does(.idle(received: 103)) == [replica.claim(3)])
        let actions = replica.hears(.granted(won, sent: replica.now))
        #expect(
            actions.done == [
                .goLive(.init(epoch: 4, leaseSent: replica.now, members: [], written: 100, previousTerm: 3))
            ])
    }

    @Test func refusedWhileThePrimaryLives() {
        var replica = TestReplica()
        replica.follow()
        _ = replica.does(.closed(1))
        _ = replica.does(.idle(received: 100))
        // It lives: connect again, and go on asking.
        #expect(replica.hears(.refused(held), after: 2) == [.connect])
        #expect(replica.does(.tick, after: 20) == [replica.claim(3)])
        _ = replica.does(.opened(2))
        #expect(replica.receives(.welcome(Welcome(who: 1, term: 3, agreed: 100)), 2).done == [])
        #expect(replica.does(.tick, after: 20) == [])
        #expect(replica.machine.hindrance == nil)
    }

    /// The claim had been granted, and the answer was lost.
    @Test func grantThatComesLate() {
        var replica = TestReplica()
        replica.follow()
        _ = replica.does(.closed(1))
        _ = replica.does(.idle(received: 100))
        let sent = replica.now
        #expect(replica.hears(.unreachable, after: 60).done == [replica.claim(3), .connect])
        // Before the answer it follows a primary again, which is a stale one: it cannot know.
        replica.follow(2, log: 150)
        #expect(replica.hears(.granted(won, sent: sent)).done == [.disconnect(2), .drain])
        #expect(replica.does(.idle(received: 150)) == [replica.claim(4)])
        let record = LeaseRecord(epoch: 5, holder: TestReplica.id)
        let actions = replica.hears(.granted(record, sent: replica.now))
        #expect(
            actions.done == [
                .goLive(.init(epoch: 5, leaseSent: replica.now, members: [], written: 150, previousTerm: 3))
            ])
    }

    @Test func grantThatIsTooOldIsAskedForAgain() {
        var replica = TestReplica()
        replica.follow()
        _ = replica.does(.closed(1))
        _ = replica.does(.idle(received: 100))
        let sent = replica.now
        #expect(replica.hears(.granted(won, sent: sent), after: 1000).contains(replica.claim(4)))
    }

    @Test func droppedReplicaNeverGoesLive() {
        var replica = TestReplica()
        replica.follow()
        #expect(replica.receives(.refuse("dropped: slow"), epoch: 4).done == [.disconnect(1), .drain])
        #expect(replica.does(.idle(received: 100)) == [replica.claim(4)])
        _ = replica.hears(.refused(LeaseRecord(epoch: 4, holder: 1, members: [])), after: 2)
        #expect(
            replica.machine.hindrance
                == "the lease store does not list this replica: others went on without it (epoch 4)")
        // Now and then it asks again; the store's answer is the same.
        #expect(replica.does(.tick, after: 1000).done == [.connect])
        #expect(replica.does(.tick, after: 60).done == [replica.claim(4), .connect])
    }

    @Test func staleEpochIsNotFollowed() {
        var replica = TestReplica()
        replica.follow()
        #expect(
            replica.receives(.heartbeat(Heartbeat(clock: 0, written: 0, isCounted: true)), epoch: 2).done == [
                .disconnect(1), .drain,
            ])
    }

    @Test func ordered() {
        var replica = TestReplica()
        #expect(replica.does(.takeOver) == [.say("cannot take over: this node has never followed a primary")])
        replica.follow()
        #expect(replica.does(.takeOver).done == [.disconnect(1), .drain])
        #expect(replica.does(.idle(received: 100)) == [replica.claim(3)])
        #expect(
            replica.hears(.refused(held)).contains(.say("cannot take over: another node holds the lease (epoch 3)")))
    }

    // MARK: - Without a store

    @Test func withoutAStoreItWaitsForAnOrder() {
        var replica = TestReplica(testOptions(hasStore: false))
        replica.follow()
        _ = replica.does(.closed(1))
        _ = replica.does(.idle(received: 100))
        for _ in 0..<100 { #expect(replica.does(.tick, after: 100).done == [.connect]) }
        #expect(replica.machine.hindrance?.hasPrefix("the primary is not heard and there is no lease store") == true)
        let start = PrimaryMachine.Start(epoch: 4, leaseSent: nil, members: [], written: 100, previousTerm: 3)
        #expect(replica.does(.takeOver).done == [.goLive(start)])
    }

    @Test func automaticWithoutAStore() {
        var options = testOptions(hasStore: false)
        options.isAutomatic = true
        var replica = TestReplica(options)
        replica.follow()
        _ = replica.does(.closed(1))
        _ = replica.does(.idle(received: 100))
        #expect(replica.does(.tick, after: 1059).done == [.connect])
        #expect(replica.does(.tick, after: 1).done.count == 1)
        #expect(replica.machine.phase == .live)
    }

    @Test func withoutAStoreWhoWasNotWaitedForStays() {
        var replica = TestReplica(testOptions(hasStore: false))
        replica.follow()
        _ = replica.receives(.heartbeat(Heartbeat(clock: 0, written: 0, isCounted: false)))
        _ = replica.does(.closed(1))
        _ = replica.does(.idle(received: 100))
        #expect(
            replica.does(.takeOver).contains(
                .say("outputs did not wait for this replica: it may not know all that has left")))
        #expect(replica.machine.phase == .apart)
    }

    // MARK: - Ends

    @Test func programEnds() {
        var replica = TestReplica()
        replica.follow()
        #expect(replica.receives(.ended(length: 100)) == [.drain])
        #expect(replica.does(.closed(1)) == [])
        #expect(replica.does(.tick, after: 5000) == [])
        #expect(replica.does(.idle(received: 100)) == [.stop("the program has ended")])

        // It was not told by the primary, but the store knows.
        var late = TestReplica()
        late.follow()
        _ = late.does(.closed(1))
        _ = late.does(.idle(received: 100))
        #expect(
            late.hears(.refused(LeaseRecord(epoch: 3, holder: 1, members: [5], hasEnded: true))) == [
                .stop("the program has ended")
            ])
    }

    @Test func primaryGivesTheProgramAway() {
        var replica = TestReplica()
        replica.follow()
        #expect(replica.receives(.leaving).done == [.disconnect(1), .drain])
        #expect(replica.does(.idle(received: 100)) == [replica.claim(3)])
    }

    @Test func divergence() {
        var replica = TestReplica()
        replica.follow()
        #expect(
            replica.does(.diverged("event 12")).done == [
                .send(.diverged("event 12"), epoch: 3, 1), .disconnect(1), .rejoin("diverged: event 12"),
            ])
        #expect(replica.does(.tick, after: 1000) == [])
    }

    @Test func diskIsFull() {
        var replica = TestReplica()
        replica.follow()
        #expect(
            replica.does(.failed("disk full")) == [.send(.leaving, epoch: 3, 1), .disconnect(1), .stop("disk full")])
    }

    @Test func anotherPrimarysLog() {
        // What was received and not replayed is cut off.
        var replica = TestReplica()
        replica.follow(log: 100)
        _ = replica.receives(.log(position: 100, bytes: [1, 2, 3]))
        _ = replica.does(.closed(1))
        _ = replica.does(.opened(2))
        // Not while the replay may be there already.
        #expect(replica.receives(.welcome(Welcome(who: 2, term: 6, agreed: 101)), 2, epoch: 6).done == [.disconnect(2)])
        _ = replica.does(.idle(received: 103))
        _ = replica.does(.opened(2))
        #expect(
            replica.receives(.welcome(Welcome(who: 2, term: 6, agreed: 101)), 2, epoch: 6).done == [.truncate(to: 101)])
        #expect(replica.machine.received == 101)
        #expect(replica.machine.term == 6)
        // What was replayed cannot be.
        _ = replica.does(.closed(2))
        _ = replica.does(.opened(3))
        let actions = replica.receives(.welcome(Welcome(who: 3, term: 7, agreed: 99)), 3, epoch: 7)
        #expect(
            actions.done == [
                .send(.leaving, epoch: 7, 3), .disconnect(3),
                .rejoin("the primary's log is another one from byte 99 on"),
            ])
    }

    @Test func brokenLogIsNotBelieved() {
        var replica = TestReplica()
        replica.follow()
        #expect(replica.receives(.log(position: 101, bytes: [1])).done == [.disconnect(1), .drain])
        #expect(replica.machine.received == 100)
    }
}
