/// Versions, turns and the total order.
import CTSXGate
import CTSXShim
import Glibc
import Testing

extension RuntimeTests {
    @Suite struct OrderTests {
        @Test func shardsAreNotReserved() {
            var random = Random(1)
            let addresses = [0, 1, 15, 16, UInt64.max, 1 << 63] + (0..<100_000).map { _ in random.next() }
            for a in addresses where shard(of: a) < CASTOR_SHARD_FIRST || shard(of: a) >= CASTOR_SHARDS {
                Issue.record("shard \(shard(of: a)) of \(a)")
            }
            for o in [0, 1, 8183, 8184, 8185, UInt32.max] + (0..<1000).map({ UInt32($0) }) {
                let s = shard(ofObject: o)
                #expect(s >= CASTOR_SHARD_FIRST && s < CASTOR_SHARDS)
            }
        }

        @Test func neighboursShareAShardAndOthersSpread() {
            #expect(shard(of: 0x7000_0010) == shard(of: 0x7000_001f))
            let used = Set((0..<4096).map { shard(of: 0x7000_0000 + UInt64($0) * 64) })
            #expect(used.count > 2500, "\(used.count) shards for 4096 locks")
        }

        @Test func versionsAreDense() {
            let segment = TestSegment()
            let threads = 4
            let each = 5000
            segment.header.pointee.next_stream = UInt32(threads) + 1
            let taken = UnsafeMutablePointer<UInt64>.allocate(capacity: threads * each)
            defer { taken.deallocate() }
            let workers = (0..<threads).map { t in
                Worker { for i in 0..<each { taken[t * each + i] = takeVersion(50) } }
            }
            workers.forEach { $0.join() }
            let all = UnsafeBufferPointer(start: taken, count: threads * each)
            #expect(all.sorted() == (0..<UInt64(threads * each)).map { $0 })
            for t in 0..<threads {
                let own = all[t * each..<(t + 1) * each]
                #expect(zip(own, own.dropFirst()).allSatisfy(<))
            }
            #expect(segment.version(50) == UInt64(threads * each))
        }

        /// Before the second stream begins and after it the versions are of one row.
        @Test func versionsOfOneThreadAreDense() {
            let segment = TestSegment()
            segment.header.pointee.next_stream = 1
            let alone = (0..<100).map { _ in takeVersion(50) }
            segment.header.pointee.next_stream = 2
            #expect(alone + (0..<100).map { _ in takeVersion(50) } == (0..<200).map { UInt64($0) })
            #expect(segment.version(50) == 200)
        }

        @Test func aTurnIsWaitedForAndWakesTheRightThread() {
            let segment = TestSegment(mode: UInt32(CASTOR_MODE_REPLAY))
            let passed = Counter()
            let workers = (0..<3).map { i in  // versions 3, 2, 1
                Worker {
                    segment.attached(i) { ring in
                        var e = attempt(CASTOR_EV_SYMBOL, 1)
                        (e.shard, e.version) = (40, UInt64(3 - i))
                        waitTurn(ring, e)
                        passed.add()
                    }
                }
            }
            #expect(comesTrue { segment.waiters(40) == 3 })
            for i in 0..<3 {
                let ring = segment.ring(i)
                #expect(ring.pointee.waiting == CASTOR_WAIT_TURN)
                #expect(ring.pointee.wait_shard == 40 && ring.pointee.wait_version == UInt64(3 - i))
            }
            for n in 1...3 {
                #expect(passed.value == UInt64(n - 1))
                passTurn(40)
                // Without the wake-up it would take the sleeper a second to look again.
                #expect(comesTrue(within: 800) { passed.value == UInt64(n) && segment.waiters(40) == UInt32(3 - n) })
            }
            workers.forEach { $0.join() }
            #expect((0..<3).allSatisfy { segment.ring($0).pointee.waiting == CASTOR_RUNNING })
        }

