/// The agent's view of the shared segment, and how the two sides wake each other.
import CTSXShim
import Glibc

struct Segment: @unchecked Sendable {
    let base: UnsafeMutablePointer<castor_segment>

    /// Maps the segment behind a descriptor that castor handed over.
    init?(descriptor: Int32) {
        var status = stat()
        guard fstat(descriptor, &status) == 0,
            let at = mmap(nil, Int(status.st_size), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, descriptor, 0),
            at != MAP_FAILED
        else { return nil }
        base = at.assumingMemoryBound(to: castor_segment.self)
        guard base.pointee.magic == CASTOR_MAGIC, base.pointee.abi == CASTOR_ABI_VERSION else { return nil }
    }

    /// The directory in which the runtime may make links to programs.
    var scratch: String { String(cString: castor_segment_scratch(base)) }

    var ringsUsed: UInt32 { min(castor_load32(castor_segment_rings_used(base)), base.pointee.ring_count) }
    func ring(_ index: UInt32) -> UnsafeMutablePointer<castor_ring> { castor_ring_at(base, index) }
    func state(_ ring: UnsafeMutablePointer<castor_ring>) -> UInt32 { castor_load32(castor_ring_state(ring)) }

    /// Hands a drained ring of an ended thread to the next one, its memory to the system.
    func free(_ ring: UnsafeMutablePointer<castor_ring>) {
        let slots = UnsafeMutableRawPointer(ring) + Int(CASTOR_RING_HEADER)
        madvise(slots, Int(base.pointee.ring_bytes) - Int(CASTOR_RING_HEADER), 9 /* MADV_REMOVE */)
        castor_store32(castor_ring_packed(ring), 0)
        castor_store(castor_ring_head(ring), 0)
        castor_store(castor_ring_tail(ring), 0)
        castor_store(castor_ring_not_before(ring), 0)
        castor_store(castor_ring_acknowledged(ring), 0)
        castor_store32(castor_ring_state(ring), CASTOR_RING_FREE)
    }

    /// Sleeps until a ring wants attention, at most `milliseconds`. `idle` says whether there is still nothing to
    /// do after the word that makes others wake us has been set.
    func sleep(milliseconds: Int, unless busy: () -> Bool) {
        let word = castor_segment_agent_sleeping(base)
        castor_store32(word, 1)
        castor_fence()
        if !busy() { Futex.wait(word, 1, milliseconds: milliseconds) }
        castor_store32(word, 0)
    }

    /// From another thread of the agent.
    func wakeAgent() {
        let word = castor_segment_agent_sleeping(base)
        if castor_exchange32(word, 0) != 0 { Futex.wake(word) }
    }

    func stop(_ reason: UInt32) {
        castor_store32(castor_segment_stopped(base), reason)
        for i in 0..<ringsUsed { Futex.wake(castor_ring_head(ring(i))) }
    }
}

enum RawCall {
    typealias Function = @convention(c) (Int, Int, Int, Int, Int, Int, Int) -> Int
    /// `syscall` has variable arguments, which Swift does not import; it takes them from registers all the same.
    static let function: Function = unsafeBitCast(dlsym(nil, "syscall"), to: Function.self)
}

enum Futex {
    private static let call = RawCall.function

    static func wait(_ word: UnsafeMutablePointer<UInt32>, _ value: UInt32, milliseconds: Int) {
        var time = timespec(tv_sec: milliseconds / 1000, tv_nsec: milliseconds % 1000 * 1_000_000)
        withUnsafeMutablePointer(to: &time) {
            _ = call(202, Int(bitPattern: word), 0, Int(value), Int(bitPattern: $0), 0, 0)
        }
    }
    static func wake(_ word: UnsafeMutablePointer<UInt32>) {
        _ = call(202, Int(bitPattern: word), 1, Int(Int32.max), 0, 0, 0)
    }
    static func wake(_ word: UnsafeMutablePointer<UInt64>) {
        wake(UnsafeMutableRawPointer(word).assumingMemoryBound(to: UInt32.self))
    }
    /// Wakes whoever waits for a version: the sleepers' bit masks are of no interest to the agent.
    static func wakeBits(_ word: UnsafeMutablePointer<UInt64>) {
        _ = call(202, Int(bitPattern: word), 10, Int(Int32.max), 0, 0, 0xffff_ffff)
    }
}
