/// Follows a log that is still being written and feeds the rings of a program that replays it, until it is told that the program is
/// to go on by itself: then it records.
///
/// An event is fed when all that it depends on is in the log, for a primary that dies takes with it what its rings still held: an
/// unlock that was not logged yet may stand between two locks that were. So the standby never waits for an event that will not come,
/// and what has no place when the log has ended did not happen, since nothing that came of it was let out.
import CTSXShim
import CastorLog
import CastorStandby
import CastorTCP
import Glibc

final class StandbyAgent {
    private let segment: Segment
    private let control: Control
    private let log: GrowingLog
    private var queues: [UInt32: StreamQueue] = [:]
    private var order = LinearExtension()
    private var closure = Closure()
    private var polls = PollWatch()
    private var reminder = Reminder()
    private var isToGoLive = false
    /// A signal ended the program, and when.
    private var death: (signal: Substring, time: Milliseconds)?
    /// So long may the log take to say that the same happened to the primary's.
    private static let grace: Milliseconds = 1000
    private var saidEnded = false
    /// Lets no end of a connection out before the connections are here.
    private let gate: EgressGate?
    private var lingering = Lingering()
    private var openings = Openings()
    /// Streams that were told that they end.
    private var ended: Set<UInt32> = []
    /// By stream whose last event is that it executed a program: that one's stream, which shows that it did, and the counter then.
    private var executed: [UInt32: (next: UInt32, time: UInt64)] = [:]
    /// By stream: when the call that made it was logged. That of a vfork is when its child has executed a program, or has ended.
    private var made: [UInt32: UInt64] = [:]
    /// By stream whose last event is that it executed a program that is not recorded: when that came.
    private var left: [UInt32: Milliseconds] = [:]
    /// Longer than the primary's agent leaves an event in its ring: one that failed would have been followed by another.
    private static let patience: Milliseconds = 1500
    /// By process that has executed a program: streams from this one on are the new program's.
    private var replaced: [UInt32: UInt32] = [:]
    /// Where the log comes from; nil: somebody else writes its file.
    private let node: ReplicaNode?
    /// By stream: the ring that it is fed into; of one that has ended, its events.
    private var rings: [UInt32: UInt32] = [:]
    private var done: [UInt32: UInt64] = [:]
    /// In the log, so far.
    private var events: UInt64 = 0
    private var standstill = Standstill()
    private var hasTakenBack = false

    init(segment: Segment, control: Control, directory: String, node: ReplicaNode? = nil) throws {
        self.segment = segment
        self.control = control
        self.node = node
        gate = EgressGate(words: CommandLine.arguments, control: control)
        gate?.blockEnds(true)
        gate?.collect(seconds: StandbyAgent.collecting)
        node?.begin(gate)
        log = try GrowingLog(directory: directory)
        segment.base.pointee.order = CASTOR_ORDER_PARTIAL
        segment.base.pointee.stream_count = 1
    }

    /// Returns when the program has ended, on standby or live.
    func run() throws {
        defer { leave() }
        var pause = 1
        while true {
            while let message = control.receive() {
                if message == "live" { isToGoLive = true }
                if message == "quit" { return }
                if message.hasPrefix("signalled ") { death = (message.dropFirst(10), now()) }
            }
            if control.isClosed { return }
            gate?.collect(seconds: StandbyAgent.collecting)
            let received = node?.received ?? 0
            var moved = try read()
            moved += feedAll()
            closure.advance(replayed)
            if moved == 0 { reminder.replaying(segment) }
            lingering.sweep(segment)
            if castor_load32(castor_report_kind(castor_segment_report(segment.base))) != 0 {
                let report = castor_segment_report(segment.base).pointee
                return giveUp("the replay does not do what the log says, at event \(report.event) of thread \(report.stream)", "diverged")
            }
            if moved == 0, log.ending != nil, !saidEnded {
                saidEnded = true
                try sayEnded()
            }
            if let death {
                if log.ending == nil, now() - death.time >= StandbyAgent.grace {
                    let reason = "the replay was ended by signal \(death.signal)"
                    return giveUp(reason, "rejoin \(reason)")
                }
                segment.sleep(milliseconds: 10) { false }
                continue
            }
            if moved == 0, isToGoLive, node == nil {
                for stream in queues.keys { queues[stream]!.dropUnplaced() }
                let isAtEnd = isAtEnd
                if !isAtEnd, standstill.lasts(segment) { takeBack() }
                if isAtEnd || hasTakenBack { return try goLive() }
            }
            if let node, try obey(node, moved, received) { return }
            pause = moved > 0 ? 1 : min(pause * 2, 16)
            segment.sleep(milliseconds: pause) { node?.received ?? received != received || hasAdvanced }
        }
    }

