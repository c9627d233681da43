/// What must hold of the central heap and of a thread's caches whenever nobody is in the middle of an exchange.
@preconcurrency import CTSXGate
import CTSXShim
import Glibc
import Testing

enum Heap {
    static let pageBytes: UInt64 = 1 << 16
    static let head: UInt8 = 255
    static var classes: UnsafeMutablePointer<UInt8> { memory(CASTOR_HEAP_CLASSES).assumingMemoryBound(to: UInt8.self) }
    static var runs: UnsafeMutablePointer<UInt32> { halves(CASTOR_HEAP_RUNS) }
    static var next: UnsafeMutablePointer<UInt32> { halves(CASTOR_HEAP_NEXT) }
    static func page(of p: UnsafeRawPointer) -> Int { Int((address(p) - CASTOR_HEAP_REGION) / pageBytes) }

    /// As in a program that has not allocated yet: every address depends on nothing but the calls that follow.
    static func reset() {
        let heap = castor_heap_now()
        if heap.pointee.ready != 0 {
            munmap(memory(CASTOR_HEAP_REGION), Int(heap.pointee.mapped * pageBytes))
            munmap(classes, Int(CASTOR_HEAP_PAGES))
            munmap(runs, Int(CASTOR_HEAP_PAGES) * 4)
            munmap(next, Int(CASTOR_HEAP_PAGES) * 4)
        }
        heap.pointee = castor_heap()
        castor_process_now().pointee.heap_lock = 0
        castor_me().pointee = castor_thread()
    }

    /// The free runs as (first page, pages), by address.
    static func freeRuns() -> [(page: Int, count: Int)] {
        var runs: [(Int, Int)] = []
        var at = castor_heap_now().pointee.free_run
        while at != 0, runs.count < 1 << 20 {
            runs.append((Int(at) - 1, Int(self.runs[Int(at) - 1])))
            at = next[Int(at) - 1]
        }
        return runs
    }
    static func list(_ first: UnsafeMutableRawPointer?) -> [UnsafeMutableRawPointer] {
        var blocks: [UnsafeMutableRawPointer] = []
        var at = first
        while let block = at, blocks.count < 1 << 24 {
            blocks.append(block)
            at = block.load(as: UnsafeMutableRawPointer?.self)
        }
        return blocks
    }
}

extension castor_heap {
    /// `live` are blocks in use with the bytes asked for; `threads` own caches.
    func _checkInvariants(
        live: [UnsafeMutableRawPointer: Int] = [:], threads: [Thread] = [castor_me()],
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        func require(_ holds: Bool, _ what: @autoclosure () -> String) {
            if !holds { Issue.record("heap: \(what())", sourceLocation: sourceLocation) }
        }
        require(castor_process_now().pointee.heap_lock == 0, "locked")
        require(pages <= mapped, "\(pages) pages handed out, \(mapped) mapped")
        var end = -1
        for run in Heap.freeRuns() {
            require(run.count > 0, "empty run at \(run.page)")
            require(
                run.page > end, "runs up to \(end) and from \(run.page) overlap, are out of order or were not joined")
            require(run.page + run.count <= pages, "run at \(run.page) beyond the end")
            for p in run.page..<run.page + run.count {
                require(Heap.classes[p] == 0, "free page \(p) of class \(Heap.classes[p])")
            }
            end = run.page + run.count
        }
        var seen = Set<UnsafeMutableRawPointer>()
        func check(_ block: UnsafeMutableRawPointer, _ c: UInt64, _ list: String) {
            require(seen.insert(block).inserted, "\(block) is free twice (\(list))")
            require(live[block] == nil, "\(block) is in use and free (\(list))")
            require(
                UInt64(Heap.classes[Heap.page(of: block)]) == c + 1,
                "\(block) lies in a page of another class (\(list))")
            require(address(block) % 16 == 0, "\(block) is not aligned (\(list))")
        }
        for c in 0..<UInt64(CASTOR_CLASSES) {
            let mine = castor_class_at(c).pointee
            require(mine.carve <= mine.end, "class \(c) carves behind its page")
            for block in Heap.list(mine.first) { check(block, c, "class \(c)") }
            for t in threads {
                let cache = castor_thread_cache(t, c).pointee
                let blocks = Heap.list(cache.first)
                require(
                    UInt64(blocks.count) == cache.count, "cache \(c) has \(blocks.count) blocks, says \(cache.count)")
                for block in blocks { check(block, c, "cache \(c)") }
            }
        }
        let sorted = live.keys.sorted()
        for (a, b) in zip(sorted, sorted.dropFirst()) { require(a + live[a]! <= b, "\(a) and \(b) overlap") }
        for block in sorted { require(castor_usable(block) >= UInt64(live[block]!), "\(block) is too small") }
    }
}
