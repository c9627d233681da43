import Testing

@testable import CastorStandby

@Suite struct PrimaryTests {
    // MARK: - Outputs

    @Test func outputWaitsForTheReplica() {
        var primary = TestPrimary()
        primary.protect(by: 5, 1)
        #expect(primary.does(.grew(to: 100)) == [.sendLog(from: 0, to: 100, epoch: 2, 1)])
        #expect(primary.does(.queued(position: 60)) == [])
        #expect(primary.does(.queued(position: 100)) == [])
        #expect(primary.machine.hindrance == "outputs wait for a replica")
        // Received is not consumed.
        #expect(primary.acknowledges(100, 0, 1) == [])
        #expect(primary.acknowledges(100, 59, 1) == [])
        #expect(primary.acknowledges(100, 60, 1) == [.release(upTo: 60)])
        #expect(primary.acknowledges(100, 100, 1) == [.release(upTo: 100)])
        #expect(primary.machine.hindrance == nil)
        // What is safe already does not wait.
        #expect(primary.does(.queued(position: 100)) == [.release(upTo: 100)])
    }

    @Test func receivedIsEnoughWhenAskedFor() {
        var options = testOptions()
        options.agreement.release = .received
        var primary = TestPrimary(options)
        primary.protect(by: 5, 1)
        _ = primary.does(.grew(to: 100))
        _ = primary.does(.queued(position: 100))
        #expect(primary.acknowledges(100, 0, 1) == [.release(upTo: 100)])
    }

