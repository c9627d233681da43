/// Decodes a log and feeds the rings of the replaying program, a little ahead of it. Notices when nothing can go on.
import CTSXShim
import CastorLog
import Glibc

final class ReplayAgent {
    private let segment: Segment
    private let control: Control
    private let log: LogReader
    private let isTotal: Bool
    /// The log stops before its program did: streams are replayed up to a consistent cut.
    private let isCut: Bool
    private var queues: [UInt32: StreamQueue] = [:]
    private var timelines: [UInt32: Timeline] = [:]
    private var order = LinearExtension()
    /// Streams whose end has been fed.
    private var ended: Set<UInt32> = []
    private var isRead = false
    /// Lines that are read and not yet fed, and how many are enough: a thread whose next event comes late in the log does
    /// not make the agent hold all that lies between, unless nothing goes on without it.
    private var decoded = 0
    private static let readAhead = 2 << 20
    private var isStarving = false
    /// Versions that no event has: passed on in place of threads that died holding them.
    private var gaps: [(shard: UInt32, version: UInt64)] = []
    private var polls = PollWatch()
    /// Another build than the recorded one replays.
    private var lenient: LenientLog?
    private lazy var numbers = FollowedNumbers(log)
    private var reminder = Reminder()
    private var counts = [UInt64](repeating: 0, count: Int(CASTOR_SHARDS))
    private var tops = [UInt64](repeating: 0, count: Int(CASTOR_SHARDS))

    init(segment: Segment, control: Control, directory: String, isTotal: Bool, allowTruncated: Bool) throws {
        self.segment = segment
        self.control = control
        self.isTotal = isTotal
        log = try LogReader(directory: directory, allowTruncated: allowTruncated)
        isCut = log.isTruncated || log.ending?.tail != .complete
        segment.base.pointee.order = isTotal ? CASTOR_ORDER_TOTAL : CASTOR_ORDER_PARTIAL
        if segment.base.pointee.options & CASTOR_OPT_LENIENT != 0 {
            lenient = LenientLog(withoutOnce: segment.base.pointee.lenient.finds_races != 0)
        }
        segment.base.pointee.stream_count = UInt32(log.totals.count)
    }

    func run() {
        var pause = 1
        var quiet = 0
        var seen: UInt64 = 0
        var stalled = castor_rdtsc()
        do {
            while true {
                if let message = control.receive(), message.hasPrefix("quit") { return }
                if control.isClosed { return }
                let moved = try feedAll() + passGaps()
                if moved == 0 { reminder.replaying(segment) }
                if moved == 0, log.isAtEnd, queues.values.allSatisfy({ $0.ready == 0 }) {
                    castor_store32(castor_segment_all_fed(segment.base), 1)
                }
                if castor_load32(castor_report_kind(castor_segment_report(segment.base))) != 0 {
                    control.send("diverged")
                    return waitForQuit()
                }
                pause = moved > 0 ? 1 : min(pause * 2, 64)
                let progress = consumed()
                if moved > 0 || progress != seen { (quiet, stalled) = (0, castor_rdtsc()) } else { quiet += pause }
                isStarving = quiet > 10
                seen = progress
                if quiet > 1000 {
                    if isCut, isDeadlocked() {  // a lock whose holder's stream was cut off before it let go
                        control.send("cut")
                        return waitForQuit()
                    }
                    if isDeadlocked() || isStalled(ticks: castor_rdtsc() - stalled) {
                        reportDeadlock()
                        control.send("deadlock")
                        return waitForQuit()
                    }
                    quiet = 0
                }
                segment.sleep(milliseconds: pause) { false }
            }
        } catch {
            control.send("failed \(error)")
        }
    }

    private func waitForQuit() {
        while !control.isClosed, control.receive() == nil { usleep(10_000) }
    }

    // MARK: - Feeding

    private func feedAll() throws -> Int {
        var moved = 0
        for i in 0..<segment.ringsUsed {
            let ring = segment.ring(i)
            let state = segment.state(ring)
            if state == CASTOR_RING_DONE {
                segment.free(ring, i)
                moved += 1
            } else if state == CASTOR_RING_LIVE {
                moved += try feed(ring)
            }
        }
        if !isRead, log.isAtEnd { try readChunk() }  // what follows from the whole log: gaps, the last places
        if isTotal { tellPlaces() }
        return moved
    }

    /// Nobody waits for a thread whose next event comes later than all that has a place: it may be far on in the log.
    private func tellPlaces() {
        for i in 0..<segment.ringsUsed {
            let ring = segment.ring(i)
            if segment.state(ring) != CASTOR_RING_LIVE || queues[ring.pointee.stream]?.ready ?? 0 > 0 { continue }
            castor_store(castor_ring_not_before(ring), order.next)
        }
    }

