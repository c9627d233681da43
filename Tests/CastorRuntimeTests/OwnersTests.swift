/// Waiting for the owner of a shard: who reads it waits for a place, who takes it for the rest of the row as well.
import CTSXGate
import CTSXShim
import Testing

extension RuntimeTests {
    @Suite struct OwnersTests {
        private static let owner: UInt32 = 3

        private static func place(_ count: UInt64) -> UInt64 { UInt64(owner + 1) << UInt64(CASTOR_WORD_BITS) | count }

        private static func progress(_ segment: TestSegment) -> UnsafeMutablePointer<castor_progress> {
            castor_progress_of(segment.header, owner)
        }

        /// A thread that waits for the owner to have done `count`, and how far it has come when it goes on.
        private func waits(
            for count: UInt64, slack: UInt64, row: (start: UInt64, end: UInt64), expecting least: UInt64
        ) {
            let segment = TestSegment(mode: UInt32(CASTOR_MODE_REPLAY))
            let progress = Self.progress(segment)
            (progress.pointee.start, progress.pointee.end) = row
            progress.pointee.count = row.start
            let passed = Counter()
            let worker = Worker {
                segment.attached(0) { ring in
                    waitForOwner(ring, Self.place(count), slack: slack)
                    passed.add()
                }
            }
            for now in row.start..<row.end {
                castor_store(castor_progress_count(progress), now)
                wakeAll(UInt64(UInt(bitPattern: progress)))
                if now >= least { break }
                #expect(!comesTrue(within: 5) { passed.value > 0 }, "went on at \(now), before \(least)")
            }
            castor_store(castor_progress_count(progress), max(least, row.start))
            wakeAll(UInt64(UInt(bitPattern: progress)))
            #expect(comesTrue { passed.value == 1 })
            worker.join()
            #expect(progress.pointee.waiters == 0)
        }

        @Test func aReaderWaitsForThePlace() { waits(for: 14, slack: 0, row: (10, 20), expecting: 14) }
        @Test func nobodyWaitsForWhatIsDone() { waits(for: 9, slack: 0, row: (10, 20), expecting: 10) }
        @Test func aTakerWaitsForTheSlack() { waits(for: 12, slack: 4, row: (10, 20), expecting: 16) }
        @Test func noFurtherThanTheRowGoes() { waits(for: 18, slack: 256, row: (10, 20), expecting: 20) }
        /// Its place is the end of the row before: the first of a row is counted with a fence.
        @Test func norInTheNextRow() { waits(for: 10, slack: 256, row: (10, 20), expecting: 10) }

        @Test func noPlaceIsNoWait() {
            let segment = TestSegment(mode: UInt32(CASTOR_MODE_REPLAY))
            segment.attached(0) { waitForOwner($0, 0, slack: UInt64(CASTOR_OWNED_SLACK)) }
        }

        /// Words of shards: the version is between the locks.
        @Test func wordsHaveVersions() {
            #expect(castor_word_version(0) == 0)
            #expect(castor_word_version(0xe001_0000_0000_0007) == 3)
            #expect(castor_word_version(0xe001_8000_0000_0006) == 3)
            #expect(MemoryLayout<castor_progress>.stride == 64)
        }

        /// Streams that may own nothing share a line that nobody waits for.
        @Test func lateStreamsOwnNothing() {
            let segment = TestSegment()
            let last = castor_progress_of(segment.header, UInt32(CASTOR_OWNERS) - 1)
            #expect(castor_progress_of(segment.header, UInt32(CASTOR_OWNERS)) == last + 1)
            #expect(castor_progress_of(segment.header, UInt32.max) == last + 1)
        }
    }
}
