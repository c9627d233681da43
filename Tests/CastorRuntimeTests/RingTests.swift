/// Both ends of the ring against an agent that is slow, stops or dies.
import CTSXGate
import CTSXShim
import Glibc
import Testing

extension RuntimeTests {
    @Suite struct RingProducerTests {
        static let slots = 64
        /// Every length up to two lines, around every multiple of the line near the ring's length, up to three rings.
        static let lengths: [Int] =
            Array(0...130) + [1, 2, 3].flatMap { n in (-65...65).filter { $0 % 16 < 2 }.map { n * slots * 64 + $0 } }

        func entry(_ i: Int) -> castor_entry {
            var e = attempt(CASTOR_EV_SYSCALL, UInt16(i % 400), UInt64(i), UInt64(i) &* 31, 7)
            e.result = Int64(i)
            return e
        }

        /// Puts one event into the ring as the runtime does; the payload comes in pieces.
        func produce(_ ring: Ring, _ event: Event, _ random: inout Random) {
            #expect(ring.makeRoom())
            ring.next.pointee = event.entry
            if event.payload.isEmpty { return ring.publishEvent() }
            var writer = PayloadWriter(ring)
            var done = 0
            while done < event.payload.count {
                let n = min(event.payload.count - done, 1 + random.below(5000))
                event.payload.withUnsafeBytes { writer.put(address($0.baseAddress! + done), UInt64(n)) }
                done += n
            }
            writer.finish()
        }

        @Test(arguments: [1, 2, 3, 4]) func everythingArrivesInOrder(_ seed: UInt64) {
            let segment = TestSegment(slots: Self.slots)
            var random = Random(seed)
            segment.attached(0) { ring in
                let drain = Drain(ring, seed: seed, longest: seed == 1 ? 1 : 40, pause: seed == 1 ? 0 : 300)
                var sent: [Event] = []
                var lengths = Self.lengths
                for i in lengths.indices { lengths.swapAt(i, random.below(lengths.count)) }
                for (i, length) in lengths.enumerated() {
                    sent.append(Event(entry(i), random.bytes(length)))
                    produce(ring, sent[i], &random)
                }
                let got = drain.finish()
                #expect(got.count == sent.count)
                for (a, b) in zip(got, sent) where a != b {
                    Issue.record("event \(b.entry.result) with \(b.payload.count) bytes, seed \(seed)")
                    break
                }
                #expect(ring.pointee.events == UInt64(sent.count))
                #expect(ring.pointee.tail == sent.reduce(0) { $0 + UInt64($1.lines.count) })
            }
        }

        /// Small events among others: all arrive, in order, with every field that they have.
        @Test(arguments: [1, 2, 3, 4]) func smallEventsArriveInOrder(_ seed: UInt64) {
            let segment = TestSegment(slots: Self.slots)
            var random = Random(seed)
            let objects = UnsafeMutableRawPointer.allocate(byteCount: 64 * 64, alignment: 64)
            objects.initializeMemory(as: UInt8.self, repeating: 0, count: 64 * 64)
            defer { objects.deallocate() }
            segment.attached(0) { ring in
                let drain = Drain(ring, seed: seed, longest: seed == 1 ? 1 : 40, pause: 0)
                var sent: [Event] = []
                var versions: [UInt32: UInt64] = [:]
                for i in 0..<20_000 {
                    switch random.below(seed == 2 ? 30 : 4) {
                    case 0:
                        sent.append(Event(entry(i), random.bytes(random.below(200))))
                        produce(ring, sent[i], &random)
                    case 1:
                        let value = random.next() >> UInt64(random.below(64))
                        #expect(castor_value(value) == value)
                        var e = attempt(CASTOR_EV_VALUE, 0)
                        e.result = Int64(bitPattern: value)
                        sent.append(Event(e))
                    default:
                        let id = UInt16(1 + random.below(15))
                        let object = address(objects) + UInt64(random.below(50)) * 64
                        let result = random.below(3) == 0 ? Int64(-random.below(100)) : 0
                        let value = random.below(3) == 0 ? random.next() : 0
                        let isOrdered = random.below(8) != 0
                        // A counter that no longer fits into a small event.
                        let at = shard(of: object)
                        if random.below(500) == 0, versions[at, default: 0] < 1 << 32 {
                            versions[at] = 1 << 32 - 1
                            castor_store(castor_version(segment.header, at), 1 << 32 - 1)
                        }
                        castor_symbol_record(id, object, result, value, isOrdered ? 1 : 0)
                        var e = attempt(CASTOR_EV_SYMBOL, id, object, 0, value)
                        e.result = result
                        e.shard = isOrdered ? at : CASTOR_NO_SHARD
                        e.version = isOrdered ? versions[at, default: 0] : 0
                        if isOrdered { versions[at, default: 0] += 1 }
                        sent.append(Event(e))
                    }
                }
                var got = drain.finish()
                for i in got.indices { got[i].entry.stamp = 0 }
                #expect(got.count == sent.count)
                for (i, (a, b)) in zip(got, sent).enumerated() where a != b {
                    Issue.record("event \(i): \(a.entry) instead of \(b.entry)")
                    break
                }
                #expect(ring.pointee.events == UInt64(sent.count))
            }
        }