    private func feed(_ ring: UnsafeMutablePointer<castor_ring>) throws -> Int {
        let stream = ring.pointee.stream
        timelines[stream]?.forget(before: castor_load(castor_ring_events(ring)))
        var moved = 0
        while true {
            let fed = queues[stream]?.feed(ring) ?? 0
            moved += fed
            decoded -= fed
            let buffered = ring.pointee.tail - castor_load(castor_ring_head(ring))
            if buffered > ring.pointee.mask / 2 || (queues[stream]?.ready ?? 0) > 0 { return moved }
            // Events without a place wait for others', which the log may have further on.
            let unplaced = queues[stream]?.unplaced ?? 0
            if isRead || (!isCut && unplaced == 0 && isComplete(stream)) {
                if !ended.contains(stream), unplaced == 0,
                    (queues[stream] ?? StreamQueue()).feedEnd(ring)
                {
                    ended.insert(stream)
                    moved += 1
                }
                return moved
            }
            if decoded > ReplayAgent.readAhead, !isStarving { return moved }
            try readChunk()
        }
    }

    /// The log has no more of the stream than what has been read.
    private func isComplete(_ stream: UInt32) -> Bool {
        (queues[stream]?.events ?? 0) >= (Int(stream) < log.totals.count ? log.totals[Int(stream)] : 0)
    }

    private func readChunk() throws {
        guard let chunk = try log.nextChunk() else {
            isRead = true
            if isCut {
                for stream in queues.keys { queues[stream]!.dropUnplaced() }
            } else if isTotal {
                gaps += order.advance(&queues, atEnd: true)
            } else {
                try findGaps()
            }
            return
        }
        for run in chunk.runs {
            guard let decoder = chunk.decoder(stream: run.stream) else { continue }
            var queue = queues.removeValue(forKey: run.stream) ?? StreamQueue()
            var timeline = timelines.removeValue(forKey: run.stream) ?? Timeline()
            var entry = castor_entry()
            while let payload = try decoder.next(&entry) {
                if lenient?.follows(&entry) == false {
                    queue.events += 1
                    continue
                }
                if entry.shard != CASTOR_NO_SHARD {
                    guard entry.shard < CASTOR_SHARDS else { throw LogError.invalid("shard \(entry.shard) in the log") }
                    let isLoad = entry.kind == CASTOR_EV_LOAD  // it takes no version, but waits for those before
                    counts[Int(entry.shard)] += isLoad ? 0 : 1
                    tops[Int(entry.shard)] = max(tops[Int(entry.shard)], entry.version + (isLoad ? 0 : 1))
                }
                polls.see(entry, run.stream, segment)
                timeline.see(stamp: entry.stamp)
                if lenient != nil, entry.kind == CASTOR_EV_FORK_CUT {
                    try append(cut: &entry, payload, to: &queue)
                } else {
                    queue.append(&entry, payload)
                }
                decoded += 1 + Int(castor_lines(UInt64(payload.count)))
            }
            if !isTotal, !isCut { queue.placeAll() }
            queues[run.stream] = queue
            timelines[run.stream] = timeline
        }
        if isTotal || isCut { _ = order.advance(&queues, atEnd: false) }
    }

    /// Where the other threads stood at a fork, in events that are followed.
    private func append(cut entry: inout castor_entry, _ payload: UnsafeRawBufferPointer, to queue: inout StreamQueue)
        throws
    {
        var places = Array(payload.bindMemory(to: castor_place.self))
        for i in places.indices where places[i].stream != CASTOR_NO_SHARD {
            places[i].events = try numbers.followed(of: places[i].events, stream: places[i].stream)
        }
        places.withUnsafeBytes { queue.append(&entry, $0) }
    }

    // MARK: - Gaps

    /// A thread that was killed between taking a version and publishing its event leaves a gap in its shard.
    private func findGaps() throws {
        let shards = (0..<CASTOR_SHARDS).filter { counts[Int($0)] != tops[Int($0)] }
        if shards.isEmpty { return }
        var seen: [UInt32: Set<UInt64>] = [:]
        for shard in shards { seen[shard] = [] }
        for number in 0..<log.index.chunks.count {
            let chunk = try log.chunk(at: number)
            for run in chunk.runs {
                try chunk.forEach(stream: run.stream) { _, entry, _ in
                    if entry.pointee.kind != CASTOR_EV_LOAD { seen[entry.pointee.shard]?.insert(entry.pointee.version) }
                }
            }
        }
        for (shard, versions) in seen {
            for version in 0..<tops[Int(shard)] where !versions.contains(version) { gaps.append((shard, version)) }
        }
    }

