/// The deterministic allocator: sizes, places, reuse, and the same addresses again.
import CTSXGate
import CTSXShim
import Glibc
import Testing

extension RuntimeTests {
    @Suite struct AllocatorTests {
        /// A fresh heap and a thread with caches, outside every recording.
        func withHeap(_ body: () throws -> Void) rethrows {
            Heap.reset()
            let segment = TestSegment(mode: UInt32(CASTOR_MODE_OFF))
            try segment.attached(0) { _ in try body() }
            Heap.reset()
        }
        func allocate(_ bytes: Int) throws -> UnsafeMutableRawPointer { try #require(castor_allocate(UInt64(bytes))) }

        @Test func everySizeFits() throws {
            try withHeap {
                var last: UInt64 = 0
                for bytes in 1...70_000 {
                    let block = try allocate(bytes)
                    let room = castor_usable(block)
                    if room < UInt64(bytes) { Issue.record("\(room) bytes for \(bytes)") }
                    if room < last { Issue.record("\(room) bytes for \(bytes), \(last) for one less") }
                    if address(block) % 16 != 0 { Issue.record("\(block) for \(bytes)") }
                    // Four classes to a doubling waste at most a fifth.
                    if bytes > 64, bytes <= 32768, room > UInt64(bytes) * 5 / 4 + 16 {
                        Issue.record("\(room) bytes for \(bytes)")
                    }
                    last = room
                    castor_free(block)
                }
                castor_heap_now().pointee._checkInvariants()
            }
        }

        @Test func nothingIsABlockToo() throws {
            try withHeap {
                let (a, b) = (try allocate(0), try allocate(0))
                #expect(a != b && castor_usable(a) >= 1)
            }
        }

        @Test func sizesBeyondTheHeapAreRefused() {
            withHeap {
                for bytes in [UInt64.max, 1 << 63, CASTOR_HEAP_PAGES << 16 + 1] {
                    #expect(castor_allocate(bytes) == nil)
                }
                #expect(castor_allocate_aligned(1 << 63, 1) == nil)
                #expect(castor_allocate_aligned(64, UInt64.max) == nil)
                castor_heap_now().pointee._checkInvariants()
            }
        }

        @Test func alignments() throws {
            try withHeap {
                var live: [UnsafeMutableRawPointer: Int] = [:]
                for power in 0...22 {
                    for bytes in [0, 1, 15, 16, 17, 100, 4096, 5000, 32768, 32769, 65536, 200_000] {
                        let alignment: UInt64 = 1 << UInt64(power)
                        let block = try #require(castor_allocate_aligned(alignment, UInt64(bytes)))
                        #expect(address(block) % max(alignment, 16) == 0, "\(bytes) bytes at \(alignment)")
                        #expect(castor_usable(block) >= UInt64(bytes), "\(bytes) bytes at \(alignment)")
                        live[block] = bytes
                    }
                }
                castor_heap_now().pointee._checkInvariants(live: live)
                for block in live.keys { castor_free(block) }
                castor_heap_now().pointee._checkInvariants()
            }
        }

        @Test func cachesTradeInBatches() throws {
            try withHeap {
                let me = castor_me()
                let block = try allocate(100)  // 64 of its class make a batch
                #expect(castor_thread_cache(me, 6).pointee.count == 63)
                castor_free(block)
                var blocks = try (0..<300).map { _ in try allocate(100) }
                #expect(Set(blocks).count == 300)
                while let b = blocks.popLast() {
                    castor_free(b)
                    #expect(castor_thread_cache(me, 6).pointee.count <= 128)
                }
                #expect(Heap.list(castor_class_at(6).pointee.first).count >= 128)
                castor_heap_now().pointee._checkInvariants()
                flushCaches(me)
                for c in 0..<UInt64(CASTOR_CLASSES) { #expect(castor_thread_cache(me, c).pointee.count == 0) }
                castor_heap_now().pointee._checkInvariants()
            }
        }

        @Test func runsOfPagesAreJoined() throws {
            try withHeap {
                let page = 65536
                let runs = try (1...5).map { try allocate(page * $0) }
                castor_free(runs[1])
                castor_free(runs[3])
                #expect(Heap.freeRuns().map(\.count) == [2, 4])
                castor_free(runs[2])  // joins both neighbours
                #expect(Heap.freeRuns().map(\.count) == [9])
                castor_heap_now().pointee._checkInvariants()
                let first = try allocate(page * 7)  // first fit, cut from the front
                #expect(first == runs[1])
                #expect(Heap.freeRuns().map(\.count) == [2])
                castor_free(runs[0])
                castor_free(runs[4])
                castor_free(first)
                #expect(Heap.freeRuns().map(\.count) == [15])
                castor_heap_now().pointee._checkInvariants()
            }
        }

        /// calloc does not clear large blocks.
        @Test func runsComeBackAsZeroes() throws {
            for bytes in [40_000, 65_536, 1_000_000] {
                try withHeap {
                    let block = try allocate(bytes)
                    memset(block, 0x5a, bytes)
                    castor_free(block)
                    let again = try allocate(bytes)
                    #expect(again == block)
                    #expect(UnsafeRawBufferPointer(start: again, count: bytes).allSatisfy { $0 == 0 }, "\(bytes)")
                }
            }
        }

        /// Some thousand calls of all kinds; `check` sees what is in use after each of them.
        static func exercise(_ seed: UInt64, _ calls: Int, check: (([UnsafeMutableRawPointer: Int]) -> Void)? = nil)
            -> [UnsafeMutableRawPointer]
        {
            var random = Random(seed)
            var live: [(block: UnsafeMutableRawPointer, bytes: Int)] = []
            var given: [UnsafeMutableRawPointer] = []
            for i in 0..<calls {
                if live.count > 300 || (random.below(5) < 2 && !live.isEmpty) {
                    let (block, bytes) = live.remove(at: random.below(live.count))
                    let content = UnsafeRawBufferPointer(start: block, count: bytes)
                    if content.first != content.last { Issue.record("\(block) was written by someone else") }
                    castor_free(block)
                } else {
                    let bytes = 1 + Int(random.next() >> UInt64(46 + random.below(17)))
                    let aligned = random.below(8) == 0
                    let block =
                        aligned
                        ? castor_allocate_aligned(1 << UInt64(random.below(18)), UInt64(bytes))
                        : castor_allocate(UInt64(bytes))
                    guard let block else { break }
                    block.storeBytes(of: UInt8(truncatingIfNeeded: i), as: UInt8.self)
                    block.storeBytes(of: UInt8(truncatingIfNeeded: i), toByteOffset: bytes - 1, as: UInt8.self)
                    given.append(block)
                    live.append((block, bytes))
                }
                if i % 64 == 0 { check?(Dictionary(uniqueKeysWithValues: live.map { ($0.block, $0.bytes) })) }
            }
            for l in live { castor_free(l.block) }
            return given
        }

        @Test(arguments: [1, 2, 3]) func invariantsHold(_ seed: UInt64) {
            withHeap {
                _ = Self.exercise(seed, 4000) { castor_heap_now().pointee._checkInvariants(live: $0) }
                castor_heap_now().pointee._checkInvariants()
            }
        }

        @Test func theSameCallsGetTheSameAddresses() {
            var runs: [[UnsafeMutableRawPointer]] = []
            for _ in 0..<2 { withHeap { runs.append(Self.exercise(7, 5000)) } }
            #expect(runs[0] == runs[1])
        }

        /// Threads that are not attached share the central heap without caches.
        @Test(arguments: [true, false]) func threadsNeverShareABlock(_ attached: Bool) {
            Heap.reset()
            let segment = TestSegment(mode: UInt32(CASTOR_MODE_OFF))
            let workers = (0..<4).map { i in
                Worker {
                    if !attached {
                        _ = Self.exercise(UInt64(i) + 1, 20_000)
                        return
                    }
                    segment.attached(i) { _ in
                        _ = Self.exercise(UInt64(i) + 1, 20_000)
                        flushCaches(castor_me())
                    }
                }
            }
            workers.forEach { $0.join() }
            castor_heap_now().pointee._checkInvariants()
            Heap.reset()
        }

        /// Recorded threads race for the central heap; replayed from their own events they get the same addresses.
        @Test func replayGivesEveryThreadItsAddresses() {
            let threads = 3
            func run(mode: UInt32, logs: [[Event]]?) -> (addresses: [[UnsafeMutableRawPointer]], logs: [[Event]]) {
                Heap.reset()
                let segment = TestSegment(mode: mode)
                let drains = logs == nil ? (0..<threads).map { Drain(segment.ring($0)) } : []
                let feeds = logs.map { $0.enumerated().map { Feed(segment.ring($0), $1) } }
                let room = UnsafeMutablePointer<[UnsafeMutableRawPointer]>.allocate(capacity: threads)
                room.initialize(repeating: [], count: threads)
                defer {
                    room.deinitialize(count: threads)
                    room.deallocate()
                }
                let workers = (0..<threads).map { i in
                    Worker {
                        segment.attached(i, ordered: true) { _ in
                            room[i] = Self.exercise(UInt64(i) + 50, 3000)
                            flushCaches(castor_me())
                        }
                    }
                }
                workers.forEach { $0.join() }
                feeds?.forEach { $0.stop() }
                castor_heap_now().pointee._checkInvariants()
                #expect(segment.header.pointee.report.kind == CASTOR_NO_DIVERGENCE)
                return ((0..<threads).map { room[$0] }, drains.map { $0.finish() })
            }
            let recorded = run(mode: UInt32(CASTOR_MODE_RECORD), logs: nil)
            #expect(recorded.logs.allSatisfy { $0.count > 50 })
            let versions = recorded.logs.joined().map(\.entry.version).sorted()
            #expect(versions == (0..<UInt64(versions.count)).map { $0 })
            let replayed = run(mode: UInt32(CASTOR_MODE_REPLAY), logs: recorded.logs)
            #expect(replayed.addresses == recorded.addresses)
            Heap.reset()
        }
    }
}
