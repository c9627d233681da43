/// One thread's way into a log: events of the streams that this thread drains gather in one buffer per stream; `flush`, or
/// about 1 MiB of coded events, makes them a chunk. A stream belongs to one lane. Used by one thread at a time.
import CTSXShim

public final class LogLane {
    private static let chunkSize = 1 << 20
    /// Contents that a chunk's events refer to are unpacked with it on replay, where they are to stay in the cache.
    private static let chunkPayload = 1 << 20

    private struct Stream {
        var run: UnsafeMutablePointer<RunBuffer>?
        /// Events in the chunks already sealed.
        var sealed: UInt64 = 0
    }

    /// What every append touches, outside the object so that no access is checked at run time.
    private struct Hot {
        var streams: UnsafeMutablePointer<Stream>
        var capacity: UInt32
        /// Of the open chunk: coded bytes, events, range of stamps.
        var bytes = 0
        var events: UInt32 = 0
        var minStamp = UInt64.max
        var maxStamp: UInt64 = 0
        /// Bytes of payload that are in blocks, and the highest number of one.
        var blockBytes = 0
        var lastBlock: UInt64 = 0
    }

    /// An event whose payload is still arriving.
    private struct Partial {
        var entry: castor_entry
        var payload = Pieces()
    }

    private let hot: UnsafeMutablePointer<Hot>
    private let queue: ChunkQueue
    private let store: BlockStore
    private var active: [UnsafeMutablePointer<RunBuffer>] = []
    private var idle: [UnsafeMutablePointer<RunBuffer>] = []
    private var partial: [UInt32: Partial] = [:]
    private var isFinished = false

    /// Events in the open chunk.
    var openEvents: UInt64 { UInt64(hot.pointee.events) }

    /// `totals`: events by stream that the log has already.
    init(queue: ChunkQueue, store: BlockStore, after totals: [UInt64] = []) {
        self.queue = queue
        self.store = store
        let capacity = max(64, totals.count)
        let streams = UnsafeMutablePointer<Stream>.allocate(capacity: capacity)
        streams.initialize(repeating: Stream(), count: capacity)
        for (stream, events) in totals.enumerated() { streams[stream].sealed = events }
        hot = .allocate(capacity: 1)
        hot.initialize(to: Hot(streams: streams, capacity: UInt32(capacity)))
    }

    deinit {
        for run in active + idle {
            run.pointee.deallocate()
            run.deallocate()
        }
        hot.pointee.streams.deallocate()
        hot.deallocate()
    }

    // MARK: - Events

    /// Appends an event to a stream. `payload` holds the `entry.payload` bytes that belong to it. Throws `write`
    /// when a chunk could not be written.
    public func append(
        stream: UInt32, _ entry: UnsafePointer<castor_entry>, payload: UnsafeRawBufferPointer
    ) throws(LogError) {
        guard payload.count == Int(entry.pointee.payload) else {
            throw .invalid("an event announces \(entry.pointee.payload) bytes and comes with \(payload.count)")
        }
        if payload.count >= BlockStore.shortest {
            var pieces = Pieces()
            try pieces.append(payload, of: payload.count, store)
            return try append(stream: stream, entry.pointee, pieces)
        }
        let hot = hot
        let run = try run(stream)
        let before = run.pointee.count
        run.pointee.append(entry.pointee, payload: payload)
        hot.pointee.bytes &+= run.pointee.count &- before
        try count(entry.pointee.stamp)
    }

    private func append(stream: UInt32, _ entry: castor_entry, _ payload: borrowing Pieces) throws(LogError) {
        let run = try run(stream)
        let before = run.pointee.count
        payload.rest.withUnsafeBytes { rest in
            if payload.blocks.isEmpty {
                run.pointee.append(entry, payload: rest)
            } else {
                run.pointee.append(entry, blocks: payload.blocks, rest: rest)
            }
        }
        hot.pointee.bytes &+= run.pointee.count &- before
        if let last = payload.blocks.max() {
            hot.pointee.lastBlock = max(hot.pointee.lastBlock, last)
            hot.pointee.blockBytes &+= Int(entry.payload)
        }
        try count(entry.stamp)
    }

    @inline(__always)
    private func count(_ stamp: UInt64) throws(LogError) {
        hot.pointee.events &+= 1
        if stamp != 0 {
            hot.pointee.minStamp = min(hot.pointee.minStamp, stamp)
            hot.pointee.maxStamp = max(hot.pointee.maxStamp, stamp)
        }
        if hot.pointee.bytes >= LogLane.chunkSize || hot.pointee.blockBytes >= LogLane.chunkPayload { try flush() }
    }