        private func lock(_ mutex: UnsafeMutablePointer<pthread_mutex_t>) {
            castor_symbol_record(CASTOR_SYM_pthread_mutex_lock, address(mutex), 0, 0, 1)
        }

        /// Four locks share a line; one event in CASTOR_STAMP_EVERY has its own, with a time stamp.
        @Test func aLockTakesAQuarterOfALine() {
            let segment = TestSegment(slots: 1024)
            var mutex = pthread_mutex_t()
            segment.attached(0) { ring in
                for _ in 0..<160 { lock(&mutex) }
                // Sixteen without a stamp, for the first event has none before it; then fifteen between two that have one.
                #expect(ring.pointee.tail == 4 + 9 * (1 + 4) - 1 && ring.pointee.packed == 48)
                let stamped = (0..<ring.pointee.tail).filter { castor_slot(ring, $0).pointee.kind & CASTOR_SMALL == 0 }
                #expect(stamped.count == 9 && stamped.allSatisfy { castor_slot(ring, $0).pointee.stamp != 0 })
            }
        }

        /// A line of small events counts as taken from its first one on: the producer waits before it begins one that has no
        /// free line behind it, never with an event in its hands.
        @Test func aFullRingWaitsBeforeASmallEvent() {
            let segment = TestSegment(slots: Self.slots)
            let ring = segment.ring(0)
            let made = Counter()
            let worker = Worker {
                segment.attached(0) { ring in
                    var mutex = pthread_mutex_t()
                    for _ in 0..<Self.slots * 8 {
                        lock(&mutex)
                        made.add()
                    }
                }
            }
            #expect(comesTrue { castor_load32(castor_ring_producer_waiting(ring)) == 1 })
            #expect(ring.pointee.events == UInt64(made.value))
            #expect(ring.pointee.tail >= UInt64(Self.slots) - 1 && ring.pointee.packed == 0)
            let drain = Drain(ring)
            worker.join()
            #expect(drain.finish().count == Self.slots * 8)
        }

        @Test func aFullRingWaitsForTheAgent() {
            let segment = TestSegment(slots: Self.slots)
            let ring = segment.ring(0)
            let published = Counter()
            let worker = Worker {
                segment.attached(0) { ring in
                    for _ in 0..<Self.slots + 1 {
                        guard ring.makeRoom() else { return }
                        ring.publishEvent()
                        published.add()
                    }
                }
            }
            #expect(comesTrue { castor_load32(castor_ring_producer_waiting(ring)) == 1 })
            #expect(published.value == UInt64(Self.slots))
            castor_store(castor_ring_head(ring), 1)
            wakeAll(address(castor_ring_head(ring)))
            worker.join()
            #expect(published.value == UInt64(Self.slots) + 1)
            #expect(ring.pointee.producer_waiting == 0)
        }

        @Test func aStoppedRecordingLetsTheProgramGoOn() {
            let segment = TestSegment(slots: Self.slots)
            let ring = segment.ring(0)
            let finished = Counter()
            let worker = Worker {
                segment.attached(0) { ring in
                    for _ in 0..<Self.slots { ring.publishEvent() }
                    finished.add(ring.makeRoom() ? 100 : 1)
                }
            }
            #expect(comesTrue { castor_load32(castor_ring_producer_waiting(ring)) == 1 })
            castor_store32(castor_segment_stopped(segment.header), UInt32(CASTOR_STOP_DISK))
            wakeAll(address(castor_ring_head(ring)))
            worker.join()
            #expect(finished.value == 1)
            #expect(castor_mode_now() == CASTOR_MODE_OFF)
        }