    private func passGaps() -> Int {
        var passed = 0
        gaps.removeAll { gap in
            let word = castor_version(segment.base, gap.shard)
            if castor_load(word) != gap.version { return false }
            _ = castor_fetch_add(word, 1)
            Futex.wakeBits(word)
            passed += 1
            return true
        }
        return passed
    }

    // MARK: - Deadlock

    /// Grows with every event that a thread consumes.
    private func consumed() -> UInt64 {
        (0..<segment.ringsUsed).reduce(0) {
            $0 &+ castor_load(castor_ring_head(segment.ring($1))) &+ UInt64(segment.ring($1).pointee.stream)
        }
    }

    /// Whether every thread waits for something that cannot come; nothing has moved since the last look. A thread
    /// that runs (or that a debugger holds) makes the answer no.
    private func isDeadlocked() -> Bool {
        var stuck = 0
        for i in 0..<segment.ringsUsed {
            let ring = segment.ring(i)
            guard segment.state(ring) == CASTOR_RING_LIVE else { continue }
            switch ring.pointee.waiting {
            case CASTOR_PARKED, CASTOR_WAIT_OTHERS: continue
            case CASTOR_WAIT_REAL: stuck += 1
            case CASTOR_WAIT_TURN:
                if hasCome(ring.pointee.wait_shard) >= ring.pointee.wait_version { return false }
                stuck += 1
            case CASTOR_WAIT_FEED:
                if !isRead || castor_load(castor_ring_tail(ring)) != castor_load(castor_ring_head(ring)) {
                    return false
                }
                stuck += 1
            default: return false
            }
        }
        return stuck > 0
    }

    /// How far that has come for which a thread waits: see CASTOR_WAIT_TURN.
    private func hasCome(_ shard: UInt32) -> UInt64 {
        if shard == CASTOR_NO_SHARD { return castor_load(castor_segment_turn(segment.base)) }
        if shard < CASTOR_SHARDS { return castor_load(castor_version(segment.base, shard)) }
        return castor_load(castor_progress_count(castor_progress_of(segment.base, shard - CASTOR_SHARDS)))
    }

    /// Whether threads wait for one that computes (or spins) far longer than it did in the recording: ten times as
    /// long, and ten seconds more. Nobody is hurried under a debugger.
    private func isStalled(ticks: UInt64) -> Bool {
        if segment.base.pointee.options & CASTOR_OPT_PATIENT != 0 || ticks < 10 * ticksPerSecond { return false }
        var waiting = 0
        for i in 0..<segment.ringsUsed {
            let ring = segment.ring(i)
            guard segment.state(ring) == CASTOR_RING_LIVE else { continue }
            switch ring.pointee.waiting {
            case CASTOR_WAIT_TURN: waiting += 1
            case CASTOR_RUNNING: if ticks - 10 * ticksPerSecond < 10 * max(recordedGap(ring), ticksPerSecond) { return false }
            default: break
            }
        }
        return waiting > 0
    }

    /// TSC ticks that the recording took from this thread's last event to its next, or somewhat more.
    private func recordedGap(_ ring: UnsafeMutablePointer<castor_ring>) -> UInt64 {
        guard let timeline = timelines[ring.pointee.stream] else { return 0 }
        if let gap = timeline.gap(before: castor_load(castor_ring_events(ring))) { return gap }
        if !isRead { return .max / 10 }  // it may come
        let end = timelines.values.reduce(0) { max($0, $1.last) }
        return end > timeline.last ? end - timeline.last : 0
    }

    /// Measured once against the clock.
    private lazy var ticksPerSecond: UInt64 = {
        let start = castor_rdtsc()
        usleep(20_000)
        return (castor_rdtsc() - start) * 50
    }()

    /// The report names the thread that has waited for the oldest version.
    private func reportDeadlock() {
        let report = castor_segment_report(segment.base)
        let anyWaitsForTurn = (0..<segment.ringsUsed).contains {
            segment.state(segment.ring($0)) == CASTOR_RING_LIVE && segment.ring($0).pointee.waiting == CASTOR_WAIT_TURN
        }
        for i in 0..<segment.ringsUsed {
            let ring = segment.ring(i)
            guard segment.state(ring) == CASTOR_RING_LIVE, ring.pointee.waiting == CASTOR_WAIT_TURN || !anyWaitsForTurn
            else { continue }
            report.pointee.stream = ring.pointee.stream
            report.pointee.pid = ring.pointee.pid
            report.pointee.tid = ring.pointee.tid
            report.pointee.event = ring.pointee.events
            report.pointee.expected = castor_slot(ring, ring.pointee.head).pointee
            break
        }
        castor_store32(castor_report_kind(report), CASTOR_DIVERGENCE_DEADLOCK)
    }
}