    /// Appends consecutive entries without payload and lines of small events, up to the first entry that has a payload or is
    /// of the kind `special`. Returns how many lines it took. The form in which a ring is drained: one call for thousands of
    /// events. The first `skipped` bytes of the first line, when it is one of small events, have been appended before.
    public func append(
        stream: UInt32, entries: UnsafePointer<castor_entry>, count: Int, skipped: Int = 0, before special: UInt16
    ) throws(LogError) -> Int {
        let hot = hot
        var taken = 0
        var skipped = skipped
        let none = UnsafeRawBufferPointer(start: nil, count: 0)
        while taken < count {
            let open = try run(stream)
            // A copy that nothing else can reach stays in registers.
            var run = open.pointee
            let before = run.count
            // Within a chunk: at most this many more, so that its size is looked at now and then.
            let end = min(count, taken + 4096)
            let eventsBefore = run.events
            var minStamp = hot.pointee.minStamp
            var maxStamp = hot.pointee.maxStamp
            while taken < end {
                let entry = entries + taken
                if entry.pointee.kind & CASTOR_SMALL != 0 {
                    LogLane.appendSmall(&run, entry, from: skipped, to: 64)
                    skipped = 0
                    taken += 1
                    continue
                }
                if entry.pointee.payload != 0 || entry.pointee.kind == special { break }
                run.append(entry.pointee, payload: none)
                let stamp = entry.pointee.stamp
                if stamp != 0 {
                    if stamp < minStamp { minStamp = stamp }
                    if stamp > maxStamp { maxStamp = stamp }
                }
                taken += 1
            }
            hot.pointee.minStamp = minStamp
            hot.pointee.maxStamp = maxStamp
            hot.pointee.bytes &+= run.count &- before
            hot.pointee.events &+= run.events &- eventsBefore
            open.pointee = run
            if hot.pointee.bytes >= LogLane.chunkSize { try flush() }
            if taken < end { break }
        }
        return taken
    }

    @inline(__always)
    private static func appendSmall(
        _ run: inout RunBuffer, _ line: UnsafePointer<castor_entry>, from: Int, to end: Int
    ) {
        let line = UnsafeRawPointer(line)
        let none = UnsafeRawBufferPointer(start: nil, count: 0)
        var at = from
        while at < end, line.load(fromByteOffset: at, as: UInt16.self) != 0 {
            var entry = castor_entry()
            at += Int(castor_unpack(line + at, &entry))
            run.append(entry, payload: none)
        }
    }

    /// Appends the small events between two offsets of a line that may still grow.
    public func append(
        stream: UInt32, line: UnsafePointer<castor_entry>, from: Int, to: Int
    ) throws(LogError) {
        let run = try run(stream)
        let before = (run.pointee.count, run.pointee.events)
        LogLane.appendSmall(&run.pointee, line, from: from, to: to)
        hot.pointee.bytes &+= run.pointee.count &- before.0
        hot.pointee.events &+= run.pointee.events &- before.1
    }

    /// Begins an event whose payload of `entry.payload` bytes arrives through `continuePayload`. The event
    /// takes its place in the stream when the payload is complete; until then the stream takes no other event,
    /// while other streams may. An event that is never completed is not in the log.
    public func beginEvent(stream: UInt32, _ entry: UnsafePointer<castor_entry>) throws(LogError) {
        try queue.check()
        guard partial[stream] == nil else { throw .invalid("stream \(stream) has an event without its payload") }
        if entry.pointee.payload == 0 {
            try append(stream: stream, entry, payload: UnsafeRawBufferPointer(start: nil, count: 0))
        } else {
            partial[stream] = Partial(entry: entry.pointee)
        }
    }

    /// Adds the next bytes to the payload of the stream's event. Returns whether the event is now complete.
    @discardableResult
    public func continuePayload(stream: UInt32, _ bytes: UnsafeRawBufferPointer) throws(LogError) -> Bool {
        try queue.check()
        guard var event = partial.removeValue(forKey: stream) else {
            throw .invalid("stream \(stream) has no event that waits for its payload")
        }
        let total = Int(event.entry.payload)
        guard bytes.count <= total - event.payload.count else {
            throw .invalid("stream \(stream): more payload than its event announced")
        }
        try event.payload.append(bytes, of: total, store)
        guard event.payload.count == total else {
            partial[stream] = event
            return false
        }
        try append(stream: stream, event.entry, event.payload)
        return true
    }

    // MARK: - Runs

    /// The stream's run in the open chunk.
    @inline(__always)
    private func run(_ stream: UInt32) throws(LogError) -> UnsafeMutablePointer<RunBuffer> {
        if stream < hot.pointee.capacity, let open = hot.pointee.streams[Int(stream)].run { return open }
        return try startRun(stream)
    }

    @inline(never)
    private func startRun(_ stream: UInt32) throws(LogError) -> UnsafeMutablePointer<RunBuffer> {
        try queue.check()
        guard !isFinished else { throw .invalid("the log is finished") }
        guard stream < LogWriter.streamLimit else { throw .invalid("stream number \(stream) is too large") }
        if stream >= hot.pointee.capacity { makeRoom(for: stream) }
        let run: UnsafeMutablePointer<RunBuffer>
        if let kept = idle.popLast() {
            run = kept
        } else {
            run = .allocate(capacity: 1)
            run.initialize(to: RunBuffer())
        }
        run.pointee.start(stream: stream)
        active.append(run)
        hot.pointee.streams[Int(stream)].run = run
        return run
    }