        @Test func aPayloadIsGivenUpInTheMiddle() {
            let segment = TestSegment(slots: Self.slots)
            segment.header.pointee.stopped = UInt32(CASTOR_STOP_DISK)
            segment.attached(0) { ring in
                let bytes = [UInt8](repeating: 7, count: Self.slots * 64 * 2)
                #expect(ring.makeRoom())
                var writer = PayloadWriter(ring)
                bytes.withUnsafeBytes { writer.put(address($0.baseAddress!), UInt64($0.count)) }
                #expect(!writer.alive)
                writer.finish()
                #expect(ring.pointee.events == 0, "half an event was counted")
            }
        }

        @Test func aKilledAgentIsNoticed() {
            let segment = TestSegment(slots: Self.slots)
            segment.header.pointee.agent_pid = UInt32(deadProcess())
            segment.attached(0) { ring in
                for _ in 0..<Self.slots { ring.publishEvent() }
                #expect(!ring.makeRoom())
            }
            #expect(segment.header.pointee.stopped == UInt32(CASTOR_STOP_AGENT_DIED))
            #expect(castor_mode_now() == CASTOR_MODE_OFF)
        }
        /// The number of a process that has been and is gone.
        func deadProcess() -> pid_t {
            var pid = pid_t()
            var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("true"), nil]
            defer { free(arguments[0]) }
            posix_spawn(&pid, "/bin/true", nil, nil, &arguments, environ)
            waitpid(pid, nil, 0)
            return pid
        }

        @Test func aRingThatFillsWakesASleepingAgent() {
            let segment = TestSegment(slots: Self.slots)
            segment.attached(0) { ring in
                ring.pointee.kick = 16
                let sleeping = castor_segment_agent_sleeping(segment.header)
                castor_store32(sleeping, 1)
                let woken = Counter()
                let agent = Worker {
                    while castor_load32(sleeping) == 1 { sleepOn(address(sleeping), 1, milliseconds: 20_000) }
                    woken.add()
                }
                for _ in 0..<15 { ring.publishEvent() }
                #expect(castor_load32(sleeping) == 1, "woken before the ring had filled so far")
                ring.publishEvent()
                agent.join()
                #expect(woken.value == 1)
                #expect(ring.pointee.kick == 32)
                // An agent that is awake is left alone until the next quarter.
                castor_store32(sleeping, 1)
                for _ in 0..<15 { ring.publishEvent() }
                #expect(castor_load32(sleeping) == 1)
                ring.publishEvent()
                #expect(castor_load32(sleeping) == 0)
            }
        }

        /// Parked by the agent, which sleeps or not.
        @Test func aParkedRingCallsOnce() {
            let segment = TestSegment(slots: Self.slots)
            let calls = castor_segment_calls(segment.header)
            let sleeping = castor_segment_agent_sleeping(segment.header)
            segment.attached(3) { ring in
                ring.publishEvent()
                #expect(calls[0] == 0, "a ring that is looked at need not call")
                for state in [CASTOR_AGENT_AWAKE, CASTOR_AGENT_NAPS, CASTOR_AGENT_LISTENS] {
                    castor_store(castor_ring_kick(ring), 0)
                    castor_store32(sleeping, state)
                    ring.publishEvent()
                    #expect(calls[0] == 1 << 3)
                    #expect(castor_load32(sleeping) == (state == CASTOR_AGENT_LISTENS ? CASTOR_AGENT_AWAKE : state))
                    castor_store(calls, 0)
                    castor_store32(sleeping, CASTOR_AGENT_LISTENS)
                    ring.publishEvent()
                    #expect(calls[0] == 0 && castor_load32(sleeping) == CASTOR_AGENT_LISTENS, "called again")
                }
            }
        }

        @Test func smallEventsCallWhenTheirLineIsFull() {
            let segment = TestSegment(slots: Self.slots)
            let calls = castor_segment_calls(segment.header)
            segment.attached(1) { ring in
                castor_store(castor_ring_kick(ring), 0)
                for _ in 0..<4 {
                    #expect(ring.makeRoom(small: 16))
                    castor_pack(ring, 0, 1, 1, 0x1000, 0, 0, 0)
                    #expect(calls[0] == 0)
                }
                #expect(ring.makeRoom(small: 16))
                #expect(calls[0] == 1 << 1)
            }
        }