        /// A wake-up that came too early or for another version is not taken for the turn.
        @Test func wakingAlonePassesNoTurn() {
            let segment = TestSegment(mode: UInt32(CASTOR_MODE_REPLAY))
            let passed = Counter()
            let worker = Worker {
                segment.attached(0) { ring in
                    var e = attempt(CASTOR_EV_SYMBOL, 1)
                    (e.shard, e.version) = (41, 33)  // sleeps on the same bit as version 1
                    waitTurn(ring, e)
                    passed.add()
                }
            }
            #expect(comesTrue { segment.waiters(41) == 1 })
            for _ in 0..<32 {
                passTurn(41)
                usleep(100)
            }
            #expect(passed.value == 0)
            passTurn(41)
            worker.join()
            #expect(passed.value == 1)
        }

        @Test func eventsWithoutAShardWaitForNobody() {
            let segment = TestSegment(mode: UInt32(CASTOR_MODE_REPLAY))
            segment.attached(0) { waitTurn($0, attempt(CASTOR_EV_SYMBOL, 1)) }
            passTurn(CASTOR_NO_SHARD)
        }

        /// Threads replay a log whose order they did not choose; on every shard the order is that of the versions,
        /// and one event's effect is over before the next begins.
        @Test(arguments: [(1, 1), (2, 3), (3, 40), (4, 3)]) func replayKeepsTheOrderOfVersions(
            _ seed: UInt64, _ shards: Int
        ) {
            let segment = TestSegment(rings: 6, mode: UInt32(CASTOR_MODE_REPLAY))
            var random = Random(seed)
            // Objects of one shard that are not neighbours collide; a lock must not notice.
            let objects = shards == 3 ? Self.colliding() : (0..<shards).map { 0x5000_0000 + UInt64($0) * 64 }
            var versions: [UInt32: UInt64] = [:]
            var streams = [[castor_entry]](repeating: [], count: 6)
            for _ in 0..<3000 {
                var e = attempt(CASTOR_EV_SYMBOL, 1, objects[random.below(objects.count)])
                e.shard = shard(of: e.object)
                e.version = versions[e.shard, default: 0]
                versions[e.shard] = e.version + 1
                streams[random.below(6)].append(e)
            }
            let plain = UnsafeMutablePointer<UInt64>.allocate(capacity: Int(CASTOR_SHARDS))
            plain.initialize(repeating: 0, count: Int(CASTOR_SHARDS))
            defer { plain.deallocate() }
            let wrong = Counter()
            let workers = streams.enumerated().map { i, entries in
                Worker {
                    segment.attached(i) { ring in
                        for e in entries {
                            waitTurn(ring, e)
                            if plain[Int(e.shard)] != e.version { wrong.add() }
                            plain[Int(e.shard)] += 1
                            passTurn(e.shard)
                        }
                    }
                }
            }
            workers.forEach { $0.join() }
            #expect(wrong.value == 0)
            for (s, n) in versions { #expect(segment.version(s) == n && segment.waiters(s) == 0) }
        }
        static func colliding() -> [UInt64] {
            var found: [UInt64] = []
            var a: UInt64 = 0x5000_0000
            while found.count < 3 {
                if shard(of: a) == shard(of: 0x5000_0000) { found.append(a) }
                a += 16
            }
            return found
        }
    }

    @Suite struct TotalOrderTests {
        func total(rings: Int) -> TestSegment {
            TestSegment(rings: rings, mode: UInt32(CASTOR_MODE_REPLAY), order: UInt32(CASTOR_ORDER_TOTAL))
        }
        func stamped(_ stamp: UInt64) -> castor_entry {
            var e = attempt(CASTOR_EV_SYMBOL, 1)
            e.stamp = stamp
            return e
        }
        func fill(_ ring: Ring, _ stamps: [UInt64]) {
            for (i, s) in stamps.enumerated() { castor_slot(ring, UInt64(i)).pointee = stamped(s) }
            castor_slot(ring, UInt64(stamps.count)).pointee = attempt(CASTOR_EV_END, 0)
            castor_store(castor_ring_tail(ring), UInt64(stamps.count) + 1)
        }