    /// This agent takes nothing over any more. The gate is as it was before: who uses the address later gets what is sent to it, and ends
    /// connections.
    private func leave() {
        if castor_load32(castor_segment_live(segment.base)) != 0 { return }
        gate?.collect(seconds: 0)
        gate?.blockEnds(false)
    }

    /// There is no replay any more: the primary is to know, and castor.
    private func giveUp(_ reason: String, _ message: String) {
        node?.diverged(reason)
        control.send(message)
        while !control.isClosed, control.receive() != "quit" { usleep(10_000) }
    }

    /// The program has done more of the log since the last look. Somebody waits for word of that.
    private var hasAdvanced: Bool {
        let before = closure.position
        closure.advance(replayed)
        return closure.position != before
    }

    /// The program ended by itself: the standby's ends with it.
    private func sayEnded() throws {
        switch log.ending?.outcome {
        case .exited(let code): segment.base.pointee.final_code = UInt32(code)
        case .signalled(let number): segment.base.pointee.final_signal = UInt32(number)
        default: break
        }
        control.send("ended")
    }

    /// Tells how far the replay is and does what is to be done about the primary. Whether there is no replay any more.
    private func obey(_ node: ReplicaNode, _ moved: Int, _ received: Position) throws -> Bool {
        node.advance(to: closure.position)
        if isToGoLive {
            isToGoLive = false
            node.takeOver()
        }
        let wishes = node.takeWishes()
        if moved == 0, isAtEnd || (wishes.isToDrain && standstill.lasts(segment)) {
            closure.advance(replayed)
            node.advance(to: closure.position)
            node.idle(received: received)
        }
        if let start = node.takeWishes().start {
            for stream in queues.keys { queues[stream]!.dropUnplaced() }
            if !isAtEnd { takeBack() }
            try goLive(start)
            return true
        }
        if let reason = wishes.end, log.ending == nil { throw wishes.isToRejoin ? StandbyEnd.rejoin(reason) : .text(reason) }
        return false
    }

    /// Events of a stream that its thread has done.
    private func replayed(_ stream: UInt32) -> UInt64 {
        if let index = rings[stream] {
            let ring = segment.ring(index)
            if ring.pointee.stream == stream, segment.state(ring) == CASTOR_RING_LIVE { return ring.pointee.events }
        }
        return done[stream] ?? 0
    }

    // MARK: - Feeding