        /// Rings of ended threads are freed before there are many.
        @Test func aThreadThatEndsCalls() {
            let segment = TestSegment(slots: Self.slots)
            let calls = castor_segment_calls(segment.header)
            segment.attached(2) { ring in
                castor_store32(castor_segment_agent_sleeping(segment.header), CASTOR_AGENT_LISTENS)
                castor_process_now().pointee.live += 1
                leaveThread(castor_me())
                #expect(castor_load32(castor_ring_state(ring)) == CASTOR_RING_DONE)
                #expect(calls[0] == 1 << 2)
                #expect(segment.header.pointee.agent_sleeping == CASTOR_AGENT_AWAKE)
            }
        }
    }

    @Suite struct RingConsumerTests {
        static func events(_ seed: UInt64, _ count: Int, longest: Int) -> [Event] {
            var random = Random(seed)
            return (0..<count).map { i in
                var e = attempt(CASTOR_EV_SYSCALL, 1, UInt64(i))
                e.stamp = UInt64(i)
                return Event(e, random.bytes(random.below(3) == 0 ? 0 : random.below(longest)))
            }
        }

        /// Every payload is taken in pieces, some of them skipped, some asked for beyond the end.
        @Test(arguments: [1, 2, 3, 4]) func payloadsAreReadInPieces(_ seed: UInt64) {
            let segment = TestSegment(mode: UInt32(CASTOR_MODE_REPLAY))
            let sent = Self.events(seed, 120, longest: 3 * 64 * 64)
            segment.attached(0) { ring in
                let feed = Feed(ring, sent, seed: seed, longest: seed == 1 ? 1 : 30, pause: 200)
                var random = Random(seed + 100)
                for event in sent {
                    let e = ring.peek().pointee
                    #expect(Event(e, event.payload) == event)
                    if e.payload == 0 {
                        finishEvent(castor_me(), ring, e)
                        continue
                    }
                    var reader = PayloadReader(ring, e)
                    var room = [UInt8](repeating: 0xee, count: event.payload.count + 64)
                    var expected = room
                    var at = 0
                    while at < event.payload.count, random.below(50) != 0 {  // else the rest is left to finish()
                        let n = 1 + random.below(2000)
                        let end = min(at + n, event.payload.count)
                        if random.below(4) == 0 {
                            reader.take(0, UInt64(n))
                        } else {
                            room.withUnsafeMutableBytes { reader.take(address($0.baseAddress! + at), UInt64(n)) }
                            expected[at..<end] = event.payload[at..<end]
                        }
                        at = end
                    }
                    reader.finish()
                    if room != expected {
                        Issue.record("payload of event \(e.object), seed \(seed)")
                        break
                    }
                }
                feed.stop()
                #expect(ring.pointee.events == UInt64(sent.count))
                #expect(ring.pointee.head == ring.pointee.tail)
            }
        }

        @Test func aPayloadMayBeSkippedWhole() {
            let segment = TestSegment(mode: UInt32(CASTOR_MODE_REPLAY))
            let sent = Self.events(9, 60, longest: 9000)
            segment.attached(0) { ring in
                let feed = Feed(ring, sent, longest: 7, pause: 100)
                for event in sent {
                    let e = ring.peek().pointee
                    #expect(e.object == event.entry.object)
                    finishEvent(castor_me(), ring, e)
                }
                feed.stop()
            }
        }

        @Test func waitingForTheAgentIsSeenAndEnds() {
            let segment = TestSegment(mode: UInt32(CASTOR_MODE_REPLAY))
            let ring = segment.ring(0)
            castor_store32(castor_segment_agent_sleeping(segment.header), 1)
            let got = Counter()
            let worker = Worker { segment.attached(0) { _ = got.add($0.peek().pointee.object) } }
            #expect(comesTrue { castor_load32(castor_ring_consumer_waiting(ring)) == 1 })
            #expect(castor_load32(castor_ring_waiting(ring)) == CASTOR_WAIT_FEED)
            #expect(segment.header.pointee.agent_sleeping == 0, "the agent sleeps while a thread starves")
            let feed = Feed(ring, [Event(attempt(CASTOR_EV_SYSCALL, 1, 77))])
            worker.join()
            feed.stop()
            #expect(got.value == 77)
            #expect(ring.pointee.waiting == CASTOR_RUNNING)
        }

        @Test func aHalfEmptyRingWakesTheAgent() {
            let segment = TestSegment(mode: UInt32(CASTOR_MODE_REPLAY))
            segment.attached(0) { ring in
                castor_store(castor_ring_tail(ring), 64)
                segment.header.pointee.agent_sleeping = 1
                ring.consume(upTo: 32)
                #expect(segment.header.pointee.agent_sleeping == 1)
                ring.consume(upTo: 33)
                #expect(segment.header.pointee.agent_sleeping == 0)
            }
        }
    }
}
