/// Places the events of all streams in one order that keeps every stream's order and every shard's versions: a
/// linear extension of the log. Among events that could go next, the one with the oldest time stamp does.
import CTSXShim

struct LinearExtension {
    /// The version that each shard has come to.
    private(set) var versions = [UInt64](repeating: 0, count: Int(CASTOR_SHARDS))
    /// The place of the event that is placed next.
    private(set) var next: UInt64 = 0
    /// Streams whose creation has a place.
    private(set) var created: Set<UInt32> = [0]
    /// Last stamp seen per stream: events without one are taken to follow at once.
    private var stamps: [UInt32: UInt64] = [:]

    /// Places what can be placed, writing its place into each entry's stamp. With `atEnd`, versions that no event has
    /// (their threads were killed between taking and logging one) are skipped and returned.
    mutating func advance(_ queues: inout [UInt32: StreamQueue], atEnd: Bool) -> [(shard: UInt32, version: UInt64)] {
        var gaps: [(shard: UInt32, version: UInt64)] = []
        var left: Set<Place>?
        while true {
            var best: UInt32?
            var bestStamp = UInt64.max
            var secondStamp = UInt64.max
            for (stream, queue) in queues {
                guard let head = queue.head, isReady(head, stream) else { continue }
                let stamp = head.pointee.stamp != 0 ? head.pointee.stamp : stamps[stream] ?? 0
                if stamp < bestStamp || (stamp == bestStamp && stream < best ?? 0) {
                    secondStamp = bestStamp
                    (best, bestStamp) = (stream, stamp)
                } else if stamp < secondStamp {
                    secondStamp = stamp
                }
            }
            if let best {
                place(best, &queues, until: secondStamp)
            } else if atEnd {
                if left == nil { left = unplaced(queues) }
                guard let gap = skipGap(queues, left!) else { return gaps }
                gaps.append(gap)
            } else {
                return gaps
            }
        }
    }

    /// What has a place beyond these versions has none any more.
    mutating func come(to versions: [UInt64]) { self.versions = versions }

    private func isReady(_ entry: UnsafeMutablePointer<castor_entry>, _ stream: UInt32) -> Bool {
        if entry.pointee.kind == CASTOR_EV_THREAD_START { return created.contains(stream) }
        if entry.pointee.shard == CASTOR_NO_SHARD { return true }
        let version = versions[Int(entry.pointee.shard)]
        return entry.pointee.kind == CASTOR_EV_LOAD ? entry.pointee.version <= version : entry.pointee.version == version
    }

    /// A run of one stream's events, up to the next stream's time.
    private mutating func place(_ stream: UInt32, _ queues: inout [UInt32: StreamQueue], until limit: UInt64) {
        var stamp = stamps[stream] ?? 0
        while let head = queues[stream]!.head, isReady(head, stream) {
            if head.pointee.stamp != 0 {
                if stamp != 0, head.pointee.stamp > limit { break }
                stamp = head.pointee.stamp
            }
            let isFork =
                head.pointee.kind == CASTOR_EV_SYSCALL
                && castor_syscall_row_at(UInt64(head.pointee.nr)).pointee.replay == CASTOR_REPLAY_THREAD
            if isFork || head.pointee.kind == CASTOR_EV_EXEC
                || (head.pointee.kind == CASTOR_EV_SYMBOL && head.pointee.nr == CASTOR_SYM_pthread_create)
            {
                created.insert(UInt32(truncatingIfNeeded: head.pointee.value))
            }
            if head.pointee.shard != CASTOR_NO_SHARD, head.pointee.kind != CASTOR_EV_LOAD {
                versions[Int(head.pointee.shard)] += 1
            }
            head.pointee.stamp = next
            next += 1
            queues[stream]!.placeHead()
            if stamp > limit { break }
        }
        stamps[stream] = stamp
    }

    private struct Place: Hashable {
        var shard: UInt32
        var version: UInt64
    }

    private func unplaced(_ queues: [UInt32: StreamQueue]) -> Set<Place> {
        var left: Set<Place> = []
        for queue in queues.values {
            queue.forEachUnplaced { left.insert(Place(shard: $0.pointee.shard, version: $0.pointee.version)) }
        }
        return left
    }

    /// Everything waits: a version that an event waits for and that no event has becomes current.
    private mutating func skipGap(_ queues: [UInt32: StreamQueue], _ left: Set<Place>) -> (
        shard: UInt32, version: UInt64
    )? {
        for queue in queues.values {
            guard let head = queue.head, head.pointee.shard != CASTOR_NO_SHARD else { continue }
            let shard = head.pointee.shard
            let missing = versions[Int(shard)]
            if head.pointee.version > missing, !left.contains(Place(shard: shard, version: missing)) {
                versions[Int(shard)] += 1
                return (shard, missing)
            }
        }
        return nil
    }
}
