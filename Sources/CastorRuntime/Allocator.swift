/// The deterministic allocator. glibc's picks arenas and chunks by lock timing; here each thread allocates from size
/// class caches that nobody else touches, and only the batches that caches exchange with the central heap are
/// events. Given the order of those, every address is a function of the program.
///
///     1 … 1024 bytes: 64 classes, 16 apart      1025 … 32768: four classes to each doubling
///     larger: runs of 64 KiB pages, first fit by address
///
/// A free block's first word links it to the next. Memory lies at a fixed place and is mapped in steps of 32 MiB.
import CTSXGate
import CTSXShim

private let pageShift: UInt64 = 16
private let pageBytes: UInt64 = 1 << 16
private let largestSmall: UInt64 = 32768
private let runHead: UInt8 = 255

@inline(__always) private var classTable: UnsafeMutablePointer<UInt8> {
    memory(CASTOR_HEAP_CLASSES).assumingMemoryBound(to: UInt8.self)
}
@inline(__always) private var runTable: UnsafeMutablePointer<UInt32> { halves(CASTOR_HEAP_RUNS) }
@inline(__always) private var nextTable: UnsafeMutablePointer<UInt32> { halves(CASTOR_HEAP_NEXT) }

// MARK: - Size classes

@inline(__always) @_noLocks private func sizeClass(_ bytes: UInt64) -> UInt64 {
    if bytes <= 1024 { return bytes == 0 ? 0 : (bytes &- 1) >> 4 }
    let top = 63 &- UInt64((bytes &- 1).leadingZeroBitCount)  // 10 for 1025 … 2048
    return 64 &+ (top &- 10) &* 4 &+ ((bytes &- 1) >> (top &- 2) & 3)
}
@inline(__always) @_noLocks private func classBytes(_ c: UInt64) -> UInt64 {
    if c < 64 { return (c &+ 1) << 4 }
    let k = c &- 64
    return (4 &+ (k & 3) &+ 1) << (8 &+ k >> 2)
}
/// Blocks that a cache exchanges at once.
@inline(__always) @_noLocks private func batch(_ c: UInt64) -> UInt64 { max(2, min(64, 16384 / classBytes(c))) }

@inline(__always) @_noLocks private func cache(_ me: Thread, _ c: UInt64) -> UnsafeMutablePointer<castor_cache> {
    castor_thread_cache(me, c)
}
@inline(__always) @_noLocks private func link(_ block: UnsafeMutableRawPointer) -> UnsafeMutablePointer<
    UnsafeMutableRawPointer?
> {
    block.assumingMemoryBound(to: UnsafeMutableRawPointer?.self)
}

// MARK: - The thread's side

@c @implementation @_noLocks
func castor_allocate(_ bytes: UInt64) -> UnsafeMutableRawPointer? {
    if bytes > largestSmall { return allocateRun(bytes, alignment: pageBytes) }
    let me = castor_me()
    let c = sizeClass(bytes)
    if me.pointee.ring == nil { return allocateCentral(c) }
    let mine = cache(me, c)
    if mine.pointee.first == nil { refill(me, c, mine) }
    guard let block = mine.pointee.first else { return nil }
    mine.pointee.first = link(block).pointee
    mine.pointee.count &-= 1
    return block
}

@c @implementation @_noLocks
func castor_free(_ block: UnsafeMutableRawPointer) {
    let page = (address(block) &- CASTOR_HEAP_REGION) >> pageShift
    if page >= CASTOR_HEAP_PAGES || classTable[Int(page)] == 0 { return badFree(block) }
    let kind = classTable[Int(page)]
    if kind == runHead { return freeRun(page) }
    let c = UInt64(kind) &- 1
    let me = castor_me()
    if me.pointee.ring == nil { return freeCentral(block, c) }
    let mine = cache(me, c)
    link(block).pointee = mine.pointee.first
    mine.pointee.first = block
    mine.pointee.count &+= 1
    if mine.pointee.count > 2 &* batch(c) { flush(me, c, mine, batch(c)) }
}