    private func read() throws -> Int {
        var chunks = 0
        while chunks < 64, let chunk = try log.nextChunk() {
            chunks += 1
            closure.append(chunk.runs, end: log.length)
            events += chunk.runs.reduce(0) { $0 + UInt64($1.events) }
            node?.read(events: events, to: log.length)
            for opening in chunk.openings { openings.append(opening, done: replayed) }
            for run in chunk.runs {
                guard let decoder = chunk.decoder(stream: run.stream) else { continue }
                var queue = queues.removeValue(forKey: run.stream) ?? StreamQueue()
                var entry = castor_entry()
                while let payload = try decoder.next(&entry) {
                    if entry.shard != CASTOR_NO_SHARD, entry.shard >= CASTOR_SHARDS {
                        throw LogError.invalid("shard \(entry.shard) in the log")
                    }
                    polls.see(entry, run.stream, segment)
                    let isExec = entry.kind == CASTOR_EV_EXEC, isRecorded = entry.flags & CASTOR_UNRECORDED == 0
                    executed[run.stream] = isExec && isRecorded ? (UInt32(entry.value), entry.stamp) : nil
                    left[run.stream] = isExec && !isRecorded ? now() : nil
                    if entry.kind == CASTOR_EV_SYSCALL, [56, 58, 435].contains(entry.nr) {  // clone, vfork, clone3
                        made[UInt32(truncatingIfNeeded: entry.value)] = entry.stamp
                    }
                    openings.see(entry, payload, run.stream, queue.events)
                    queue.append(&entry, payload)
                }
                queues[run.stream] = queue
            }
        }
        if chunks > 0 { _ = order.advance(&queues, atEnd: false) }
        return chunks
    }

    private func feedAll() -> Int {
        var moved = 0
        for i in 0..<segment.ringsUsed {
            let ring = segment.ring(i)
            switch segment.state(ring) {
            case CASTOR_RING_DONE:
                done[ring.pointee.stream] = ring.pointee.events
                segment.free(ring, i)
                moved += 1
            case CASTOR_RING_LIVE:
                let stream = ring.pointee.stream
                rings[stream] = i
                moved += queues[stream]?.feed(ring) ?? 0
                if saidEnded || hasExecuted(stream, ring.pointee.pid), queues[stream]?.ready ?? 0 == 0, !ended.contains(stream),
                    (queues[stream] ?? StreamQueue()).feedEnd(ring)
                {
                    ended.insert(stream)
                    moved += 1
                }
            default: break
            }
        }
        return moved
    }

    /// Whether the stream ends because its process is another program now, of which there is something to replay.
    private func hasExecuted(_ stream: UInt32, _ process: UInt32) -> Bool {
        guard queues[stream]?.unplaced ?? 0 == 0 else { return false }
        if let time = left[stream] { return now() - time >= StandbyAgent.patience }
        if let it = executed[stream], queues[it.next]?.placedEvents ?? 0 > 0 || made[stream] ?? 0 > it.time {
            replaced[process] = it.next
            return true
        }
        // The process's other threads are gone, too.
        return replaced[process].map { stream < $0 } ?? false
    }

    // MARK: - Going live

    /// Every event that has a place has been done: nothing moves until `live` is set.
    private var isAtEnd: Bool {
        if queues.values.contains(where: { $0.ready > 0 }) { return false }
        for i in 0..<segment.ringsUsed {
            let ring = segment.ring(i)
            if segment.state(ring) == CASTOR_RING_DONE { return false }
            if segment.state(ring) == CASTOR_RING_LIVE,
                castor_load(castor_ring_tail(ring)) != castor_load(castor_ring_head(ring))
            {
                return false
            }
        }
        return order.versions.indices.allSatisfy {
            castor_load(castor_version(segment.base, UInt32($0))) == order.versions[$0]
        }
    }

    /// What has not been done never will be: it waits for a thread that is to unlock something, after events that are not in the log.
    /// Nothing that came of it was let out, for it was not done here.
    private func takeBack() {
        hasTakenBack = true
        for i in 0..<segment.ringsUsed where segment.state(segment.ring(i)) == CASTOR_RING_LIVE {
            let ring = segment.ring(i)
            castor_store(castor_ring_tail(ring), castor_load(castor_ring_head(ring)))
        }
        for stream in queues.keys { queues[stream]!.keep(events: replayed(stream)) }
        order.come(to: (0..<CASTOR_SHARDS).map { castor_load(castor_version(segment.base, $0)) })
    }

