import CTSXShim
import Testing

@testable import CastorLog

@Suite struct LenientLogTests {
    private func entry(_ kind: UInt16, _ nr: UInt16, shard: UInt32 = 9, result: Int64 = 0, flags: UInt32 = 0)
        -> castor_entry
    {
        var e = castor_entry()
        (e.kind, e.nr, e.shard, e.version, e.result, e.flags, e.object) = (kind, nr, shard, 5, result, flags, 0x4000)
        return e
    }
    private let mmap: UInt16 = 9
    private let munmap: UInt16 = 11
    private let shmat: UInt16 = 30

    @Test func heapAndAddressSpaceAreNotFollowed() {
        var log = LenientLog()
        for nr in CASTOR_SYM_malloc_refill...CASTOR_SYM_free_large {
            var e = entry(CASTOR_EV_SYMBOL, nr, shard: CASTOR_SHARD_HEAP)
            let isFollowed = log.follows(&e)
            #expect(!isFollowed)
        }
        for nr in [munmap, 10, 12, 25, 28] {  // mprotect, brk, mremap, madvise
            var e = entry(CASTOR_EV_SYSCALL, nr, shard: CASTOR_SHARD_MEMORY)
            let isFollowed = log.follows(&e)
            #expect(!isFollowed)
        }
        var anonymous = entry(CASTOR_EV_SYSCALL, mmap, shard: CASTOR_SHARD_MEMORY, result: 0x7000)
        let isFollowed = log.follows(&anonymous)
        #expect(!isFollowed)
    }

    /// What brings content is followed, in no order with what is not.
    @Test func contentIsFollowed() {
        var log = LenientLog()
        for (nr, result, flags) in [
            (mmap, 0x7000, CASTOR_MAP_CONTENT), (mmap, 0x7000, CASTOR_MAP_BINARY), (mmap, 0x7000, CASTOR_MAP_SHARED),
            (mmap, -12, 0), (shmat, 0x7000, CASTOR_MAP_SHARED),
        ] {
            var e = entry(CASTOR_EV_SYSCALL, nr, shard: CASTOR_SHARD_MEMORY, result: Int64(result), flags: flags)
            let followsE = log.follows(&e)
            #expect(followsE)
            #expect(e.shard == CASTOR_NO_SHARD)
        }
    }

    @Test func everythingElseIsFollowedAsItIs() {
        var log = LenientLog()
        for (kind, nr) in [
            (CASTOR_EV_SYMBOL, CASTOR_SYM_pthread_mutex_lock), (CASTOR_EV_SYMBOL, CASTOR_SYM_pthread_once),
            (CASTOR_EV_SYSCALL, 1), (CASTOR_EV_CLOCK, 228), (CASTOR_EV_ATOMIC, 8), (CASTOR_EV_SIGNAL, 10),
        ] {
            var e = entry(kind, nr)
            let followsE = log.follows(&e)
            #expect(followsE)
            #expect(e.kind == kind && e.shard == 9 && e.version == 5)
        }
    }

    /// Of what ThreadSanitizer decides by itself the places in the order remain.
    @Test func onceKeepsItsPlace() {
        var log = LenientLog(withoutOnce: true)
        var atomic = entry(CASTOR_EV_ATOMIC, 8)
        let followsAtomic = log.follows(&atomic)
        #expect(followsAtomic)
        #expect(atomic.kind == CASTOR_EV_ATOMIC)
        for nr in [CASTOR_SYM_pthread_once, CASTOR_SYM_pthread_once_run, CASTOR_SYM_cxa_guard] {
            var e = entry(CASTOR_EV_SYMBOL, nr)
            let followsE = log.follows(&e)
            #expect(followsE)
            #expect(e.kind == CASTOR_EV_SYSCALL_BEGIN && e.shard == 9 && e.version == 5)
        }
        var release = entry(CASTOR_EV_ATOMIC, 8)  // of the guard
        let followsRelease = log.follows(&release)
        #expect(followsRelease)
        #expect(release.kind == CASTOR_EV_SYSCALL_BEGIN)
    }

    @Test func numbersTranslate() throws {
        var events: [Event] = []
        let kinds = [true, false, false, true, true, false, true]  // followed or not
        for follows in kinds {
            let e =
                follows
                ? entry(CASTOR_EV_SYMBOL, CASTOR_SYM_pthread_mutex_lock)
                : entry(CASTOR_EV_SYMBOL, CASTOR_SYM_malloc_flush)
            events.append(Event(stream: 0, entry: e, payload: []))
        }
        let directory = TemporaryDirectory()
        try writeLog(directory.path, events, chunk: 2)
        var numbers = FollowedNumbers(try LogReader(directory: directory.path))
        let followed = try (0...7).map { try numbers.followed(of: UInt64($0), stream: 0) }
        #expect(followed == [0, 1, 1, 1, 2, 3, 3, 4])
        let inTheLog = try (0...4).map { try numbers.number(after: UInt64($0), stream: 0) }
        #expect(inTheLog == [0, 3, 4, 6, 7])
    }
}
