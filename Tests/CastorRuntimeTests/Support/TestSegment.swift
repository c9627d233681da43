@preconcurrency import CTSXGate
/// A segment in plain memory, in place of the one that castor shares with the agent.
import CTSXShim
import Glibc
import Testing

/// Everything that uses the runtime's state (the segment, the mode, the heap, descriptors) runs one after the other.
@Suite(.serialized) struct RuntimeTests {}

/// Header, versions, waiters and rings as castor lays them out. While it lives it is the runtime's segment.
final class TestSegment: @unchecked Sendable {
    let header: UnsafeMutablePointer<castor_segment>
    let bytes: Int
    private let before: UnsafeMutablePointer<castor_segment>

    init(
        rings: Int = 4, slots: Int = 64, mode: UInt32 = UInt32(CASTOR_MODE_RECORD),
        order: UInt32 = UInt32(CASTOR_ORDER_PARTIAL)
    ) {
        let ringBytes = Int(CASTOR_RING_HEADER) + slots * 64
        let versions = Int(CASTOR_SEGMENT_HEADER)
        let waiters = versions + Int(CASTOR_SHARDS) * 16
        let progress = waiters + Int(CASTOR_SHARDS) * 4
        let first = (progress + Int(CASTOR_OWNERS + 1) * MemoryLayout<castor_progress>.stride + 4095) / 4096 * 4096
        bytes = first + rings * ringBytes
        let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 4096)
        memset(memory, 0, bytes)
        header = memory.bindMemory(to: castor_segment.self, capacity: 1)
        header.pointee.magic = CASTOR_MAGIC
        header.pointee.abi = CASTOR_ABI_VERSION
        header.pointee.mode = mode
        header.pointee.order = order
        header.pointee.options = UInt32(CASTOR_OPT_QUIET)
        header.pointee.ring_count = UInt32(rings)
        header.pointee.ring_slots = UInt32(slots)
        header.pointee.ring_bytes = UInt64(ringBytes)
        header.pointee.versions_offset = UInt64(versions)
        header.pointee.waiters_offset = UInt64(waiters)
        header.pointee.progress_offset = UInt64(progress)
        header.pointee.rings_offset = UInt64(first)
        header.pointee.bytes = UInt64(bytes)
        header.pointee.next_stream = 1
        before = castor_seg
        castor_seg = header
        castor_mode_set(mode)
        castor_process_now().pointee.pid = UInt32(getpid())
    }
    deinit {
        castor_mode_set(UInt32(CASTOR_MODE_OFF))
        castor_seg = before
        header.deallocate()
    }

    /// A ring that some thread owns, empty.
    func ring(_ index: Int) -> Ring {
        let ring = castor_ring_at(header, UInt32(index))
        if ring.pointee.mask == 0 {
            ring.pointee.mask = UInt64(header.pointee.ring_slots) - 1
            ring.pointee.kick = UInt64.max
            ring.pointee.stream = UInt32(index)
            ring.pointee.pid = UInt32(getpid())
            ring.pointee.state = UInt32(CASTOR_RING_LIVE)
            header.pointee.rings_used = max(header.pointee.rings_used, UInt32(index) + 1)
        }
        return ring
    }

    /// The calling thread is the one that owns the ring.
    func attached<R>(_ index: Int, ordered: Bool = false, _ body: (Ring) throws -> R) rethrows -> R {
        let me = castor_me()
        let ring = ring(index)
        me.pointee.ring = ring
        me.pointee.stream = UInt32(index)
        me.pointee.tid = UInt32(kernel(SYS_gettid))
        me.pointee.ordered = ordered ? 1 : 0
        ring.pointee.tid = me.pointee.tid
        defer { me.pointee = castor_thread() }
        return try body(ring)
    }

    func version(_ shard: UInt32) -> UInt64 { castor_load(castor_version(header, shard)) }
    func waiters(_ shard: UInt32) -> UInt32 { castor_load32(castor_waiters(header, shard)) }

    /// The mode returns to what it was when a ring was given up.
    func resume() { castor_mode_set(header.pointee.mode) }
}
