/// Drains the rings of a recorded program into its log. The program never waits for anything but room in a ring;
/// whatever goes wrong here, it goes on.
///
/// The agent looks at rings that have called, and sleeps until one calls when none has anything to say. While the program does
/// little it naps for longer and longer: a ring that fills wakes it.
import CTSXShim
import CastorLog
import CastorTCP
import Glibc

final class RecordAgent {
    private let segment: Segment
    private let control: Control
    private let log: LogWriter
    private let drains: Drains
    private var unsupported: [String: UInt64] = [:]
    private var unsupportedOrder: [String] = []
    private var objects: Set<String> = []
    private var manifest: Manifest
    private var outcome: Ending.Outcome?
    private var placement = Placement()
    private let processes: ProcessWatch
    private var active: ActiveRings
    /// By ring: its stream, and 1, once it has been looked at.
    private var seen: [UInt32]
    private var reminder = Reminder()
    /// The user does not want to wait for what the program left behind.
    private var isAbandoned = false

    /// Has standbys: every event goes to the log at once, for they wait for it.
    private let primary: PrimaryNode?
    /// By ring: the line that an output waits for, as the primary was told.
    private var told: [UInt64] = []
    /// Held outputs of threads that have ended since the primary was told last.
    private var heldOfEnded: [HeldOutputs.Allowance] = []
    /// Of connections, what the primary has not been told.
    private var untold: [ConnectionWatch.Change] = []
    private var untoldOpenings: [Opening] = []

    /// `log` is empty, or what a standby that has gone live goes on with.
    /// With a `primary` one thread drains: what standbys are told is in one order.
    init(segment: Segment, control: Control, log: LogWriter, threads: Int = 1, primary: PrimaryNode? = nil) {
        self.segment = segment
        self.control = control
        self.primary = primary
        self.log = log
        manifest = log.manifest
        objects = Set(manifest.objects.map(\.path.description))
        drains = Drains(segment: segment, log: log, threads: primary == nil ? threads : 1)
        seen = Array(repeating: 0, count: Int(segment.base.pointee.ring_count))
        active = ActiveRings(count: seen.count, parks: primary == nil)
        processes = ProcessWatch(segment: segment, control: control)
        told = Array(repeating: 0, count: seen.count)
    }

    func run() {
        do {
            try drainUntilTheEnd()
            try drainRest()
            try finish(.complete)
        } catch {
            if let primary { return endWithoutLog(primary, error) }
            segment.stop(CASTOR_STOP_DISK)
            control.send("note \(error); the program goes on, unrecorded")
            try? finish(.diskFull)
        }
        control.send("finished \(log.events) \(log.bytesWritten)")
    }

    // MARK: - Draining

    /// What is on disk is at most about so many milliseconds behind.
    private static let second: UInt64 = 1000
    /// Lines that came out at one look when the program does much.
    private static let much: UInt64 = 1024

    private func drainUntilTheEnd() throws {
        var pause: UInt64 = 1
        var flushed: UInt64 = 0
        var written: UInt64 = 0
        var ended: UInt64?
        var hasNoted = false
        while outcome == nil || (!isAbandoned && anyAlive()) {
            let now = Clock.milliseconds
            let isDue = now >= flushed + RecordAgent.second
            untold += primary?.watch.look() ?? []  // before the events that they follow from are drained
            let hasOpenings = try logOpenings()
            let work = try drainAll(everything: isDue)
            if processes.lookAgain() { try closeRingsOfTheDead() }
            seeNewborn()
            receive()
            if let primary { try tell(primary, hasNews: hasOpenings || work.lines > 0) }
            if isDue {
                flushed = now
                if log.events != written, !drains.isDiscarding { try drains.flush() }
                written = log.events
            }
            reminder.recording(segment, active.indices)
            if outcome != nil {
                if ended == nil { ended = now }
                if let since = ended, now - since >= 2000, !hasNoted {
                    hasNoted = true
                    noteSurvivors()
                }
            }
            pause = isBusy(work) ? 1 : min(pause * 2, 512)
            if outcome == nil || anyAlive() { sleep(pause, until: flushed + RecordAgent.second) }
        }
    }

