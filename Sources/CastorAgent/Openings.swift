/// Of the connections that clients have opened at the primary, those that its program has not accepted, as far as the log tells.
import CTSXShim
import CastorLog
import CastorTCP

struct Openings {
    private struct Opening {
        var tcp: castor_tcp
        var number: UInt64
        /// The event by which the program accepted it, which may turn out not to have happened.
        var accepted: (stream: UInt32, event: UInt64)?

        func isWaiting(_ done: (UInt32) -> UInt64) -> Bool { accepted.map { done($0.stream) <= $0.event } ?? true }
    }

    /// The last between these ends.
    private var openings: [TCPEnds: Opening] = [:]
    private var next: UInt64 = 0
    /// Those of clients that went away without a word are never accepted.
    private static let most = Int(CASTOR_CONNECTIONS)

    /// `done`: events of a stream that the program has done.
    mutating func append(_ tcp: castor_tcp, done: (UInt32) -> UInt64) {
        guard let ends = TCPEnds(tcp) else { return }
        openings[ends] = Opening(tcp: tcp, number: next)
        next += 1
        if next % 64 == 0 { openings = openings.filter { $0.value.isWaiting(done) } }
        if openings.count >= 2 * Openings.most {
            let first = next - UInt64(Openings.most)
            openings = openings.filter { $0.value.number >= first }
        }
    }

    /// An event of the log, which is number `event` of its stream.
    mutating func see(_ entry: castor_entry, _ payload: UnsafeRawBufferPointer, _ stream: UInt32, _ event: UInt64) {
        guard entry.kind == CASTOR_EV_SYSCALL, entry.flags & CASTOR_CONNECTION != 0, payload.count >= MemoryLayout<castor_tcp>.size else { return }
        let tcp = payload.loadUnaligned(fromByteOffset: payload.count - MemoryLayout<castor_tcp>.size, as: castor_tcp.self)
        guard let ends = TCPEnds(tcp), let opening = openings[ends], opening.tcp.isSame(as: tcp) else { return }
        openings[ends]!.accepted = (stream, event)
    }

    /// Those that the program has not accepted, the eldest first. `done`: events of a stream that it has done.
    func waiting(done: (UInt32) -> UInt64) -> [castor_tcp] {
        openings.values.filter { $0.isWaiting(done) }.sorted { $0.number < $1.number }.suffix(Openings.most).map(\.tcp)
    }
}
