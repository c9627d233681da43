/// Writes a log. Used by one thread at a time.
///
/// Events gather in one buffer per stream; `flush`, or about 1 MiB of coded events, makes them a chunk. When the
/// sink refuses a chunk the file is cut back to its last whole chunk, the events since then are given up, and
/// every call but `finish` throws the same error from then on: `finish` records how far the log goes.
import CTSXShim
import CZstd
import Glibc

public final class LogWriter {
    /// Stream numbers are below this.
    public static let streamLimit = 1 << 24
    static let eventsFileName = "events"
    /// Payloads from this size on count as bulk data.
    private static let largePayload = 4 << 10
    private static let chunkSize = 1 << 20

    public let directory: String
    public private(set) var manifest: Manifest
    /// Events appended so far, those of a chunk that could not be written taken off again.
    public var events: UInt64 { writtenEvents + UInt64(hot.pointee.events) }
    /// Bytes of the events file.
    public private(set) var bytesWritten: UInt64 = 0

    private struct Stream {
        var run: UnsafeMutablePointer<RunBuffer>?
        /// Events in the chunks already written.
        var written: UInt64 = 0
    }

    /// What every append touches, outside the object so that no access is checked at run time.
    private struct Hot {
        var streams: UnsafeMutablePointer<Stream>
        var capacity: UInt32
        /// Of the open chunk: coded bytes, bytes of large payloads, events, range of stamps.
        var bytes = 0
        var largeBytes = 0
        var events: UInt32 = 0
        var minStamp = UInt64.max
        var maxStamp: UInt64 = 0
    }

    /// An event whose payload is still arriving.
    private struct Partial {
        var entry: castor_entry
        var payload: [UInt8] = []
    }

    private let hot: UnsafeMutablePointer<Hot>
    private let sink: any ByteSink
    private let compressor = Compressor()
    private var body = Scratch(capacity: LogWriter.chunkSize + (64 << 10))
    private var active: [UnsafeMutablePointer<RunBuffer>] = []
    private var idle: [UnsafeMutablePointer<RunBuffer>] = []
    private var partial: [UInt32: Partial] = [:]
    private var index = LogIndex()
    private var nextNumber: UInt32 = 0
    private var previousOffset = ChunkHeader.noOffset
    private var writtenEvents: UInt64 = 0
    private var streamsUsed = 0
    private var failure: LogError?
    private var isFinished = false

