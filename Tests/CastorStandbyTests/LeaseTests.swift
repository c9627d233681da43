import Testing

@testable import CastorStandby

@Suite struct LeaseTests {
    private let record = LeaseRecord(epoch: 4, holder: 1, members: [5, 6])

    private func after(_ kind: LeaseRequest.Kind, _ epoch: UInt64, by node: NodeID, isExpired: Bool = false)
        -> LeaseRecord?
    {
        record.after(LeaseRequest(kind, epoch: epoch, sent: 0), by: node, isExpired: isExpired)
    }

    @Test func onlyTheHolderRenews() {
        #expect(after(.renew, 4, by: 1) == record)
        // Late, and nobody else has come.
        #expect(after(.renew, 4, by: 1, isExpired: true) == record)
        #expect(after(.renew, 3, by: 1) == nil)
        #expect(after(.renew, 4, by: 5, isExpired: true) == nil)
    }

    @Test func onlyMembersTakeOverAndNotBeforeItExpires() {
        #expect(after(.claim(members: nil), 4, by: 5) == nil)
        #expect(
            after(.claim(members: nil), 4, by: 5, isExpired: true) == LeaseRecord(epoch: 5, holder: 5, members: [6]))
        #expect(after(.claim(members: nil), 4, by: 7, isExpired: true) == nil)
        #expect(after(.claim(members: nil), 3, by: 5, isExpired: true) == nil)
        #expect(after(.claim(members: nil), 5, by: 5, isExpired: true) == nil)
    }

    @Test func theHolderChangesMembers() {
        #expect(after(.claim(members: [6]), 4, by: 1) == LeaseRecord(epoch: 5, holder: 1, members: [6]))
        // Asked again, since the answer was lost.
        #expect(after(.claim(members: [5, 6]), 3, by: 1) == record)
        #expect(after(.claim(members: [5, 6]), 2, by: 1) == nil)
    }

    @Test func endedIsEnded() {
        let ended = after(.release(hasEnded: true), 4, by: 1)!
        #expect(ended.hasEnded)
        #expect(after(.release(hasEnded: true), 4, by: 5) == nil)
        #expect(ended.after(LeaseRequest(.claim(members: nil), epoch: 4, sent: 0), by: 5, isExpired: true) == nil)
        #expect(ended.after(LeaseRequest(.renew, epoch: 4, sent: 0), by: 1, isExpired: false) == nil)
        #expect(after(.release(hasEnded: false), 4, by: 1) == record)
    }

    @Test func leaseInTheStoreIsLongerByAnyTwoClocks() {
        for lease: UInt32 in [4, 50, 1000, 60_000] {
            var options = StandbyOptions()
            options.agreement.lease = lease
            // The primary's clock 2 % slow, the store's 2 % fast.
            #expect(Double(options.lease) / 0.98 < Double(options.leaseInStore) / 1.02)
        }
    }

    @Test func optionsThatMakeNoSense() {
        #expect(StandbyOptions().problem == nil)
        func problem(_ change: (inout StandbyOptions) -> Void) -> String? {
            var options = StandbyOptions()
            change(&options)
            return options.problem
        }
        #expect(problem { $0.agreement.replicas = 0 } != nil)
        #expect(problem { $0.agreement.heartbeat = 0 } != nil)
        #expect(problem { $0.agreement.silence = 19 } != nil)
        #expect(problem { $0.agreement.lease = 9 } != nil)
        #expect(problem { $0.agreement.window = 0 } != nil)
        #expect(problem { $0.deadline = 0 } != nil)
        #expect(problem { $0.isAutomatic = true } != nil)
        #expect(
            problem {
                $0.isAutomatic = true
                $0.hasStore = false
            } == nil)
        #expect(
            problem {
                $0.isAutomatic = true
                $0.hasStore = false
                $0.agreement.replicas = 2
            } != nil)
    }
}
