/// When the events of one stream were recorded, as far as the log has time stamps: most events have none of their own.
struct Timeline {
    private var marks: [(event: UInt64, stamp: UInt64)] = []
    private var events: UInt64 = 0

    /// The stream's next event.
    mutating func see(stamp: UInt64) {
        if stamp != 0 { marks.append((events, stamp)) }
        events += 1
    }

    /// At least the ticks that passed in the recording between the stream's event `event` and the one before it, and no
    /// more than those between the stamps on both sides of them. Nil when no stamp from that event on has been read.
    func gap(before event: UInt64) -> UInt64? {
        guard let next = marks.firstIndex(where: { $0.event >= event }) else { return nil }
        return next == 0 ? 0 : marks[next].stamp &- marks[next - 1].stamp
    }
    /// The last stamp that has been read.
    var last: UInt64 { marks.last?.stamp ?? 0 }

    /// What lies before the event is no longer asked for.
    mutating func forget(before event: UInt64) {
        guard marks.count > 4096, let first = marks.firstIndex(where: { $0.event >= event }) else { return }
        if first > 2048 { marks.removeFirst(first - 1) }
    }
}