    @Test func outputWaitsForAllOfF() {
        var primary = TestPrimary(testOptions(2))
        primary.protect(by: 5, 1)
        _ = primary.does(.grew(to: 100))
        _ = primary.does(.queued(position: 100))
        #expect(primary.acknowledges(100, 100, 1) == [])
        _ = primary.receives(primary.hello(6), 2)
        // The second one is waited for as soon as it is near, and counts once the store knows.
        #expect(
            primary.acknowledges(50, 50, 2).done == [
                .lease(LeaseRequest(.claim(members: [5, 6]), epoch: 2, sent: primary.now))
            ])
        #expect(primary.acknowledges(100, 100, 2) == [])
        #expect(primary.storeConfirms([5, 6]).done.last == .release(upTo: 100))
        _ = primary.does(.grew(to: 200))
        _ = primary.does(.queued(position: 200))
        #expect(primary.acknowledges(200, 200, 2) == [])
        #expect(primary.acknowledges(200, 200, 1) == [.release(upTo: 200)])
    }

    // MARK: - The lease

    @Test func silentWhenTheLeaseIsOld() {
        var primary = TestPrimary()
        primary.protect(by: 5, 1)
        let since = primary.now
        _ = primary.does(.queued(position: 50))
        _ = primary.does(.grew(to: 50))
        #expect(primary.does(.tick, after: 400).done == [])
        _ = primary.does(.tick, after: 599)
        #expect(primary.does(.tick, after: 1).done.contains(.silence(isForGood: false)))
        #expect(primary.machine.hindrance == "the lease is not confirmed")
        // Nothing is released meanwhile, whatever the replica says.
        #expect(!primary.acknowledges(50, 50, 1).contains(.release(upTo: 50)))
        // An answer to an old question opens for what is left of its time only: for nothing.
        #expect(primary.does(.lease(.granted(LeaseRecord(epoch: 2, holder: 1, members: [5]), sent: since))).done == [])
        let sent = primary.now - 300
        let opened = primary.does(.lease(.granted(LeaseRecord(epoch: 2, holder: 1, members: [5]), sent: sent)))
        #expect(opened.done == [.gate(openUntil: sent + 1000), .release(upTo: 50)])
    }

    @Test func renewsInTime() {
        var primary = TestPrimary()
        var renewals = 0
        for _ in 0..<100 {
            primary.now += 10
            renewals += primary.machine.handle(.tick, at: primary.now).count {
                $0 == .lease(LeaseRequest(.renew, epoch: 1, sent: primary.now))
            }
        }
        #expect(renewals == 4)
        #expect(primary.does(.lease(.unreachable)) == [.say("the lease store cannot be reached")])
        #expect(primary.does(.lease(.unreachable)) == [])
        #expect(
            primary.machine.handle(.tick, at: primary.now + 20).contains(
                .lease(LeaseRequest(.renew, epoch: 1, sent: primary.now + 20))))
    }

    @Test func higherEpochIsTheEnd() {
        var refused = TestPrimary()
        let actions = refused.does(.lease(.refused(LeaseRecord(epoch: 2, holder: 5))))
        #expect(actions == [.silence(isForGood: true), .stop("another node has taken over (epoch 2)")])
        #expect(refused.does(.tick, after: 100) == [])
        #expect(refused.does(.lease(.granted(LeaseRecord(epoch: 1, holder: 1), sent: refused.now))) == [])
        #expect(refused.does(.opened(4)) == [.disconnect(4)])

        var told = TestPrimary()
        _ = told.does(.opened(1))
        #expect(
            told.receives(told.hello(6), 1, epoch: 2) == [
                .silence(isForGood: true), .stop("a replica knows of a newer primary (epoch 2)"),
            ])

        // Of another log's epochs it learns nothing.
        var other = TestPrimary()
        #expect(
            other.receives(other.hello(6, log: 8), 1, epoch: 99).first
                == .send(.refuse("that is another program's log"), epoch: 1, 1))

        // Its own claim may have been granted already, and a replica may know.
        var claiming = TestPrimary()
        _ = claiming.receives(claiming.hello(5), 1)
        _ = claiming.acknowledges(0, 0, 1)
        #expect(claiming.machine.pending == [5])
        #expect(
            claiming.receives(claiming.hello(6), 2, epoch: 2).done.first
                == .send(.welcome(Welcome(who: 1, term: 1, agreed: 0)), epoch: 1, 2))
        #expect(claiming.does(.lease(.refused(LeaseRecord(epoch: 2, holder: 1, members: [5])))) == [])
    }

    // MARK: - Replicas that fail

    @Test func lateReplicaIsDroppedOnceTheStoreKnows() {
        var primary = TestPrimary()
        primary.protect(by: 5, 1)
        _ = primary.does(.grew(to: 100))
        _ = primary.does(.queued(position: 100))
        #expect(primary.does(.tick, after: 499).done == [])
        let claim = PrimaryMachine.Action.lease(LeaseRequest(.claim(members: []), epoch: 2, sent: primary.now + 1))
        #expect(primary.does(.tick, after: 1).done == [claim])
        // Until then nothing leaves; what it acknowledges still counts.
        #expect(primary.does(.tick, after: 10) == [])
        #expect(
            primary.does(.tick, after: 10).done == [
                .lease(LeaseRequest(.claim(members: []), epoch: 2, sent: primary.now))
            ])
        let actions = primary.storeConfirms([])
        #expect(
            actions.done == [
                .drop(5, "it acknowledged nothing for 500 ms"),
                .send(.refuse("dropped: it acknowledged nothing for 500 ms"), epoch: 3, 1),
                .disconnect(1), .gate(openUntil: primary.now + 1000), .release(upTo: 100),
            ])
        #expect(actions.contains(.say("UNPROTECTED: outputs wait for no replica")))
    }

    @Test func progressIsEnough() {
        var primary = TestPrimary()
        primary.protect(by: 5, 1)
        _ = primary.does(.grew(to: 1000))
        _ = primary.does(.queued(position: 1000))
        for step in 1...20 {
            _ = primary.acknowledges(1000, Position(step), 1)
            #expect(primary.does(.tick, after: 400).done == [])
            _ = primary.does(.lease(.granted(LeaseRecord(epoch: 2, holder: 1, members: [5]), sent: primary.now)))
        }
    }

    @Test func lostLinkIsNoReasonToDropAtOnce() {
        var primary = TestPrimary()
        primary.protect(by: 5, 1)
        _ = primary.does(.grew(to: 100))
        _ = primary.does(.queued(position: 100))
        #expect(primary.does(.closed(1)) == [])
        #expect(primary.does(.tick, after: 300).done == [])
        // It is there again and has kept what it had.
        let welcome = primary.receives(primary.hello(5, at: 40, term: 1), 2)
        #expect(
            welcome == [
                .send(.welcome(Welcome(who: 1, term: 1, agreed: 40)), epoch: 2, 2), .sendManifest(epoch: 2, 2),
                .sendLog(from: 40, to: 100, epoch: 2, 2),
            ])
        #expect(primary.acknowledges(100, 100, 2) == [.release(upTo: 100)])
    }

    @Test func goneReplicaIsDroppedAtOnce() {
        for message in [Message.leaving, .diverged("event 3")] {
            var primary = TestPrimary()
            primary.protect(by: 5, 1)
            let actions = primary.receives(message, 1)
            #expect(actions.done == [.lease(LeaseRequest(.claim(members: []), epoch: 2, sent: primary.now))])
            #expect(primary.storeConfirms([]).done.first == .drop(5, "it left"))
        }
    }

    @Test func whoIsAwayIsReplacedWhileNothingWaits() {
        var primary = TestPrimary()
        primary.protect(by: 5, 1)
        _ = primary.does(.closed(1))
        // Alone it is better than nobody.
        #expect(primary.does(.tick, after: 600).done == [])
        _ = primary.receives(primary.hello(6), 2)
        #expect(
            primary.acknowledges(0, 0, 2).done == [.lease(LeaseRequest(.claim(members: []), epoch: 2, sent: primary.now))])
        let actions = primary.storeConfirms([])
        #expect(actions.done.first == .drop(5, "it was not connected for 500 ms"))
        #expect(actions.contains(.lease(LeaseRequest(.claim(members: [6]), epoch: 3, sent: primary.now))))
    }

    @Test func whoIsAwayForAMomentKeepsItsPlace() {
        var primary = TestPrimary()
        primary.protect(by: 5, 1)
        _ = primary.receives(primary.hello(6), 2)
        _ = primary.acknowledges(0, 0, 2)
        _ = primary.does(.closed(1))
        #expect(primary.does(.tick, after: 499).done == [])
        _ = primary.receives(primary.hello(5, term: 1), 3)
        #expect(primary.does(.tick, after: 100).done == [])
    }

    @Test func spareTakesThePlace() {
        var primary = TestPrimary()
        primary.protect(by: 5, 1)
        _ = primary.receives(primary.hello(6), 2)
        #expect(primary.acknowledges(0, 0, 2) == [])
        _ = primary.receives(.leaving, 1)
        let actions = primary.storeConfirms([])
        #expect(!actions.contains { if case .say(let text) = $0 { text.hasPrefix("UNPROTECTED") } else { false } })
        #expect(actions.contains(.lease(LeaseRequest(.claim(members: [6]), epoch: 3, sent: primary.now))))
        #expect(primary.storeConfirms([6]).contains(.say("protected by 1 of 1 replicas")))
    }

    @Test func withoutAStoreItSaysSo() {
        var primary = TestPrimary(testOptions(hasStore: false))
        _ = primary.receives(primary.hello(5), 1)
        _ = primary.acknowledges(0, 0, 1)
        #expect(primary.machine.members == [5])
        _ = primary.does(.grew(to: 100))
        _ = primary.does(.queued(position: 100))
        let actions = primary.does(.tick, after: 500)
        #expect(
            actions.contains(
                .say(
                    "UNPROTECTED: outputs wait for no replica; without a lease store, what was dropped must not take over"
                )))
        #expect(actions.last == .release(upTo: 100))
    }

    @Test func aloneFromTheStart() {
        var primary = TestPrimary()
        _ = primary.does(.grew(to: 10))
        #expect(primary.does(.queued(position: 10)) == [])
        #expect(
            primary.does(.tick, after: 500) == [.say("UNPROTECTED: outputs wait for no replica"), .release(upTo: 10)])
        #expect(primary.does(.queued(position: 10)) == [.release(upTo: 10)])
        // After a take-over clients are not made to wait for a replica that nobody has started.
        var taken = TestPrimary(log: 50, previousTerm: 1, epoch: 4)
        #expect(taken.does(.queued(position: 60)) == [.release(upTo: 60)])
    }

    // MARK: - The log

    @Test func creditIsKept() {
        var primary = TestPrimary()
        _ = primary.receives(primary.hello(5), 1)
        #expect(primary.does(.grew(to: 2500)) == [.sendLog(from: 0, to: 1000, epoch: 1, 1)])
        #expect(primary.acknowledges(1000, 200, 1).first == .sendLog(from: 1000, to: 1200, epoch: 1, 1))
        #expect(primary.does(.grew(to: 2600)) == [])
        #expect(primary.acknowledges(1000, 1000, 1).first == .sendLog(from: 1200, to: 2000, epoch: 1, 1))
    }

    @Test func termsDecideWhatIsShared() {
        // Took over from term 1 at byte 100, has written to 300.
        var primary = TestPrimary(log: 100, previousTerm: 1, epoch: 4)
        _ = primary.does(.grew(to: 300))
        func agreed(_ position: Position, _ term: UInt64) -> Position? {
            var copy = primary
            for action in copy.receives(copy.hello(9, at: position, term: term), 1) {
                if case .send(.welcome(let welcome), _, _) = action { return welcome.agreed }
            }
            return nil
        }
        #expect(agreed(0, 0) == 0)
        #expect(agreed(80, 1) == 80)
        #expect(agreed(250, 1) == 100)
        #expect(agreed(250, 4) == 250)
        #expect(agreed(400, 4) == 300)
        #expect(agreed(80, 2) == 0)
        #expect(agreed(80, 0) == 0)
    }

    @Test func refusals() {
        var primary = TestPrimary()
        func refusal(_ actions: [PrimaryMachine.Action]) -> String? {
            for case .send(.refuse(let text), _, _) in actions where actions.contains(.disconnect(1)) { return text }
            return nil
        }
        #expect(refusal(primary.receives(.leaving, 1)) == "the first frame must be a hello")
        var agreement = primary.machine.options.agreement
        agreement.lease += 1
        let other = Message.hello(Hello(who: 5, log: 7, term: 0, position: 0, agreement: agreement))
        #expect(refusal(primary.receives(other, 1)) == "it was started with other options or another version")
        primary.protect(by: 5, 1)
        _ = primary.does(.grew(to: 100))
        #expect(refusal(primary.acknowledges(101, 0, 1)) == "an acknowledgement that cannot be")
        _ = primary.receives(primary.hello(5, at: 0, term: 1), 1)
        _ = primary.acknowledges(100, 50, 1)
        #expect(refusal(primary.acknowledges(100, 49, 1)) == "an acknowledgement that cannot be")
        #expect(refusal(primary.receives(primary.hello(5, at: 60, term: 1), 1)) == "it lost what it had acknowledged")
        _ = primary.receives(primary.hello(6), 1)
        #expect(
            refusal(primary.receives(.welcome(Welcome(who: 1, term: 1, agreed: 1)), 1)) == "a replica sends no welcome")
    }

    // MARK: - Ends

    @Test func programEnds() {
        var primary = TestPrimary()
        primary.protect(by: 5, 1)
        _ = primary.does(.grew(to: 100))
        _ = primary.does(.queued(position: 90))
        #expect(primary.does(.ended) == [])
        #expect(primary.does(.tick, after: 10).done == [])
        // The last output first.
        #expect(primary.acknowledges(100, 95, 1) == [.release(upTo: 90)])
        let release = PrimaryMachine.Action.lease(
            LeaseRequest(.release(hasEnded: true), epoch: 2, sent: primary.now + 10))
        #expect(primary.does(.tick, after: 10) == [.send(.ended(length: 100), epoch: 2, 1), release])
        let actions = primary.does(
            .lease(.granted(LeaseRecord(epoch: 2, holder: 1, members: [5], hasEnded: true), sent: primary.now)))
        #expect(actions == [.disconnect(1), .stop("the program has ended")])
    }

    @Test func programIsGivenAway() {
        var primary = TestPrimary()
        primary.protect(by: 5, 1)
        #expect(
            primary.does(.leave) == [
                .silence(isForGood: true), .send(.leaving, epoch: 2, 1),
                .lease(LeaseRequest(.release(hasEnded: false), epoch: 2, sent: primary.now)), .disconnect(1),
                .stop("the program was given away"),
            ])
    }

    /// Whoever may take over has what led to all outputs; without one the program stays, and nobody can follow any more.
    @Test func logIsLost() {
        var primary = TestPrimary()
        primary.protect(by: 5, 1)
        #expect(primary.does(.logLost).last == .stop("the program was given away"))
        primary = TestPrimary()
        _ = primary.receives(primary.hello(5), 1)
        let actions = primary.does(.logLost)
        #expect(actions.contains(.disconnect(1)) && actions.contains { if case .say(let text) = $0 { text.hasPrefix("UNPROTECTED") } else { false } })
        #expect(primary.does(.opened(2)).contains(.disconnect(2)))
        #expect(primary.receives(primary.hello(6), 2).contains(.disconnect(2)))
        #expect(primary.does(.queued(position: 0)).contains(.release(upTo: 0)))
    }
}