    /// The next look is to come soon. A standby waits for every event.
    private func isBusy(_ work: Work) -> Bool {
        primary != nil ? work.lines > 0 : work.lines >= RecordAgent.much || work.freed > 0
    }

    private func sleep(_ pause: UInt64, until due: UInt64) {
        let now = Clock.milliseconds
        if now >= due { return }
        if primary == nil, active.indices.isEmpty, !processes.mustLook {
            segment.sleep(milliseconds: Int(due - now), as: CASTOR_AGENT_LISTENS) { segment.hasCalls || processes.hasNews }
        } else {
            var pause = min(pause, due - now)
            if primary != nil { pause = min(pause, 128) }
            if processes.mustLook { pause = min(pause, 50) }
            if isReminding { pause = min(pause, Reminder.pause) }
            segment.sleep(milliseconds: Int(pause)) { processes.hasNews || primary.map { segment.hasCalls || anyWaits || $0.hasNews } ?? false }
        }
    }

    /// A signal waits for a thread's next event.
    private var isReminding: Bool { active.indices.contains { castor_load(castor_ring_deferred(segment.ring($0))) != 0 } }

    /// Connections that clients open, before the events that tell of them. Whether the log has grown.
    private func logOpenings() throws -> Bool {
        guard let openings = primary?.openings?.take(), !openings.isEmpty else { return false }
        untoldOpenings += openings
        if drains.isDiscarding { return false }
        try log.append(openings: openings.map(\.tcp))
        return true
    }

    /// How far the log is, and which outputs wait for a standby to have it.
    private func tell(_ primary: PrimaryNode, hasNews: Bool) throws {
        if hasNews, !drains.isDiscarding {
            try log.flush()
            primary.grew(to: log.bytesWritten, events: log.events)
        }
        tellOutputs(primary)
    }

    private func tellOutputs(_ primary: PrimaryNode) {
        var lines: [Outputs.Line] = []
        for i in active.indices {
            let ring = segment.ring(i)
            guard castor_load32(castor_ring_output_waiting(ring)) != 0, segment.state(ring) == CASTOR_RING_LIVE else { continue }
            let head = ring.pointee.head
            guard castor_load(castor_ring_acknowledged(ring)) < head, told[Int(i)] != head else { continue }
            told[Int(i)] = head
            lines.append(Outputs.Line(ring: i, stream: ring.pointee.stream, line: head))
        }
        let held = heldOfEnded + active.indices.compactMap { primary.held.news($0, before: segment.ring($0).pointee.head) }
        heldOfEnded = []
        if !lines.isEmpty || !held.isEmpty || !untold.isEmpty || !untoldOpenings.isEmpty {
            primary.wait(lines, held, untold, untoldOpenings, at: log.bytesWritten)
        }
        (untold, untoldOpenings) = ([], [])
    }

    /// A thread has begun to wait for a standby since the last look.
    private var anyWaits: Bool {
        active.indices.contains { i in
            let ring = segment.ring(i)
            if primary.map({ $0.held.hasNews(i) }) ?? false { return true }
            return castor_load32(castor_ring_output_waiting(ring)) != 0 && castor_load(castor_ring_tail(ring)) > told[Int(i)]
        }
    }

    /// Children that have no ring yet.
    private func seeNewborn() {
        let newborn = castor_segment_newborn(segment.base)
        for i in 0..<Int(CASTOR_NEWBORN) where castor_load32(newborn + i) != 0 {
            processes.see(castor_exchange32(newborn + i, 0))
        }
    }

    /// Whoever ends has made its children known before: they are looked for last.
    private func anyAlive() -> Bool {
        seeNewborn()
        return processes.anyAlive
    }