@c @implementation @_noLocks
func castor_allocate_aligned(_ alignment: UInt64, _ bytes: UInt64) -> UnsafeMutableRawPointer? {
    if alignment <= 16 { return castor_allocate(bytes) }
    let wanted = max(bytes, alignment)
    if wanted > largestSmall || alignment > largestSmall {
        return allocateRun(max(bytes, 1), alignment: max(alignment, pageBytes))
    }
    return castor_allocate(1 << (64 &- UInt64((wanted &- 1).leadingZeroBitCount)))  // powers of two are aligned to themselves
}

@c @implementation @_noLocks
func castor_usable(_ block: UnsafeRawPointer) -> UInt64 {
    let page = (address(block) &- CASTOR_HEAP_REGION) >> pageShift
    if page >= CASTOR_HEAP_PAGES { return 0 }
    let kind = classTable[Int(page)]
    return kind == runHead ? UInt64(runTable[Int(page)]) << pageShift : kind == 0 ? 0 : classBytes(UInt64(kind) &- 1)
}

@inline(never) @_noLocks private func badFree(_ block: UnsafeMutableRawPointer) {
    say("free(): invalid pointer")
    kernel(SYS_tgkill, UInt64(bitPattern: kernel(SYS_getpid)), UInt64(bitPattern: kernel(SYS_gettid)), 6)
}

/// A thread that ends gives everything back.
@_noLocks func flushCaches(_ me: Thread) {
    var c: UInt64 = 0
    while c < UInt64(CASTOR_CLASSES) {
        let mine = cache(me, c)
        if mine.pointee.count > 0 { flush(me, c, mine, mine.pointee.count) }
        c &+= 1
    }
}

// MARK: - The central heap

@_noLocks func lockHeap() {
    let word = castor_process_heap_lock(process)
    if castor_exchange32(word, 1) != 0 { waitForHeap(word) }
}
/// A thread that forks holds the heap: whoever waits for it stands still.
@inline(never) @_noLocks private func waitForHeap(_ word: UnsafeMutablePointer<UInt32>) {
    let ring = isRecording ? castor_me().pointee.ring : nil
    if let ring { castor_store32(castor_ring_waiting(ring), CASTOR_WAIT_REAL) }
    var spins = 0
    while castor_exchange32(word, 1) != 0 {
        spins &+= 1
        if spins & 15 == 0 { kernel(SYS_sched_yield) } else { castor_pause() }
    }
    if let ring { castor_store32(castor_ring_waiting(ring), CASTOR_RUNNING) }
}
@_noLocks func unlockHeap() {
    castor_store32(castor_process_heap_lock(process), 0)
}

/// One exchange with the central heap, in its recorded place. `object` and the result of `enterHeap` are checked.
@inline(__always) @_noLocks private func enterHeap(
    _ me: Thread, _ id: UInt16, _ object: UInt64, _ turn: inout castor_turn
) {
    if me.pointee.ordered != 0, replays(me), !isLenient {
        withUnsafeMutablePointer(to: &turn) { castor_symbol_replay($0, id, object) }
    }
    lockHeap()
}
@inline(__always) @_noLocks private func leaveHeap(
    _ me: Thread, _ id: UInt16, _ object: UInt64, _ turn: inout castor_turn
) {
    if me.pointee.ordered != 0, isRecording { castor_symbol_record(id, object, 0, 0, 1) }
    unlockHeap()
    if me.pointee.ordered != 0, isReplaying, !isLenient {
        withUnsafeMutablePointer(to: &turn) { castor_symbol_replayed($0) }
    }
}

@inline(never) @_noLocks private func refill(_ me: Thread, _ c: UInt64, _ mine: UnsafeMutablePointer<castor_cache>) {
    var turn = castor_turn()
    enterHeap(me, CASTOR_SYM_malloc_refill, c, &turn)
    var n = batch(c)
    while n > 0, let block = takeBlock(c) {
        link(block).pointee = mine.pointee.first
        mine.pointee.first = block
        mine.pointee.count &+= 1
        n &-= 1
    }
    leaveHeap(me, CASTOR_SYM_malloc_refill, c, &turn)
}

