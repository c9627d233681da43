/// What the record becomes when several nodes change it, and when a claimant may call a lease expired.
import CastorStandby
import Testing

@testable import CastorLease

/// A store in memory, on which requests can be lost before and after they are done.
private final class Memory: RecordStore {
    var value = StoredValue.none
    var isUnreachable = false
    /// The next change is made, and its answer is lost.
    var losesAnswer = false
    private var revision: Int64 = 0

    func read() throws(StoreFailure) -> StoredValue {
        if isUnreachable { throw StoreFailure("unreachable") }
        return value
    }

    func replace(_ bytes: [UInt8], ifRevision expected: Int64) throws(StoreFailure) -> Replacement {
        if isUnreachable { throw StoreFailure("unreachable") }
        guard value.revision == expected else { return .refused(value) }
        revision += 1
        value = StoredValue(revision: revision, bytes: bytes)
        if losesAnswer {
            losesAnswer = false
            throw StoreFailure("lost")
        }
        return .written(revision: revision)
    }
}

private final class Clock { var now: Milliseconds = 1_000_000 }

struct ClerkTests {
    private let memory = Memory()
    private let clock = Clock()
    private static let life: Milliseconds = 535

    private func clerk(_ node: NodeID) -> LeaseClerk {
        let clock = clock
        return LeaseClerk(memory, node: node, life: ClerkTests.life) { clock.now }
    }

    private func begin(_ clerk: inout LeaseClerk) throws -> LeaseRecord? {
        if case .granted(let record, _) = try clerk.begin(epoch: 10, patience: 1000) { record } else { nil }
    }

    /// The record in the store.
    private var record: LeaseRecord? { try? StoredLease(memory.value.bytes).record }

    @Test func beginsRenewsAndIsTakenOver() throws {
        var primary = clerk(1)
        var replica = clerk(2)
        #expect(try begin(&primary) == LeaseRecord(epoch: 10, holder: 1))
        let members = LeaseRequest(.claim(members: [2]), epoch: 10, sent: 7)
        #expect(try primary.answer(members) == .granted(LeaseRecord(epoch: 11, holder: 1, members: [2]), sent: 7))
        let claim = LeaseRequest(.claim(members: nil), epoch: 11, sent: 8)
        for _ in 0..<20 {
            #expect(try replica.answer(claim) == .refused(record!))
            clock.now += 100
            _ = try primary.answer(LeaseRequest(.renew, epoch: 11, sent: 0))
        }
        #expect(try replica.answer(claim) == .refused(record!))
        clock.now += ClerkTests.life - 1
        #expect(try replica.answer(claim) == .refused(record!))
        clock.now += 1
        #expect(try replica.answer(claim) == .granted(LeaseRecord(epoch: 12, holder: 2), sent: 8))
        // The old holder's knowledge is older; it learns what is so.
        #expect(
            try primary.answer(LeaseRequest(.renew, epoch: 11, sent: 0)) == .refused(LeaseRecord(epoch: 12, holder: 2)))
    }

    /// The renewal comes between the claimant's look and its write.
    @Test func claimAgainstARenewal() throws {
        var primary = clerk(1)
        var replica = clerk(2)
        _ = try begin(&primary)
        _ = try primary.answer(LeaseRequest(.claim(members: [2]), epoch: 10, sent: 0))
        try replica.look()
        clock.now += ClerkTests.life
        let before = memory.value.revision
        _ = try primary.answer(LeaseRequest(.renew, epoch: 11, sent: 0))
        #expect(memory.value.revision == before + 1)
        guard case .refused = try memory.replace([], ifRevision: before) else {
            Issue.record("a write over an older revision")
            return
        }
        #expect(try replica.answer(LeaseRequest(.claim(members: nil), epoch: 11, sent: 0)) == .refused(record!))
    }

    @Test func lostAnswersAreGrantedAgain() throws {
        var primary = clerk(1)
        memory.losesAnswer = true
        #expect(throws: StoreFailure.self) { try begin(&primary) }
        #expect(try begin(&primary) == LeaseRecord(epoch: 10, holder: 1))
        for request in [LeaseRequest.Kind.renew, .claim(members: [2])] {
            memory.losesAnswer = true
            #expect(throws: StoreFailure.self) { try primary.answer(LeaseRequest(request, epoch: 10, sent: 0)) }
            guard case .granted = try primary.answer(LeaseRequest(request, epoch: 10, sent: 0)) else {
                Issue.record("\(request) was not granted again")
                continue
            }
        }
        #expect(record == LeaseRecord(epoch: 11, holder: 1, members: [2]))
    }

    @Test func releasedLeasesExpireAtOnce() throws {
        var primary = clerk(1)
        var replica = clerk(2)
        _ = try begin(&primary)
        _ = try primary.answer(LeaseRequest(.claim(members: [2]), epoch: 10, sent: 0))
        _ = try primary.answer(LeaseRequest(.release(hasEnded: false), epoch: 11, sent: 0))
        #expect(
            try replica.answer(LeaseRequest(.claim(members: nil), epoch: 11, sent: 3))
                == .granted(LeaseRecord(epoch: 12, holder: 2), sent: 3))
    }

    /// Whoever begins a new run leaves the old one's members their time; a program that has ended needs none.
    @Test func newRuns() throws {
        var old = clerk(1)
        var new = clerk(3)
        _ = try begin(&old)
        #expect(try begin(&new) == nil)
        clock.now += ClerkTests.life
        #expect(try begin(&new) == LeaseRecord(epoch: 11, holder: 3))
        _ = try new.answer(LeaseRequest(.claim(members: [2]), epoch: 11, sent: 0))
        var third = clerk(4)
        #expect(try begin(&third) == nil)
        clock.now += ClerkTests.life + 999
        #expect(try begin(&third) == nil)
        clock.now += 1
        #expect(try begin(&third) == LeaseRecord(epoch: 13, holder: 4))
        _ = try third.answer(LeaseRequest(.release(hasEnded: true), epoch: 13, sent: 0))
        var fourth = clerk(5)
        #expect(try begin(&fourth) == LeaseRecord(epoch: 14, holder: 5))
    }

    /// A life that the holder gave itself counts, even if the claimant's would be shorter.
    @Test func theLongerLifeCounts() throws {
        let clock = clock
        var patient = LeaseClerk(memory, node: 1, life: 5000) { clock.now }
        _ = try begin(&patient)
        var other = clerk(2)
        #expect(try begin(&other) == nil)
        clock.now += 4999
        #expect(try begin(&other) == nil)
        clock.now += 1
        #expect(try begin(&other) != nil)
    }

    @Test func foreignValuesAreLeftAlone() throws {
        memory.value = StoredValue(revision: 5, bytes: Array("hello".utf8))
        var clerk = clerk(1)
        #expect(throws: StoreFailure("what stands there is no lease of this version of castor")) { try clerk.look() }
        #expect(throws: StoreFailure.self) { try begin(&clerk) }
        memory.value = .none
        #expect(throws: StoreFailure("there is no lease of this name any more")) {
            try clerk.answer(LeaseRequest(.renew, epoch: 1, sent: 0))
        }
    }
}