    private func receive() {
        while let message = control.receive() {
            let words = message.split(separator: " ")
            if message == "abandon" { isAbandoned = true }
            if words.count == 2, let number = Int32(words[1]) {
                if words[0] == "exited" { outcome = .exited(code: number) }
                if words[0] == "signalled" { outcome = .signalled(signal: number) }
            }
        }
        if control.isClosed, outcome == nil, kill(pid_t(segment.base.pointee.main_pid), 0) != 0, errno == ESRCH {
            outcome = .unknown  // castor was killed, and the program has ended since
        }
    }

    /// What came of a look at the rings.
    private struct Work {
        var lines: UInt64 = 0
        var freed = 0
    }

    /// `everything`: also what is in rings that did not call, such as small events in a line that is not full.
    private func drainAll(everything: Bool) throws -> Work {
        segment.takeCalls { active.add($0) }
        if everything {
            for i in 0..<segment.ringsUsed where !active.contains(i) && wantsLook(i) { active.add(i) }
        }
        let indices = active.indices.filter { isInUse(segment.ring($0)) }
        for index in indices { meet(index) }
        let now = Clock.milliseconds
        try drains.drain(indices)
        note(drains.takeNotes())
        var work = Work()
        try active.filter { index, active in
            let ring = segment.ring(index)
            guard isInUse(ring) else { return false }
            let lines = drains.linesOf(index)
            work.lines += lines
            if segment.state(ring) == CASTOR_RING_DONE, drains[index].isDrained(index) {
                try drains[index].appendRow(index)  // of threads that an exec ended
                free(index)
                work.freed += 1
                return false
            }
            if lines == 0, !isWaiting(ring, index) { return active.noteQuiet(index, ring, now: now) }
            active.noteWork(index)
            return true
        }
        return work
    }

    private func isInUse(_ ring: UnsafeMutablePointer<castor_ring>) -> Bool {
        let state = segment.state(ring)
        return state == CASTOR_RING_LIVE || state == CASTOR_RING_DONE
    }

    private func wantsLook(_ index: UInt32) -> Bool {
        let ring = segment.ring(index)
        switch segment.state(ring) {
        case CASTOR_RING_LIVE: return !drains[index].isDrained(index) || isWaiting(ring, index)
        case CASTOR_RING_DONE: return true
        default: return false
        }
    }

    /// The thread waits for a standby, or what it sent does, or a signal for the thread.
    private func isWaiting(_ ring: UnsafeMutablePointer<castor_ring>, _ index: UInt32) -> Bool {
        primary.map { $0.held.hasNews(index) } ?? false || castor_load32(castor_ring_output_waiting(ring)) != 0 || castor_load(castor_ring_deferred(ring)) != 0
    }

    /// A ring that was never looked at for this stream.
    private func meet(_ index: UInt32) {
        let ring = segment.ring(index)
        if seen[Int(index)] == ring.pointee.stream &+ 1 { return }
        seen[Int(index)] = ring.pointee.stream &+ 1
        drains.meet(index, node: placement.place(ring, bytes: Int(segment.base.pointee.ring_bytes)))
        processes.see(ring.pointee.pid)
    }

    private func free(_ index: UInt32) {
        let ring = segment.ring(index)
        drains[index].forget(index)
        told[Int(index)] = 0
        if let held = primary?.held.news(index, before: ring.pointee.head) { heldOfEnded.append(held) }
        segment.free(ring, index)
    }

    // MARK: - The end

    /// The program has ended: everything that it published, and the calls that its threads never came back from.
    private func drainRest() throws {
        if isAbandoned {
            segment.stop(CASTOR_STOP_MAIN_EXITED)
            control.send("note the processes that the program started go on, unrecorded: \(processes.text)")
        }
        while case let work = try drainAll(everything: true), work.lines > 0 || work.freed > 0 {}
        for i in 0..<segment.ringsUsed where segment.state(segment.ring(i)) == CASTOR_RING_LIVE {
            try drains[i].appendRow(i)
            try drains[i].appendPending(i)
        }
    }