        /// A thread that the machine does not let run for longer than the others' patience is overtaken: an event out
        /// of order is forgiven only where its thread had been away for that long.
        @Test(arguments: [1, 2, 3]) func eventsComeInTheOrderOfTheirStamps(_ seed: UInt64) {
            let threads = 3
            let segment = total(rings: threads)
            var random = Random(seed)
            var stamps = [[UInt64]](repeating: [], count: threads)
            for s in 1...UInt64(120) {
                var t = random.below(threads)
                while stamps[t].count > 60 { t = (t + 1) % threads }
                stamps[t].append(s)
            }
            for t in 0..<threads { fill(segment.ring(t), stamps[t]) }
            let place = Counter()
            let done = UnsafeMutablePointer<(stamp: UInt64, thread: Int, time: Double)>.allocate(capacity: 120)
            defer { done.deallocate() }
            let workers = (0..<threads).map { t in
                Worker {
                    segment.attached(t) { ring in
                        for _ in stamps[t] {
                            let e = ring.peek().pointee
                            waitTurn(ring, e)
                            done[Int(place.add())] = (e.stamp, t, milliseconds())
                            finishEvent(castor_me(), ring, e)
                        }
                    }
                }
            }
            workers.forEach { $0.join() }
            #expect(place.value == 120)
            for i in 1..<120 where done[i].stamp < done[i - 1].stamp {
                let last = (0..<i).last { done[$0].thread == done[i].thread }.map { done[$0].time } ?? 0
                let away = done[i].time - last
                #expect(
                    away > Self.patience,
                    "event \(done[i].stamp) came after \(done[i - 1].stamp), \(away) ms after its thread's last")
            }
        }
        /// Three sleeps of 300 µs, in milliseconds, and a little less for clocks that are read apart.
        static let patience = 0.8

        /// The log does not know when locks were released: a thread inside one may be waiting for this very event.
        @Test func aThreadInsideARealLockIsPassedOver() {
            let segment = total(rings: 2)
            fill(segment.ring(0), [1000])
            fill(segment.ring(1), [1])
            func waitHundredTimes() -> Double {
                let start = milliseconds()
                segment.attached(0) { ring in for _ in 0..<100 { waitTurn(ring, stamped(1000)) } }
                return milliseconds() - start
            }
            let patient = waitHundredTimes() // the other thread only computes: it is waited for, for a while
            #expect(patient > 100 * Self.patience)
            castor_store32(castor_ring_waiting(segment.ring(1)), UInt32(CASTOR_WAIT_REAL))
            let free = (0..<3).map { _ in waitHundredTimes() }.min()!
            #expect(free < patient / 4, "\(free) ms while the other thread is blocked, \(patient) ms while it runs")
        }

        /// Sleeping in a lock frees the thread whose turn it then is.
        @Test func blockingPassesTheTurnOn() {
            let segment = total(rings: 2)
            fill(segment.ring(1), [9])
            let before = segment.header.pointee.turn
            segment.attached(0) { ring in
                blockedInReal(castor_me(), true)
                #expect(ring.pointee.waiting == CASTOR_WAIT_REAL)
                #expect(segment.header.pointee.turn > before)
                blockedInReal(castor_me(), false)
                #expect(ring.pointee.waiting == CASTOR_RUNNING)
            }
        }

        @Test func finishedAndParkedThreadsAreNotWaitedFor() {
            let segment = total(rings: 4)
            fill(segment.ring(0), [100])
            fill(segment.ring(1), [1])
            fill(segment.ring(2), [2])
            fill(segment.ring(3), [])
            segment.ring(1).pointee.state = UInt32(CASTOR_RING_DONE)
            segment.ring(2).pointee.waiting = UInt32(CASTOR_PARKED)
            let start = milliseconds()
            segment.attached(0) { ring in for _ in 0..<5000 { waitTurn(ring, stamped(100)) } }
            #expect(milliseconds() - start < 5000 * Self.patience / 2, "patience was needed")
        }
    }
}