    /// Creates the log: the directory, which must not exist or be empty, and its manifest.
    public convenience init(directory: String, manifest: Manifest) throws(LogError) {
        try createLogDirectory(directory)
        let path = "\(directory)/\(LogWriter.eventsFileName)"
        let descriptor = retrying { open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600) }
        guard descriptor >= 0 else { throw errno == EEXIST ? .exists(path: directory) : .write(errno: errno) }
        // For `LogReader.isBeingWritten`; some file systems have no locks.
        _ = flock(descriptor, LOCK_EX | LOCK_NB)
        try self.init(directory: directory, manifest: manifest, sink: FileSink(descriptor: descriptor))
    }

    /// Goes on with a log that another has written up to `log.length`; what follows there is cut off. The events file is this
    /// writer's alone from now on.
    public convenience init(continuing log: GrowingLog) throws(LogError) {
        let descriptor = retrying { open("\(log.directory)/\(LogWriter.eventsFileName)", O_WRONLY | O_CLOEXEC) }
        guard descriptor >= 0 else { throw .write(errno: errno) }
        _ = flock(descriptor, LOCK_EX | LOCK_NB)
        let sink = FileSink(descriptor: descriptor)
        let code = sink.truncate(to: log.length)
        guard code == 0 else { throw .write(errno: code) }
        try self.init(directory: log.directory, manifest: try log.manifest, sink: sink)
        (index, nextNumber, previousOffset, bytesWritten) = (log.index, log.nextNumber, log.previous, log.length)
        (writtenEvents, streamsUsed) = (log.index.events, log.totals.count)
        for (stream, events) in log.totals.enumerated() where events > 0 {
            makeRoom(for: UInt32(stream))
            hot.pointee.streams[stream].written = events
        }
    }

    /// Writes the manifest to `directory` and the events to `sink`.
    init(directory: String, manifest: Manifest, sink: any ByteSink) throws(LogError) {
        self.directory = directory
        self.manifest = manifest
        self.manifest.formatVersion = UInt64(logFormatVersion)
        self.sink = sink
        let capacity = 64
        let streams = UnsafeMutablePointer<Stream>.allocate(capacity: capacity)
        streams.initialize(repeating: Stream(), count: capacity)
        hot = .allocate(capacity: 1)
        hot.initialize(to: Hot(streams: streams, capacity: UInt32(capacity)))
        try self.manifest.write(directory: directory)
    }

    deinit {
        sink.close()
        for run in active + idle {
            run.pointee.deallocate()
            run.deallocate()
        }
        hot.pointee.streams.deallocate()
        hot.deallocate()
    }

    /// Replaces the manifest, as when more objects have been mapped.
    public func updateManifest(_ manifest: Manifest) throws(LogError) {
        self.manifest = manifest
        self.manifest.formatVersion = UInt64(logFormatVersion)
        try self.manifest.write(directory: directory)
    }

    // MARK: - Events

    /// Appends an event to a stream. `payload` holds the `entry.payload` bytes that belong to it. Throws `write`
    /// when the chunk was full and could not be written.
    public func append(
        stream: UInt32, _ entry: UnsafePointer<castor_entry>, payload: UnsafeRawBufferPointer
    ) throws(LogError) {
        let hot = hot
        let run: UnsafeMutablePointer<RunBuffer>
        if stream < hot.pointee.capacity, let open = hot.pointee.streams[Int(stream)].run {
            run = open
        } else {
            run = try startRun(stream)
        }
        guard payload.count == Int(entry.pointee.payload) else {
            throw .invalid("an event announces \(entry.pointee.payload) bytes and comes with \(payload.count)")
        }
        let before = run.pointee.count
        run.pointee.append(entry.pointee, payload: payload)
        hot.pointee.bytes &+= run.pointee.count &- before
        hot.pointee.events &+= 1
        if payload.count >= LogWriter.largePayload { hot.pointee.largeBytes &+= payload.count }
        let stamp = entry.pointee.stamp
        if stamp != 0 {
            hot.pointee.minStamp = min(hot.pointee.minStamp, stamp)
            hot.pointee.maxStamp = max(hot.pointee.maxStamp, stamp)
        }
        if hot.pointee.bytes >= LogWriter.chunkSize { try flush() }
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
            let run: UnsafeMutablePointer<RunBuffer>
            if stream < hot.pointee.capacity, let open = hot.pointee.streams[Int(stream)].run {
                run = open
            } else {
                run = try startRun(stream)
            }
            let before = run.pointee.count
            // Within a chunk: at most this many more, so that its size is looked at now and then.
            let end = min(count, taken + 4096)
            let eventsBefore = run.pointee.events
            var minStamp = hot.pointee.minStamp
            var maxStamp = hot.pointee.maxStamp
            while taken < end {
                let entry = entries + taken
                if entry.pointee.kind & CASTOR_SMALL != 0 {
                    appendSmall(run, entry, from: skipped, to: 64)
                    skipped = 0
                    taken += 1
                    continue
                }
                if entry.pointee.payload != 0 || entry.pointee.kind == special { break }
                run.pointee.append(entry.pointee, payload: none)
                let stamp = entry.pointee.stamp
                if stamp != 0 {
                    if stamp < minStamp { minStamp = stamp }
                    if stamp > maxStamp { maxStamp = stamp }
                }
                taken += 1
            }
            hot.pointee.minStamp = minStamp
            hot.pointee.maxStamp = maxStamp
            hot.pointee.bytes &+= run.pointee.count &- before
            hot.pointee.events &+= run.pointee.events &- eventsBefore
            if hot.pointee.bytes >= LogWriter.chunkSize { try flush() }
            if taken < end { break }
        }
        return taken
    }

    @inline(__always)
    private func appendSmall(
        _ run: UnsafeMutablePointer<RunBuffer>, _ line: UnsafePointer<castor_entry>, from: Int, to end: Int
    ) {
        let line = UnsafeRawPointer(line)
        let none = UnsafeRawBufferPointer(start: nil, count: 0)
        var at = from
        while at < end, line.load(fromByteOffset: at, as: UInt16.self) != 0 {
            var entry = castor_entry()
            at += Int(castor_unpack(line + at, &entry))
            run.pointee.append(entry, payload: none)
        }
    }

    /// Appends the small events between two offsets of a line that may still grow.
    public func append(
        stream: UInt32, line: UnsafePointer<castor_entry>, from: Int, to: Int
    ) throws(LogError) {
        let run: UnsafeMutablePointer<RunBuffer>
        if stream < hot.pointee.capacity, let open = hot.pointee.streams[Int(stream)].run {
            run = open
        } else {
            run = try startRun(stream)
        }
        let before = (run.pointee.count, run.pointee.events)
        appendSmall(run, line, from: from, to: to)
        hot.pointee.bytes &+= run.pointee.count &- before.0
        hot.pointee.events &+= run.pointee.events &- before.1
    }

    /// Begins an event whose payload of `entry.payload` bytes arrives through `continuePayload`. The event
    /// takes its place in the stream when the payload is complete; until then the stream takes no other event,
    /// while other streams may. An event that is never completed is not in the log.
    public func beginEvent(stream: UInt32, _ entry: UnsafePointer<castor_entry>) throws(LogError) {
        if let failure { throw failure }
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
        if let failure { throw failure }
        guard var event = partial.removeValue(forKey: stream) else {
            throw .invalid("stream \(stream) has no event that waits for its payload")
        }
        let total = Int(event.entry.payload)
        guard bytes.count <= total - event.payload.count else {
            throw .invalid("stream \(stream): more payload than its event announced")
        }
        event.payload.append(contentsOf: bytes)
        guard event.payload.count == total else {
            partial[stream] = event
            return false
        }
        var entry = event.entry
        try event.payload.withUnsafeBufferPointer { payload throws(LogError) in
            try append(stream: stream, &entry, payload: UnsafeRawBufferPointer(payload))
        }
        return true
    }

    private func makeRoom(for stream: UInt32) {
        if stream < hot.pointee.capacity { return }
        let capacity = max(Int(stream) + 1, Int(hot.pointee.capacity) * 2)
        let streams = UnsafeMutablePointer<Stream>.allocate(capacity: capacity)
        streams.moveInitialize(from: hot.pointee.streams, count: Int(hot.pointee.capacity))
        (streams + Int(hot.pointee.capacity)).initialize(repeating: Stream(), count: capacity - Int(hot.pointee.capacity))
        hot.pointee.streams.deallocate()
        hot.pointee.streams = streams
        hot.pointee.capacity = UInt32(capacity)
    }

    /// Opens a stream's run in the current chunk.
    @inline(never)
    private func startRun(_ stream: UInt32) throws(LogError) -> UnsafeMutablePointer<RunBuffer> {
        if let failure { throw failure }
        guard !isFinished else { throw .invalid("the log is finished") }
        guard stream < LogWriter.streamLimit else { throw .invalid("stream number \(stream) is too large") }
        makeRoom(for: stream)
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

    // MARK: - Chunks

    /// Ends the chunk, unless it is empty, and writes it out. Does not wait for the disk.
    public func flush() throws(LogError) {
        if let failure { throw failure }
        guard hot.pointee.events > 0 else { return }
        releaseEmptyRuns()
        active.sort { $0.pointee.stream < $1.pointee.stream }
        var header = newHeader(.events)
        header.events = hot.pointee.events
        if hot.pointee.minStamp <= hot.pointee.maxStamp {
            header.minStamp = hot.pointee.minStamp
            header.maxStamp = hot.pointee.maxStamp
        }
        if hot.pointee.largeBytes > hot.pointee.bytes / 2 { header.flags.insert(.bulk) }

        var runs: [Run] = []
        runs.reserveCapacity(active.count)
        var offset = 0
        if active.count > 1 { body.reserve(hot.pointee.bytes) }
        for run in active {
            runs.append(
                Run(
                    stream: run.pointee.stream, events: run.pointee.events,
                    firstEvent: hot.pointee.streams[Int(run.pointee.stream)].written, offset: UInt64(offset),
                    minVersion: run.pointee.minVersion, maxVersion: run.pointee.maxVersion))
            if active.count > 1 {
                (body.memory + offset).copyMemory(from: run.pointee.base, byteCount: run.pointee.count)
            }
            offset += run.pointee.count
        }
        let bytes =
            active.count > 1 ? UnsafeRawBufferPointer(start: body.memory, count: offset) : active[0].pointee.bytes
        let start = bytesWritten
        do throws(LogError) {
            try write(&header, runs: runs, body: bytes)
        } catch {
            releaseRuns()
            failure = error
            throw error
        }
        for run in runs {
            hot.pointee.streams[Int(run.stream)].written += UInt64(run.events)
            streamsUsed = max(streamsUsed, Int(run.stream) + 1)
        }
        writtenEvents += UInt64(header.events)
        index.append(header, offset: start, runs: runs)
        releaseRuns()
    }

    /// Ends the log: the rest of the events, the ending, the index. Waits for the disk. After an earlier write
    /// error this still tries to say where the log ends.
    public func finish(_ ending: Ending) throws(LogError) {
        guard !isFinished else { throw .invalid("the log is finished") }
        if failure == nil { try flush() }
        failure = nil
        isFinished = true
        partial = [:]
        var ending = ending
        ending.events = (0..<streamsUsed).map { hot.pointee.streams[$0].written }
        var header = newHeader(.end)
        try write(&header, body: Array(ending.json.text().utf8))
        let indexOffset = bytesWritten
        header = newHeader(.index)
        try write(&header, body: index.bytes)
        let trailer = Trailer(indexOffset: indexOffset, fileLength: bytesWritten + UInt64(Trailer.size))
        try write([trailer.bytes])
        let code = sink.synchronize()
        sink.close()
        guard code == 0 else { throw .write(errno: code) }
        synchronizeDirectory(directory)
    }

    /// A stream whose first event in this chunk still waits for its payload.
    private func releaseEmptyRuns() {
        for run in active where run.pointee.events == 0 {
            hot.pointee.streams[Int(run.pointee.stream)].run = nil
            idle.append(run)
        }
        active.removeAll { $0.pointee.events == 0 }
    }

    private func releaseRuns() {
        for run in active { hot.pointee.streams[Int(run.pointee.stream)].run = nil }
        idle += active
        active.removeAll(keepingCapacity: true)
        hot.pointee.bytes = 0
        hot.pointee.largeBytes = 0
        hot.pointee.events = 0
        hot.pointee.minStamp = .max
        hot.pointee.maxStamp = 0
        body.trim(to: 8 << 20)
    }

    private func newHeader(_ type: ChunkType) -> ChunkHeader {
        ChunkHeader(type: type, number: nextNumber, firstEvent: writtenEvents, previous: previousOffset)
    }

    private func write(_ header: inout ChunkHeader, body: [UInt8]) throws(LogError) {
        try body.withUnsafeBufferPointer { bytes throws(LogError) in
            try write(&header, runs: [], body: UnsafeRawBufferPointer(bytes))
        }
    }

    /// Writes one chunk; fills in the lengths and checksums of its header.
    private func write(_ header: inout ChunkHeader, runs: [Run], body: UnsafeRawBufferPointer) throws(LogError) {
        var directory: [UInt8] = []
        directory.reserveCapacity(runs.count * Run.size)
        for run in runs { run.append(to: &directory) }
        let stored = compressor.store(body, flags: &header.flags)
        header.rawLength = UInt64(body.count)
        header.storedLength = UInt64(stored.count)
        header.runs = UInt32(runs.count)
        header.bodyChecksum = checksum(directory, stored)
        let start = bytesWritten
        try write([header.bytes + directory], then: stored)
        previousOffset = start
        nextNumber += 1
    }

    /// Writes all of it, or cuts the file back to where it was.
    private func write(
        _ parts: [[UInt8]], then rest: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)
    ) throws(LogError) {
        var code: Int32 = 0
        var length = rest.count
        for part in parts where code == 0 {
            length += part.count
            code = part.withUnsafeBytes { writeWhole($0, to: sink) }
        }
        if code == 0 { code = writeWhole(rest, to: sink) }
        guard code == 0 else {
            _ = sink.truncate(to: bytesWritten)
            throw .write(errno: code)
        }
        bytesWritten += UInt64(length)
    }
}
