/// The record as it stands in the store, as JSON: numbers of 64 bits in it are hexadecimal strings, for people and other programs to read.
import CastorLog
import CastorStandby

struct StoredLease: Equatable {
    var record: LeaseRecord
    /// The holder has given the lease away: it has expired.
    var isReleased = false
    /// How long the lease lasts, by a claimant's clock, when the record is not written again.
    var life: Milliseconds

    var bytes: [UInt8] {
        func text(_ number: UInt64) -> JSON { .string(String(number, radix: 16)) }
        let members: [(String, JSON)] = [
            ("castor", JSON(StoredLease.version)), ("epoch", text(record.epoch)), ("holder", text(record.holder)),
            ("members", .array(record.members.map(text))), ("ended", .bool(record.hasEnded)),
            ("released", .bool(isReleased)),
            ("life", JSON(life)),
        ]
        return Array(JSON.object(members.map { JSON.Member($0.0, $0.1) }).text().utf8)
    }

    private static let version = 1

    init(_ record: LeaseRecord, isReleased: Bool = false, life: Milliseconds) {
        (self.record, self.isReleased, self.life) = (record, isReleased, life)
    }

    init(_ bytes: [UInt8]) throws(StoreFailure) {
        func number(_ value: JSON?) -> UInt64? { value?.string.flatMap { UInt64($0, radix: 16) } }
        guard let json = try? JSON(parsing: bytes), json["castor"]?.integer(Int.self) == StoredLease.version,
            let epoch = number(json["epoch"]), let holder = number(json["holder"]),
            let members = json["members"]?.array,
            let hasEnded = json["ended"]?.bool, let isReleased = json["released"]?.bool,
            let life = json["life"]?.integer(Milliseconds.self), !members.contains(where: { number($0) == nil })
        else { throw StoreFailure("what stands there is no lease of this version of castor") }
        record = LeaseRecord(epoch: epoch, holder: holder, members: members.compactMap(number), hasEnded: hasEnded)
        (self.isReleased, self.life) = (isReleased, life)
    }
}
