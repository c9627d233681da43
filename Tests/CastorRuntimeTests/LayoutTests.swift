/// The layouts that C asserts, as Swift sees them: offsets that the agent, the gate's assembly and gdb's script know.
import CTSXGate
import CTSXShim
import Testing

@Suite struct LayoutTests {
    @Test func sizesAreThoseOfC() {
        #expect(MemoryLayout<castor_entry>.size == 64)
        #expect(MemoryLayout<castor_entry>.stride == 64)
        #expect(MemoryLayout<castor_ring>.size == 192)
        #expect(MemoryLayout<castor_ring>.size <= Int(CASTOR_RING_HEADER))
        #expect(MemoryLayout<castor_report>.size == 24 + 128 + 48 + 240)
        #expect(MemoryLayout<castor_segment>.size <= Int(CASTOR_SEGMENT_HEADER))
        #expect(MemoryLayout<castor_frame>.size == 224)
        #expect(MemoryLayout<castor_action>.size == 32)
        #expect(MemoryLayout<castor_turn>.size == 32)
        #expect(MemoryLayout<castor_connection>.stride == 192)
        #expect(MemoryLayout<castor_output_queue>.stride == 128 + 32 * Int(CASTOR_HELD))
        #expect(MemoryLayout<castor_class>.size == 24)
    }

    @Test func entryOffsets() {
        typealias T = castor_entry
        #expect(offset(\T.kind) == 0)
        #expect(offset(\T.nr) == 2)
        #expect(offset(\T.shard) == 4)
        #expect(offset(\T.version) == 8)
        #expect(offset(\T.stamp) == 16)
        #expect(offset(\T.result) == 24)
        #expect(offset(\T.object) == 32)
        #expect(offset(\T.hash) == 40)
        #expect(offset(\T.value) == 48)
        #expect(offset(\T.payload) == 56)
        #expect(offset(\T.flags) == 60)
    }

    /// Consumer, producer and identity each have lines of their own.
    @Test func ringOffsets() {
        typealias T = castor_ring
        #expect(offset(\T.head) == 0)
        #expect(offset(\T.consumer_waiting) == 8)
        #expect(offset(\T.tail) == 64)
        #expect(offset(\T.cached_head) == 72)
        #expect(offset(\T.kick) == 80)
        #expect(offset(\T.pending) == 88)
        #expect(offset(\T.producer_waiting) == 92)
        #expect(offset(\T.mask) == 96)
        #expect(offset(\T.forks) == 104)
        #expect(offset(\T.packed) == 108)
        #expect(offset(\T.stamped) == 112)
        #expect(offset(\T.owned_at) == 120)
        #expect(offset(\T.stream) == 128)
        #expect(offset(\T.state) == 132)
        #expect(offset(\T.waiting) == 148)
        #expect(offset(\T.wait_shard) == 152)
        #expect(offset(\T.wait_version) == 160)
        #expect(offset(\T.events) == 168)
    }

    @Test func segmentOffsets() {
        typealias T = castor_segment
        #expect(offset(\T.magic) == 0)
        #expect(offset(\T.abi) == 8)
        #expect(offset(\T.mode) == 12)
        #expect(offset(\T.ring_count) == 32)
        #expect(offset(\T.ring_bytes) == 40)
        #expect(offset(\T.progress_offset) == 72)
        #expect(offset(\T.debug_stream) == 88)
        #expect(offset(\T.debug_pid) == 92)
        #expect(offset(\T.all_fed) == 96)
        #expect(offset(\T.agent_sleeping) == 128)
        #expect(offset(\T.turn) == 192)
        #expect(offset(\T.report) == 272)
    }

    /// gate.S spells these out.
    @Test func frameOffsets() {
        typealias T = castor_frame
        #expect(offset(\T.result) == 0)
        #expect(offset(\T.nr) == 8)
        #expect(offset(\T.a0) == 16)
        #expect(offset(\T.a5) == 56)
        #expect(offset(\T.return_address) == 64)
        #expect(offset(\T.stack) == 72)
        #expect(offset(\T.site) == 80)
        #expect(offset(\T.version) == 88)
        #expect(offset(\T.shard) == 96)
        #expect(offset(\T.flags) == 100)
        #expect(offset(\T.saved_index) == 128)
        #expect(offset(\T.saved_value) == 136)
        #expect(offset(\T.scratch) == 144)
        #expect(offset(\castor_thread.pending_signals) == 0)
        #expect(offset(\castor_thread.ring) == 8)
    }

    /// The sources compute these addresses by hand.
    @Test func fieldsReachedByAddress() {
        var frame = castor_frame()
        withUnsafeMutablePointer(to: &frame) { f in
            f.pointee.a3 = 33
            scratch(f)[9] = 99
            #expect(argument(f, 3) == 33)
            #expect(f.pointee.scratch.9 == 99)
        }
        #expect(offset(\castor_report.text) == 24 + 128 + 48)
    }

    private func offset<T, F>(_ field: KeyPath<T, F>) -> Int? { MemoryLayout<T>.offset(of: field) }
}
