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
        if isMapping { return entry.flags & (CASTOR_MAP_BINARY | CASTOR_MAP_CONTENT | CASTOR_MAP_SHARED) != 0 || entry.result < 0 }
        return entry.nr == 30 || entry.nr == 67  // shmat, shmdt
    }

    /// The number that a stream's `fed`th followed event has in the log.
    public mutating func number(ofFollowed fed: UInt64, stream: UInt32, in log: LogReader) throws -> UInt64 {
        var left = fed
        var number: UInt64?
        for place in log.chunks(stream: stream, events: 0..<UInt64.max) where number == nil {
            try log.chunk(at: place).forEach(stream: stream) { index, entry, _ in
                var copy = entry.pointee
                guard number == nil, follows(&copy) else { return }
                if left == 0 { number = index }
                left &-= 1
            }
        }
        return number ?? (Int(stream) < log.totals.count ? log.totals[Int(stream)] : fed)
    }
}
