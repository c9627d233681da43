/// What can go wrong with a log, as the user meets it. Broken invariants trap instead.
public enum LogError: Error, Equatable, Sendable {
    /// No log, or a part of one, at this path.
    case missing(path: String)
    /// A new log was to be made where something already is.
    case exists(path: String)
    /// Bytes that are not what the writer wrote. `offset` counts bytes from the start of the file at `path`.
    case damaged(path: String, offset: UInt64, reason: String)
    /// Written in a format that this version does not read.
    case version(found: UInt64)
    /// The log ends early: no end chunk, or a partial chunk or foreign bytes at its end. The first
    /// `eventsReadable` events can be read by opening the log with `allowTruncated`.
    case truncated(eventsReadable: UInt64)
    /// The system refused to open or read a file.
    case read(path: String, errno: Int32)
    /// The system refused to create or write a file; the log keeps its last whole chunk.
    case write(errno: Int32)
    /// The caller handed over something that a log cannot hold.
    case invalid(String)
}

extension LogError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .missing(let path): "\(path): no log there"
        case .exists(let path): "\(path): already exists and is not empty"
        case .damaged(let path, let offset, let reason): "\(path): damaged at byte \(offset): \(reason)"
        case .version(let found): "log format \(found) is not supported (this version reads \(readableLogFormats.lowerBound) to \(logFormatVersion))"
        case .truncated(let events): "the log is cut off; \(events) events are readable"
        case .read(let path, let code): "\(path): \(errorText(code))"
        case .write(let code): "cannot write the log: \(errorText(code))"
        case .invalid(let reason): reason
        }
    }
}

/// The format that this version writes. Every older one stays readable.
public let logFormatVersion: UInt16 = 3
let readableLogFormats: ClosedRange<UInt64> = 1...UInt64(logFormatVersion)