struct TextTests {
    @Test func records() throws {
        for record in [
            LeaseRecord(epoch: 0, holder: 0),
            LeaseRecord(epoch: .max, holder: .max, members: [1, .max], hasEnded: true),
        ] {
            for isReleased in [false, true] {
                let lease = StoredLease(record, isReleased: isReleased, life: 535)
                #expect(try StoredLease(lease.bytes) == lease)
            }
        }
    }

    /// The test vectors of RFC 4648, and every byte.
    @Test func base64() {
        let vectors = [
            "": "", "f": "Zg==", "fo": "Zm8=", "foo": "Zm9v", "foob": "Zm9vYg==", "fooba": "Zm9vYmE=",
            "foobar": "Zm9vYmFy",
        ]
        for (text, code) in vectors {
            #expect(Base64.encode(text.utf8) == code)
            #expect(Base64.decode(code) == Array(text.utf8))
        }
        #expect(Base64.decode(Base64.encode(0...255)) == Array(0...255))
        for wrong in ["a", "abc", "ab!=", "=abc"] { #expect(Base64.decode(wrong) == nil) }
    }

    @Test func addresses() {
        let address = StoreAddress("etcd://a:1,[::1]:2379/the/name")
        #expect(
            address?.endpoints == ["a:1", "[::1]:2379"] && address?.name == "the/name" && address?.isEncrypted == false)
        #expect(StoreAddress("etcds://a:1/n")?.isEncrypted == true)
        for wrong in [
            "", "a:1/n", "etcd://", "etcd://a/n", "etcd://a:1", "etcd://a:1/", "etcd://a:0/n", "etcd://a:1,/n",
            "etcd://u:p@a:1/n", "http://a:1/n",
        ] {
            #expect(StoreAddress(wrong) == nil)
        }
    }
}
