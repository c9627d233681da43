/// Contents that the log holds once: large payloads are cut into blocks, and a block that the log has already is referred
/// to by its number. Programs read the same pages of their files again and again; doing so costs a hash, not a copy.
///
/// A block is known by its XXH3-128, seeded at random for each log, so that nobody can prepare two contents of one hash. Of
/// n different blocks two have the same with a probability of about n² / 2^129: for 2^32 blocks (16 TiB), 2^-65.
///
/// The index remembers the last 2^18 blocks or so (1 GiB of content; 8 MiB of memory, touched as it fills), those that were
/// used last in each set of four. A block that it has forgotten is stored again, under another number.
///
/// Blocks wait in memory until their chunk is full, or until a chunk of events that refers to one of them is to be
/// written: theirs comes before it in the file. Used by any thread.
import CZstd
import Glibc

final class BlockStore: @unchecked Sendable {
    /// Payloads are cut into blocks of this size; what is left is one if it is not shorter than `shortest`.
    static let blockSize = 4 << 10
    static let shortest = 1 << 10
    /// Longest that a reader believes.
    static let longest = 1 << 20
    private static let chunkSize = 256 << 10
    static let standardSets = 1 << 16
    private static let ways = 4

    private struct Entry {
        var low: UInt64
        var high: UInt64
        /// The block's number + 1; 0: free.
        var number: UInt64
        var used: UInt64
    }

    private let monitor = Monitor()
    private let queue: ChunkQueue
    private let sets: Int
    private let index: UnsafeMutablePointer<Entry>
    private let seed = UInt64.random(in: 0...UInt64.max)
    private var clock: UInt64 = 0
    /// Blocks so far, and how many of them are in chunks that have been submitted.
    private var count: UInt64
    private var sealed: UInt64
    private var open: Buffer
    private var lengths: [UInt32] = []

    /// `sets`, a power of two, times four blocks are remembered; of the `count` that the log has already, none.
    init(queue: ChunkQueue, sets: Int = BlockStore.standardSets, after count: UInt64 = 0) {
        self.queue = queue
        (self.count, sealed) = (count, count)
        self.sets = sets
        // Zeros that are no memory yet.
        index = calloc(sets * BlockStore.ways, MemoryLayout<Entry>.stride).bindMemory(
            to: Entry.self, capacity: sets * BlockStore.ways)
        open = .allocate(BlockStore.chunkSize + BlockStore.blockSize)
    }

    deinit {
        Glibc.free(index)
        open.deallocate()
    }

    /// The number of a block with this content, at most `blockSize` bytes: an old one, or that of a new block. Throws when a
    /// chunk could not be written.
    func number(of bytes: UnsafeRawBufferPointer) throws(LogError) -> UInt64 {
        let hash = XXH3_128bits_withSeed(bytes.baseAddress, bytes.count, seed)
        let set = index + Int(hash.low64 & UInt64(sets - 1)) * BlockStore.ways
        monitor.lock()
        defer { monitor.unlock() }
        clock += 1
        var oldest = set
        for entry in set..<set + BlockStore.ways {
            if entry.pointee.low == hash.low64, entry.pointee.high == hash.high64, entry.pointee.number != 0 {
                entry.pointee.used = clock
                return entry.pointee.number - 1
            }
            if entry.pointee.used < oldest.pointee.used { oldest = entry }
        }
        if open.count + bytes.count > BlockStore.chunkSize { try seal() }
        (open.base + open.count).copyMemory(from: bytes.baseAddress!, byteCount: bytes.count)
        open.count += bytes.count
        lengths.append(UInt32(bytes.count))
        count += 1
        oldest.pointee = Entry(low: hash.low64, high: hash.high64, number: count, used: clock)
        return count - 1
    }

    /// Submits the blocks that wait if the one with this number is among them.
    func submit(upTo number: UInt64) throws(LogError) {
        monitor.lock()
        defer { monitor.unlock() }
        if number >= sealed, count > sealed { try seal() }
    }

    private func seal() throws(LogError) {
        var body = queue.buffer(BlockStore.chunkSize + BlockStore.blockSize)
        body.count = 4 * lengths.count + open.count
        lengths.withUnsafeBytes { body.base.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        (body.base + 4 * lengths.count).copyMemory(from: open.base, byteCount: open.count)
        let chunk = SealedChunk(.blocks, body: body)
        chunk.header.firstBlock = sealed
        chunk.header.blocks = UInt32(lengths.count)
        chunk.header.flags.insert(.bulk)
        open.count = 0
        lengths.removeAll(keepingCapacity: true)
        sealed = count
        try queue.submit(chunk)
    }
}