    private func makeRoom(for stream: UInt32) {
        let old = Int(hot.pointee.capacity)
        let capacity = max(Int(stream) + 1, old * 2)
        let streams = UnsafeMutablePointer<Stream>.allocate(capacity: capacity)
        streams.moveInitialize(from: hot.pointee.streams, count: old)
        (streams + old).initialize(repeating: Stream(), count: capacity - old)
        hot.pointee.streams.deallocate()
        hot.pointee.streams = streams
        hot.pointee.capacity = UInt32(capacity)
    }

    /// A stream whose first event in this chunk still waits for its payload.
    private func releaseEmptyRuns() {
        for run in active where run.pointee.events == 0 {
            hot.pointee.streams[Int(run.pointee.stream)].run = nil
            idle.append(run)
        }
        active.removeAll { $0.pointee.events == 0 }
    }

    // MARK: - Chunks

    /// Ends the chunk, unless it is empty, and sends it on its way to the file. Throws the error of an earlier one.
    public func flush() throws(LogError) {
        guard hot.pointee.events > 0 else { return try queue.check() }
        releaseEmptyRuns()
        active.sort { $0.pointee.stream < $1.pointee.stream }
        let chunk = seal()
        let lastBlock = hot.pointee.blockBytes > 0 ? hot.pointee.lastBlock : nil
        releaseRuns()
        do throws(LogError) {
            if let lastBlock { try store.submit(upTo: lastBlock) }
        } catch {
            chunk.body.deallocate()
            throw error
        }
        try queue.submit(chunk)
    }

    /// All runs, section by section.
    private func seal() -> SealedChunk {
        var runs: [Run] = []
        runs.reserveCapacity(active.count)
        for run in active {
            let stream = hot.pointee.streams + Int(run.pointee.stream)
            var entry = Run(
                stream: run.pointee.stream, events: run.pointee.events, firstEvent: stream.pointee.sealed,
                minVersion: run.pointee.minVersion, maxVersion: run.pointee.maxVersion)
            for (number, section) in run.pointee.sections.enumerated() { entry.lengths[number] = UInt64(section.count) }
            runs.append(entry)
            stream.pointee.sealed += UInt64(run.pointee.events)
        }
        var body = queue.buffer(active.reduce(0) { $0 + $1.pointee.count })
        for section in [\RunBuffer.heads, \.fields, \.structures, \.contents] {
            for run in active {
                let bytes = run.pointee[keyPath: section].bytes
                (body.base + body.count).copyMemory(from: bytes.baseAddress!, byteCount: bytes.count)
                body.count += bytes.count
            }
        }
        let chunk = SealedChunk(.events, runs: runs, body: body)
        chunk.header.events = hot.pointee.events
        if hot.pointee.minStamp <= hot.pointee.maxStamp {
            chunk.header.minStamp = hot.pointee.minStamp
            chunk.header.maxStamp = hot.pointee.maxStamp
        }
        return chunk
    }

    private func releaseRuns() {
        for run in active { hot.pointee.streams[Int(run.pointee.stream)].run = nil }
        idle += active
        active.removeAll(keepingCapacity: true)
        hot.pointee.bytes = 0
        hot.pointee.events = 0
        hot.pointee.minStamp = .max
        hot.pointee.maxStamp = 0
        hot.pointee.blockBytes = 0
        hot.pointee.lastBlock = 0
    }

    /// The log takes no more events.
    func finish() {
        isFinished = true
        partial = [:]
        releaseRuns()
    }
}

/// A payload as it arrives: blocks, and bytes that are none yet.
struct Pieces {
    private(set) var blocks: [UInt64] = []
    private(set) var rest: [UInt8] = []
    /// Bytes so far.
    private(set) var count = 0

    /// Adds bytes to a payload of `total` bytes.
    mutating func append(_ bytes: UnsafeRawBufferPointer, of total: Int, _ store: BlockStore) throws(LogError) {
        var left = bytes
        count += bytes.count
        if total < BlockStore.shortest {
            rest.append(contentsOf: left)
            return
        }
        if !rest.isEmpty {  // fill up the block that was begun
            let missing = min(BlockStore.blockSize - rest.count, left.count)
            rest.append(contentsOf: left[..<missing])
            left = UnsafeRawBufferPointer(rebasing: left[missing...])
            if rest.count == BlockStore.blockSize { try storeRest(store) }
        }
        while left.count >= BlockStore.blockSize {
            blocks.append(try store.number(of: UnsafeRawBufferPointer(rebasing: left[..<BlockStore.blockSize])))
            left = UnsafeRawBufferPointer(rebasing: left[BlockStore.blockSize...])
        }
        if count == total, rest.isEmpty, left.count >= BlockStore.shortest {
            blocks.append(try store.number(of: left))
            return
        }
        rest.append(contentsOf: left)
        if count == total, rest.count >= BlockStore.shortest { try storeRest(store) }
    }

    private mutating func storeRest(_ store: BlockStore) throws(LogError) {
        let number = try rest.withUnsafeBufferPointer { bytes throws(LogError) in
            try store.number(of: UnsafeRawBufferPointer(bytes))
        }
        blocks.append(number)
        rest.removeAll(keepingCapacity: true)
    }
}
