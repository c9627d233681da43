/// Outputs that wait for a standby, TCP's acknowledgements among them: how far each ring is in the log at each of its positions, and
/// so which of them may go when the standby has the log up to there. Used by any thread.
import CTSXShim
import CastorLog
import CastorTCP
import Glibc

final class Outputs: @unchecked Sendable {
    /// The log has everything of a ring before this line.
    struct Line {
        var ring: UInt32
        /// The ring may have been given to another since.
        var stream: UInt32
        var line: UInt64
    }
    private struct Mark {
        var position: UInt64
        var lines: [Line]
        var held: [HeldOutputs.Allowance]
        var changes: [ConnectionWatch.Change]
        var openings: [Opening]
    }

    private let segment: Segment
    private let connections: ConnectionWatch
    private let held: HeldOutputs
    private let openings: OpeningWatch?
    private let monitor = Monitor()
    private var marks: [Mark] = []
    private var first = 0
    private var released: UInt64 = 0

    init(segment: Segment, connections: ConnectionWatch, held: HeldOutputs, openings: OpeningWatch?) {
        self.segment = segment
        self.connections = connections
        self.held = held
        self.openings = openings
    }

    /// Events are let out only once they are acknowledged, from now on.
    func begin() { castor_store32(castor_segment_committing(segment.base), 1) }

    /// Up to `position` the log has these lines, the events of what is held, what led to these changes, and these openings.
    func mark(
        _ position: UInt64, _ lines: [Line], _ held: [HeldOutputs.Allowance], _ changes: [ConnectionWatch.Change], _ openings: [Opening]
    ) {
        monitor.lock()
        defer { monitor.unlock() }
        let mark = Mark(position: position, lines: lines, held: held, changes: changes, openings: openings)
        if position <= released { return pass(mark) }
        marks.append(mark)
    }

    /// The gate first: what the program sends next is to pass it.
    private func pass(_ mark: Mark) {
        connections.pass(mark.changes, isAnswered: !mark.lines.isEmpty || !mark.held.isEmpty)
        held.release(mark.held)
        connections.end()
        mark.lines.forEach(acknowledge)
        openings?.admit(mark.openings)
    }

    /// Lets out what follows from the log up to `position`.
    func release(upTo position: UInt64) {
        monitor.lock()
        defer { monitor.unlock() }
        released = max(released, position)
        while first < marks.count, marks[first].position <= position {
            pass(marks[first])
            first += 1
        }
        if first == marks.count || first > 1024 {
            marks.removeFirst(first)
            first = 0
        }
    }

    /// Every few milliseconds.
    func tick() {
        monitor.lock()
        defer { monitor.unlock() }
        held.release([])
        connections.end()
        connections.makeGood()
    }

    private func acknowledge(_ line: Line) {
        let ring = segment.ring(line.ring)
        guard ring.pointee.stream == line.stream, segment.state(ring) == CASTOR_RING_LIVE,
            castor_load(castor_ring_acknowledged(ring)) < line.line
        else { return }
        castor_store(castor_ring_acknowledged(ring), line.line)
        castor_fence()
        wake(ring)
    }

    private func wake(_ ring: UnsafeMutablePointer<castor_ring>) {
        if castor_load32(castor_ring_output_waiting(ring)) != 0 { Futex.wake(castor_ring_acknowledged(ring)) }
    }
}