    /// Processes that were killed leave their rings behind: what they published is drained, and the rings are free again.
    private func closeRingsOfTheDead() throws {
        for i in 0..<segment.ringsUsed {
            let ring = segment.ring(i)
            guard segment.state(ring) == CASTOR_RING_LIVE, !processes.isAlive(ring.pointee.pid) else { continue }
            processes.see(ring.pointee.pid)  // it may have started since the last look
            if processes.isAlive(ring.pointee.pid) { continue }
            meet(i)
            while try drains[i].drain(i) > 0 {}
            try drains[i].appendRow(i)
            try drains[i].appendPending(i)
            note(drains.takeNotes())
            primary?.watch.closeAll(of: ring.pointee.pid)
            free(i)
        }
    }

    /// The program has ended, what it started goes on: said once, for the user waits.
    private func noteSurvivors() {
        control.send(
            "info the program has ended; processes that it started are still recorded: \(processes.text) "
                + "(end them, or interrupt castor to stop recording them)")
    }

    /// The log cannot be written, so that no replica hears of anything from now on: one that may take over does, otherwise the program
    /// goes on alone. Until it has ended the rings are emptied all the same.
    private func endWithoutLog(_ primary: PrimaryNode, _ error: any Error) {
        control.send("note \(error)")
        drains.discard()
        if primary.loseLog() { control.send("note the program goes on, UNPROTECTED and unrecorded, until it ends") }
        try? drainUntilTheEnd()
        try? log.finish(Ending(outcome: outcome ?? .unknown, tail: .diskFull, unsupported: []))
        primary.end()
        control.send("finished \(log.events) \(log.bytesWritten)")
    }

    private func finish(_ tail: Ending.Tail) throws {
        let calls = unsupportedOrder.map { Ending.Unsupported(name: $0, count: unsupported[$0]!) }
        try log.finish(Ending(outcome: outcome ?? .unknown, tail: tail, unsupported: calls))
        guard let primary else { return }
        primary.grew(to: log.bytesWritten, events: log.events)
        tellOutputs(primary)
        primary.end()
    }

    // MARK: - What goes into the manifest

    private func note(_ notes: [RingDrain.Note]) {
        for note in notes {
            switch note {
            case .unsupported(let nr): noteUnsupported(nr)
            case .start(let payload): noteProgram(payload)
            case .mapped(let path):
                noteObject(String(decoding: path.prefix { $0 != 0 }, as: UTF8.self))
                saveManifest()
            }
        }
    }

    /// What a program's first event has of /proc/self/maps.
    private func noteProgram(_ payload: [UInt8]) {
        for line in String(decoding: ImageDescription(payload)?.maps ?? [], as: UTF8.self).split(separator: "\n") {
            let fields = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: true)
            guard fields.count == 6, fields[1].contains("x"), let path = fields[5].firstIndex(of: "/") else { continue }
            noteObject(String(fields[5][path...]))
        }
        saveManifest()
    }

    private func noteUnsupported(_ nr: UInt16) {
        let name = castor_syscall_row_at(UInt64(nr)).pointee.name.map { String(cString: $0) } ?? "system call \(nr)"
        if unsupported.updateValue((unsupported[name] ?? 0) + 1, forKey: name) == nil { unsupportedOrder.append(name) }
    }

    private func saveManifest() {
        try? log.updateManifest(manifest)
        primary?.manifestChanged()
    }

    private func noteObject(_ path: String) {
        guard objects.insert(path).inserted, let id = ObjectFile.buildID(path: path) else { return }
        var status = stat()
        let size = stat(path, &status) == 0 ? UInt64(status.st_size) : 0
        manifest.objects.append(Manifest.Object(path: SystemString(path), buildID: id, size: size))
    }
}