@inline(never) @_noLocks private func flush(
    _ me: Thread, _ c: UInt64, _ mine: UnsafeMutablePointer<castor_cache>, _ count: UInt64
) {
    var turn = castor_turn()
    enterHeap(me, CASTOR_SYM_malloc_flush, c, &turn)
    var n = count
    while n > 0, let block = mine.pointee.first {
        mine.pointee.first = link(block).pointee
        mine.pointee.count &-= 1
        giveBlock(block, c)
        n &-= 1
    }
    leaveHeap(me, CASTOR_SYM_malloc_flush, c, &turn)
}

/// Threads that are not attached have no caches.
@inline(never) @_noLocks private func allocateCentral(_ c: UInt64) -> UnsafeMutableRawPointer? {
    lockHeap()
    let block = takeBlock(c)
    unlockHeap()
    return block
}
@inline(never) @_noLocks private func freeCentral(_ block: UnsafeMutableRawPointer, _ c: UInt64) {
    lockHeap()
    giveBlock(block, c)
    unlockHeap()
}

@_noLocks private func takeBlock(_ c: UInt64) -> UnsafeMutableRawPointer? {
    let k = castor_class_at(c)
    if let block = k.pointee.first {
        k.pointee.first = link(block).pointee
        return block
    }
    let size = classBytes(c)
    if k.pointee.carve &+ size > k.pointee.end {
        guard let page = takePages(1) else { return nil }
        classTable[Int(page)] = UInt8(truncatingIfNeeded: c &+ 1)
        k.pointee.carve = CASTOR_HEAP_REGION &+ page << pageShift
        k.pointee.end = k.pointee.carve &+ pageBytes
    }
    let block = memory(k.pointee.carve)
    k.pointee.carve &+= size
    return block
}
@inline(__always) @_noLocks private func giveBlock(_ block: UnsafeMutableRawPointer, _ c: UInt64) {
    let k = castor_class_at(c)
    link(block).pointee = k.pointee.first
    k.pointee.first = block
}

// MARK: - Pages

@inline(never) @_noLocks private func allocateRun(_ bytes: UInt64, alignment: UInt64) -> UnsafeMutableRawPointer? {
    if bytes > CASTOR_HEAP_PAGES << pageShift || alignment > CASTOR_HEAP_PAGES << pageShift { return nil }
    let me = castor_me()
    let attached = me.pointee.ring != nil
    let pages = (bytes &+ pageBytes &- 1) >> pageShift
    var turn = castor_turn()
    if attached { enterHeap(me, CASTOR_SYM_malloc_large, pages, &turn) } else { lockHeap() }
    var page: UInt64? = takePages(pages &+ alignment >> pageShift &- 1)
    if let first = page, alignment > pageBytes {  // cut off what lies before the aligned place, and behind
        let step = alignment >> pageShift
        let total = pages &+ step &- 1
        let aligned = (first &+ step &- 1) / step &* step
        if aligned > first { givePages(first, aligned &- first) }
        if first &+ total > aligned &+ pages { givePages(aligned &+ pages, first &+ total &- aligned &- pages) }
        page = aligned
    }
    if let page {
        classTable[Int(page)] = runHead
        runTable[Int(page)] = UInt32(truncatingIfNeeded: pages)
    }
    if attached { leaveHeap(me, CASTOR_SYM_malloc_large, pages, &turn) } else { unlockHeap() }
    return page.map { memory(CASTOR_HEAP_REGION &+ $0 << pageShift) }
}

@inline(never) @_noLocks private func freeRun(_ page: UInt64) {
    let me = castor_me()
    let attached = me.pointee.ring != nil
    let pages = UInt64(runTable[Int(page)])
    var turn = castor_turn()
    if attached { enterHeap(me, CASTOR_SYM_free_large, page, &turn) } else { lockHeap() }
    classTable[Int(page)] = 0
    // MADV_DONTNEED: the run reads as zeroes when it is used again, which calloc relies on.
    kernel(SYS_madvise, CASTOR_HEAP_REGION &+ page << pageShift, pages << pageShift, 4)
    givePages(page, pages)
    if attached { leaveHeap(me, CASTOR_SYM_free_large, page, &turn) } else { unlockHeap() }
}

