/// The rings that a recording agent looks at: those that have called, until nothing has come out of them for some looks. They
/// are parked then: their threads are to call at the next thing they publish. So it costs nothing to have a thousand threads that
/// sleep.
import CTSXShim
import Glibc

struct ActiveRings {
    private struct Ring {
        var isActive = false
        /// Looks in a row at which nothing came.
        var quiet = 0
        /// Since when it is parked, in milliseconds.
        var parked: UInt64?
    }
    /// Looks in a row without anything new, then a ring is parked.
    private static let patience = 2
    /// A thread may have published something and not have seen yet that its ring was parked: only for as long as a processor
    /// holds back a store. A look so many milliseconds later sees what it was.
    private static let settling: UInt64 = 2

    private var rings: [Ring]
    private(set) var indices: [UInt32] = []

    /// None is parked when a standby waits for events: a look must show all that was published before it.
    private let parks: Bool

    init(count: Int, parks: Bool) {
        rings = Array(repeating: Ring(), count: count)
        self.parks = parks
    }

    /// A ring has called.
    mutating func add(_ index: UInt32) {
        if !rings[Int(index)].isActive { indices.append(index) }
        rings[Int(index)] = Ring(isActive: true)
    }

    func contains(_ index: UInt32) -> Bool { rings[Int(index)].isActive }

    /// Shows each ring to `look`, which says whether to keep it.
    mutating func filter(_ look: (UInt32, inout ActiveRings) throws -> Bool) rethrows {
        var kept = 0
        for i in 0..<indices.count {
            let index = indices[i]
            if try look(index, &self) {
                indices[kept] = index
                kept += 1
            } else {
                rings[Int(index)].isActive = false
            }
        }
        indices.removeLast(indices.count - kept)
    }

    /// Something came out of it.
    mutating func noteWork(_ index: UInt32) { rings[Int(index)] = Ring(isActive: true) }

    /// Nothing came out of it at a look that began at `now`. Whether it is to be looked at again.
    mutating func noteQuiet(_ index: UInt32, _ ring: UnsafeMutablePointer<castor_ring>, now: UInt64) -> Bool {
        if !parks { return true }
        if let parked = rings[Int(index)].parked { return now < parked + ActiveRings.settling }
        rings[Int(index)].quiet += 1
        if rings[Int(index)].quiet < ActiveRings.patience { return true }
        castor_store(castor_ring_kick(ring), 0)
        castor_fence()
        rings[Int(index)].parked = Clock.milliseconds
        return true
    }
}

enum Clock {
    /// Of the monotonic clock.
    static var milliseconds: UInt64 {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return UInt64(now.tv_sec) * 1000 + UInt64(now.tv_nsec) / 1_000_000
    }
}