    /// `start`: what the primary that this becomes knows of others.
    private func goLive(_ start: PrimaryMachine.Start? = nil) throws {
        let words = CommandLine.arguments
        let options = StandbyOptions(words: words)
        gate?.open(untilMilliseconds: start?.leaseSent.map { $0 + Milliseconds(options.agreement.lease) } ?? .max)
        let waiting = openings.waiting { queues[$0]?.placedEvents ?? 0 }
        let writer = try continueLog()
        // Before anything that takes its time: the lease has to be renewed.
        var primary: PrimaryNode?
        let replicas = words.pairs("replica")
        if var start, let node, !replicas.isEmpty || options.hasStore {
            // The term begins where the log was cut off: what follows are other bytes than the old primary's.
            start.written = closure.position
            segment.base.pointee.options |= CASTOR_OPT_COMMIT | CASTOR_OPT_NO_OWNERS
            primary = PrimaryNode(
                segment: segment, control: control, directory: log.directory, options: options, log: logNumber(words), gate: gate,
                tls: node.tls, id: node.id, lease: node.lease)
            primary!.start(start, replicas: replicas)
        }
        if let primary {
            // Before the kernel can acknowledge what the log does not have.
            primary.watch.adopt()
            gate?.answerStrangers(seconds: StandbyAgent.strangers)
            gate?.setMode(.guard)
        } else {
            // Also if this machine's gate is one that an earlier primary here has left.
            gate?.setMode(.pass)
        }
        takeOver(waiting)
        // While recording the words of the compiler plane's shards are locks, too.
        for shard in CASTOR_SHARD_ATOMICS..<CASTOR_SHARDS {
            castor_store(castor_version(segment.base, shard), order.versions[Int(shard)] << 1)
        }
        castor_store32(castor_segment_next_stream(segment.base), (order.created.max() ?? 0) + 1)
        segment.base.pointee.mode = CASTOR_MODE_RECORD
        castor_store32(castor_segment_live(segment.base), 1)
        for i in 0..<segment.ringsUsed { Futex.wake(castor_ring_tail(segment.ring(i))) }
        control.send("live")
        node?.wentLive(primary)
        RecordAgent(segment: segment, control: control, log: writer, primary: primary).run()
    }

    /// Seconds for which the gate goes on collecting without this process.
    private static let collecting: UInt32 = 10

    /// So many seconds after a take-over clients may still send on connections that it could not take over.
    private static let strangers: UInt32 = 60

    /// `waiting`: connections that the program has not accepted.
    private func takeOver(_ waiting: [castor_tcp]) {
        do throws(SharedAddress.Failure) {
            let address = try SharedAddress(words: CommandLine.arguments)
            try address?.take()
            address?.announceAgain()
        } catch {
            if case .text(let text) = error { control.send("note \(text)") }
        }
        Takeover(segment: segment, gate: gate, waiting: waiting) { [control] in control.send("note \($0)") }.run()
    }

    /// The log without the events that have no place: they did not happen. Chunks that hold such are written anew, and what is among
    /// them.
    private func continueLog() throws -> LogWriter {
        var kept: [(stream: UInt32, entry: castor_entry, payload: [UInt8])] = []
        var keptOpenings: [castor_tcp] = []
        for chunk in try log.chunks(from: closure.position) {
            keptOpenings += chunk.openings
            for run in chunk.runs {
                guard let decoder = chunk.decoder(stream: run.stream) else { continue }
                var entry = castor_entry()
                var number = run.firstEvent
                while number < queues[run.stream]?.placedEvents ?? 0, let payload = try decoder.next(&entry) {
                    kept.append((run.stream, entry, Array(payload)))
                    number += 1
                }
            }
        }
        log.cut(at: closure.position)
        let writer = try LogWriter(continuing: log)
        try writer.append(openings: keptOpenings)
        for event in kept {
            var entry = event.entry
            try event.payload.withUnsafeBytes { try writer.append(stream: event.stream, &entry, payload: $0) }
        }
        return writer
    }
}

/// Why a standby gave up.
enum StandbyEnd: Error, CustomStringConvertible {
    case text(String)
    /// It may begin again as another.
    case rejoin(String)
    var description: String { switch self { case .text(let text), .rejoin(let text): text } }
}
