/// What of a recording another build of its program follows (`castor replay --exe`): everything but the allocator's exchanges
/// with its heap and the calls about the address space, which that build makes in its own way. The rest of the policy is in
/// CastorRuntime/Lenient.swift.
import CTSXShim

public struct LenientLog {
    /// ThreadSanitizer decides by itself who runs a routine once and who initialises a static variable.
    private let withoutOnce: Bool
    /// Guards of static variables, whose release is an event too.
    private var guards: Set<UInt64> = []

    public init(withoutOnce: Bool = false) { self.withoutOnce = withoutOnce }

    /// Whether the event is followed; takes it out of orders that nobody keeps, and leaves of a call that is not made only its
    /// place in the order. To be asked about a stream's events in their order.
    public mutating func follows(_ entry: inout castor_entry) -> Bool {
        switch entry.kind {
        case CASTOR_EV_SYMBOL:
            if entry.nr >= CASTOR_SYM_malloc_refill && entry.nr <= CASTOR_SYM_free_large { return false }
            if withoutOnce, LenientLog.once.contains(entry.nr) {
                if entry.nr == CASTOR_SYM_cxa_guard { guards.insert(entry.object) }
                entry.kind = CASTOR_EV_SYSCALL_BEGIN
            }
        case CASTOR_EV_ATOMIC where withoutOnce && guards.contains(entry.object): entry.kind = CASTOR_EV_SYSCALL_BEGIN
        case CASTOR_EV_SYSCALL, CASTOR_EV_SYSCALL_BEGIN:
            guard castor_syscall_row_at(UInt64(entry.nr)).pointee.object == CASTOR_OBJ_MEMORY else { break }
            if !LenientLog.hasContent(entry) { return false }
        default: break
        }
        if entry.shard == CASTOR_SHARD_MEMORY || entry.shard == CASTOR_SHARD_HEAP {
            (entry.shard, entry.version) = (CASTOR_NO_SHARD, 0)
        }
        return true
    }

    private static let once = [CASTOR_SYM_pthread_once, CASTOR_SYM_pthread_once_run, CASTOR_SYM_cxa_guard]

    /// A mapping whose content comes from the log or a library, or that failed; System V memory.
    private static func hasContent(_ entry: castor_entry) -> Bool {
        let isMapping = entry.nr == 9 && entry.kind == CASTOR_EV_SYSCALL  // mmap
        if isMapping {
            return entry.flags & (CASTOR_MAP_BINARY | CASTOR_MAP_CONTENT | CASTOR_MAP_SHARED) != 0 || entry.result < 0
        }
        return entry.nr == 30 || entry.nr == 67  // shmat, shmdt
    }
}

/// Numbers of events in a log and among those that are followed: ring and report count the latter.
public struct FollowedNumbers {
    private let log: LogReader
    /// Of each stream that was asked for, the events that are not followed.
    private var left: [UInt32: [UInt64]] = [:]

    public init(_ log: LogReader) { self.log = log }

    /// So many of the stream's first `count` events are followed.
    public mutating func followed(of count: UInt64, stream: UInt32) throws -> UInt64 {
        let left = try notFollowed(stream)
        return count - UInt64(left.partitioningIndex { $0 >= count })
    }

    /// The number in the log of the event that `count` followed ones precede.
    public mutating func number(after count: UInt64, stream: UInt32) throws -> UInt64 {
        var number = count
        for gone in try notFollowed(stream) {
            if gone > number { break }
            number += 1
        }
        return number
    }

    private mutating func notFollowed(_ stream: UInt32) throws -> [UInt64] {
        if let known = left[stream] { return known }
        var policy = LenientLog()
        var gone: [UInt64] = []
        for place in log.chunks(stream: stream, events: 0..<UInt64.max) {
            try log.chunk(at: place).forEach(stream: stream) { number, entry, _ in
                var copy = entry.pointee
                if !policy.follows(&copy) { gone.append(number) }
            }
        }
        left[stream] = gone
        return gone
    }
}

extension Array {
    /// Index of the first element that `belongsToSecond`; all before it do not.
    public func partitioningIndex(_ belongsToSecond: (Element) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if belongsToSecond(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
