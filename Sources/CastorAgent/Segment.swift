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

    /// Rings below this index keep so much of their memory when they are freed (see claimRing in Threads.swift).
    private static let ready: UInt32 = 64
    private static let readyBytes = 0x20000

    /// The directory in which the runtime may make links to programs.
    var scratch: String { String(cString: castor_segment_scratch(base)) }

    var ringsUsed: UInt32 { min(castor_load32(castor_segment_rings_used(base)), base.pointee.ring_count) }
    func ring(_ index: UInt32) -> UnsafeMutablePointer<castor_ring> { castor_ring_at(base, index) }
    func state(_ ring: UnsafeMutablePointer<castor_ring>) -> UInt32 { castor_load32(castor_ring_state(ring)) }

    /// Hands a drained ring of an ended thread to the next one, its memory to the system: but for what the next one is given
    /// at once, in the rings that are taken first.
    func free(_ ring: UnsafeMutablePointer<castor_ring>, _ index: UInt32) {
        let kept = index < Segment.ready ? Segment.readyBytes : 0
        if castor_load(castor_ring_tail(ring)) >= UInt64(kept / 64) {
            let slots = UnsafeMutableRawPointer(ring) + Int(CASTOR_RING_HEADER)
            madvise(slots + kept, Int(base.pointee.ring_bytes) - Int(CASTOR_RING_HEADER) - kept, 9 /* MADV_REMOVE */)
        }
        castor_store32(castor_ring_packed(ring), 0)
        castor_store(castor_ring_head(ring), 0)
        castor_store(castor_ring_tail(ring), 0)
        castor_store(castor_ring_not_before(ring), 0)
        castor_store(castor_ring_acknowledged(ring), 0)
        castor_store32(castor_ring_state(ring), CASTOR_RING_FREE)
    }

    /// Sleeps until a ring wants attention (`state`: which), at most `milliseconds`. `busy` says whether there is something to
    /// do after the word that makes others wake us has been set.
    func sleep(milliseconds: Int, as state: UInt32 = CASTOR_AGENT_NAPS, unless busy: () -> Bool) {
        let word = castor_segment_agent_sleeping(base)
        castor_store32(word, state)
        castor_fence()
        if !busy() { Futex.wait(word, state, milliseconds: milliseconds) }
        castor_store32(word, CASTOR_AGENT_AWAKE)
    }

    /// From another thread of the agent.
    func wakeAgent() {
        let word = castor_segment_agent_sleeping(base)
        if castor_exchange32(word, 0) != 0 { Futex.wake(word) }
    }

    private var callWords: Int { (Int(ringsUsed) + 63) / 64 }
    /// A ring has called since `takeCalls`.
    var hasCalls: Bool { (0..<callWords).contains { castor_load(castor_segment_calls(base) + $0) != 0 } }
    /// Hands over the rings that have called.
    func takeCalls(_ body: (UInt32) -> Void) {
        for i in 0..<callWords where castor_load(castor_segment_calls(base) + i) != 0 {
            var bits = castor_exchange(castor_segment_calls(base) + i, 0)
            while bits != 0 {
                body(UInt32(i * 64 + bits.trailingZeroBitCount))
                bits &= bits - 1
            }
        }
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
