/// What a standby keeps of connections that the program has closed: for a while, in case their last bytes have not arrived.
import CTSXShim
import Glibc

struct Lingering {
    private var since: [UInt32: Int] = [:]
    private var looked = 0
    private static let seconds = 10

    /// Now and then: gives up what is older.
    mutating func sweep(_ segment: Segment) {
        let now = time(nil)
        guard segment.base.pointee.retained_offset != 0, now != looked else { return }
        looked = now
        for index in 0..<CASTOR_CONNECTIONS {
            let state = castor_connection_state(castor_connection_at(segment.base, index))
            guard castor_load32(state) == CASTOR_CONNECTION_CLOSED else {
                if !since.isEmpty { since[index] = nil }
                continue
            }
            guard let begin = since[index] else {
                since[index] = now
                continue
            }
            if now - begin < Lingering.seconds || castor_cas32(state, CASTOR_CONNECTION_CLOSED, CASTOR_CONNECTION_GONE) == 0 { continue }
            since[index] = nil
            let retained = Int(segment.base.pointee.retained_offset) + Int(index) * Int(CASTOR_RETAINED)
            madvise(UnsafeMutableRawPointer(segment.base) + retained, Int(CASTOR_RETAINED), 9 /* MADV_REMOVE */)
        }
    }
}