/// First fit among the free runs, else from the end of what is used.
@_noLocks private func takePages(_ count: UInt64) -> UInt64? {
    let heap = castor_heap_now()
    var previous: UInt32 = 0
    var at = heap.pointee.free_run
    while at != 0 {
        let page = Int(at) &- 1
        let length = UInt64(runTable[page])
        if length >= count {
            var next = nextTable[page]
            if length > count {
                let rest = page &+ Int(count)
                runTable[rest] = UInt32(truncatingIfNeeded: length &- count)
                nextTable[rest] = next
                next = UInt32(truncatingIfNeeded: rest &+ 1)
            }
            if previous == 0 { heap.pointee.free_run = next } else { nextTable[Int(previous) &- 1] = next }
            return UInt64(page)
        }
        previous = at
        at = nextTable[page]
    }
    let page = heap.pointee.pages
    guard page &+ count <= CASTOR_HEAP_PAGES, mapPages(page &+ count) else { return nil }
    heap.pointee.pages = page &+ count
    return page
}

/// Puts a run back in its place by address and joins it with its neighbours.
@_noLocks private func givePages(_ page: UInt64, _ count: UInt64) {
    let heap = castor_heap_now()
    var previous: UInt32 = 0
    var at = heap.pointee.free_run
    while at != 0, UInt64(at) &- 1 < page {
        previous = at
        at = nextTable[Int(at) &- 1]
    }
    var length = count
    var next = at
    if at != 0, UInt64(at) &- 1 == page &+ count {
        length &+= UInt64(runTable[Int(at) &- 1])
        next = nextTable[Int(at) &- 1]
    }
    if previous != 0, UInt64(previous) &- 1 &+ UInt64(runTable[Int(previous) &- 1]) == page {
        runTable[Int(previous) &- 1] &+= UInt32(truncatingIfNeeded: length)
        nextTable[Int(previous) &- 1] = next
        return
    }
    runTable[Int(page)] = UInt32(truncatingIfNeeded: length)
    nextTable[Int(page)] = next
    let mine = UInt32(truncatingIfNeeded: page &+ 1)
    if previous == 0 { heap.pointee.free_run = mine } else { nextTable[Int(previous) &- 1] = mine }
}

/// Makes the first `pages` pages usable. These mappings are the same in recording and replay, so they are no events.
@_noLocks private func mapPages(_ pages: UInt64) -> Bool {
    let heap = castor_heap_now()
    let flags: UInt64 = 0x2 | 0x20 | 0x4000 | 0x10_0000  // PRIVATE | ANONYMOUS | NORESERVE | FIXED_NOREPLACE
    if heap.pointee.ready == 0 {
        heap.pointee.ready = 1
        kernel(SYS_mmap, CASTOR_HEAP_CLASSES, CASTOR_HEAP_PAGES, 3, flags, UInt64.max, 0)
        kernel(SYS_mmap, CASTOR_HEAP_RUNS, CASTOR_HEAP_PAGES &* 4, 3, flags, UInt64.max, 0)
        kernel(SYS_mmap, CASTOR_HEAP_NEXT, CASTOR_HEAP_PAGES &* 4, 3, flags, UInt64.max, 0)
    }
    let step = max((pages &- min(pages, heap.pointee.mapped) &+ 511) / 512 &* 512, 512)
    if pages <= heap.pointee.mapped { return true }
    let at = CASTOR_HEAP_REGION &+ heap.pointee.mapped << pageShift
    let r = kernel(SYS_mmap, at, step << pageShift, 3, flags, UInt64.max, 0)
    if r != Int64(bitPattern: at) { return false }
    heap.pointee.mapped &+= step
    return true
}
