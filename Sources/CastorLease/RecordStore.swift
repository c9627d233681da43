/// A store as the lease needs it: one value, of which every change is counted, replaced by compare-and-swap only.

protocol RecordStore: AnyObject {
    func read() throws(StoreFailure) -> StoredValue
    /// Writes `bytes` if the value's revision is that one. Writing the same bytes again counts as a change.
    func replace(_ bytes: [UInt8], ifRevision revision: Int64) throws(StoreFailure) -> Replacement
}

struct StoredValue: Equatable {
    /// Grows with every change; 0: there is no value.
    var revision: Int64
    var bytes: [UInt8]

    static let none = StoredValue(revision: 0, bytes: [])
}

enum Replacement: Equatable {
    case written(revision: Int64)
    /// Somebody else was there first; the value as it is.
    case refused(StoredValue)
}

/// The store did not answer, or not as it should. What was asked may have been done all the same.
public struct StoreFailure: Error, Equatable, CustomStringConvertible {
    public let description: String
    init(_ text: String) { description = text }
}
