/// Writes a log: through its own lane, or through one for each of several threads.
///
///     lane (LogLane)  →  queue (ChunkQueue), with workers that compress  →  file (ChunkWriter)
///         └ large payloads → blocks (BlockStore) ┘
///
/// When the sink refuses a chunk the file is cut back to its last whole chunk, the events since then are given up, and
/// every call but `finish` throws the same error from then on: `finish` records how far the log goes.
import CTSXShim
import CZstd
import Glibc

public final class LogWriter {
    /// Stream numbers are below this.
    public static let streamLimit = 1 << 24
    /// One worker compresses far more than one thread drains, unless contents arrive by the gigabyte.
    public static let standardWorkers = max(1, min(4, sysconf(Int32(_SC_NPROCESSORS_ONLN)) / 4))
    public static let eventsFileName = "events"

    public let directory: String
    public private(set) var manifest: Manifest
    /// The lane of whoever has only one.
    public let lane: LogLane
    private let queue: ChunkQueue
    private let store: BlockStore
    private var lanes: [LogLane] = []
    private var isFinished = false

    /// Events appended so far, without those that were given up. Not to be asked while other threads append.
    public var events: UInt64 { queue.progress.events + lanes.reduce(0) { $0 + $1.openEvents } }
    /// Bytes of the events file.
    public var bytesWritten: UInt64 { queue.progress.bytes }

    /// Creates the log: the directory, which must not exist or be empty, and its manifest. `workers` threads compress; 0: the
    /// thread that ends a chunk does.
    public convenience init(
        directory: String, manifest: Manifest, compression: Compression = .standard,
        workers: Int = LogWriter.standardWorkers
    ) throws(LogError) {
        let descriptor = try LogWriter.createEvents(directory: directory)
        try self.init(
            directory: directory, manifest: manifest, sink: FileSink(descriptor: descriptor), compression: compression,
            workers: workers)
    }

    /// Creates the log's directory, which must not exist or be empty, and its events file; returns a descriptor of that.
    public static func createEvents(directory: String) throws(LogError) -> Int32 {
        try createLogDirectory(directory)
        let path = "\(directory)/\(eventsFileName)"
        let descriptor = retrying { open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600) }
        guard descriptor >= 0 else { throw errno == EEXIST ? .exists(path: directory) : .write(errno: errno) }
        // For `LogReader.isBeingWritten`; some file systems have no locks.
        _ = flock(descriptor, LOCK_EX | LOCK_NB)
        return descriptor
    }

    /// Goes on with a log that another has written up to `log.length`; what follows there is cut off. The events file is this
    /// writer's alone from now on.
    public convenience init(continuing log: GrowingLog) throws(LogError) {
        let manifest = try log.manifest
        guard manifest.formatVersion == UInt64(logFormatVersion) else { throw .version(found: manifest.formatVersion) }
        let descriptor = retrying { open("\(log.directory)/\(LogWriter.eventsFileName)", O_WRONLY | O_CLOEXEC) }
        guard descriptor >= 0 else { throw .write(errno: errno) }
        _ = flock(descriptor, LOCK_EX | LOCK_NB)
        let sink = FileSink(descriptor: descriptor)
        let code = sink.truncate(to: log.length)
        guard code == 0 else {
            sink.close()
            throw .write(errno: code)
        }
        try self.init(
            directory: log.directory, manifest: manifest, sink: sink, index: log.index,
            compression: Compression(of: manifest), workers: 0, hasManifest: true)
    }

    /// Writes the manifest to `directory`, if it is not there, and the events to `sink`, which holds the chunks of `index`.
    init(
        directory: String, manifest: Manifest, sink: any ByteSink, index: LogIndex = LogIndex(),
        compression: Compression = .standard, workers: Int = 1, blockSets: Int = BlockStore.standardSets,
        hasManifest: Bool = false
    ) throws(LogError) {
        guard let layout = index.layout() else { throw .invalid("the chunks do not follow one upon the other") }
        self.directory = directory
        self.manifest = manifest
        self.manifest.formatVersion = UInt64(logFormatVersion)
        queue = ChunkQueue(
            writer: ChunkWriter(sink: sink, index: index, layout), workers: workers, compression: compression)
        store = BlockStore(queue: queue, sets: blockSets, after: index.blockCount)
        lane = LogLane(queue: queue, store: store, after: layout.totals)
        lanes = [lane]
        // Not again: clients wait while a standby goes live, and the disk takes its time.
        if !hasManifest { try self.manifest.write(directory: directory) }
    }

    deinit { queue.close() }

    /// Replaces the manifest, as when more objects have been mapped.
    public func updateManifest(_ manifest: Manifest) throws(LogError) {
        self.manifest = manifest
        self.manifest.formatVersion = UInt64(logFormatVersion)
        try self.manifest.write(directory: directory)
    }

    /// A lane for another thread. It must have flushed and stopped before the log is finished.
    public func addLane() -> LogLane {
        let lane = LogLane(queue: queue, store: store)
        lanes.append(lane)
        return lane
    }

    /// Appends connections that clients open, as a chunk of their own: before the events that tell of them.
    public func append(openings: [castor_tcp]) throws(LogError) {
        guard !isFinished else { throw .invalid("the log is finished") }
        let length = openings.count * MemoryLayout<castor_tcp>.size
        if length == 0 { return }
        var body = queue.buffer(length)
        openings.withUnsafeBytes { body.base.copyMemory(from: $0.baseAddress!, byteCount: length) }
        body.count = length
        let chunk = SealedChunk(.openings, body: body)
        chunk.header.openings = UInt32(openings.count)
        try queue.submit(chunk)
    }

    /// Ends the open chunk of the log's own lane. Does not wait for it to be written.
    public func flush() throws(LogError) { try lane.flush() }

    /// Waits until all chunks that were ended are in the file. Throws when one could not be written.
    public func settle() throws(LogError) {
        queue.settle()
        try queue.check()
    }

    /// Ends the log: the rest of the events, the ending, the index. Waits for the disk. After an earlier write
    /// error this still tries to say where the log ends.
    public func finish(_ ending: Ending) throws(LogError) {
        guard !isFinished else { throw .invalid("the log is finished") }
        if !queue.hasFailed {
            for lane in lanes { try lane.flush() }
            try settle()
        }
        isFinished = true
        for lane in lanes { lane.finish() }
        try queue.finish { writer throws(LogError) in try writer.finish(ending) }
        synchronizeDirectory(directory)
    }
}

// MARK: - The log's own lane

extension LogWriter {
    public func append(
        stream: UInt32, _ entry: UnsafePointer<castor_entry>, payload: UnsafeRawBufferPointer
    ) throws(LogError) { try lane.append(stream: stream, entry, payload: payload) }

    public func beginEvent(stream: UInt32, _ entry: UnsafePointer<castor_entry>) throws(LogError) {
        try lane.beginEvent(stream: stream, entry)
    }

    @discardableResult
    public func continuePayload(stream: UInt32, _ bytes: UnsafeRawBufferPointer) throws(LogError) -> Bool {
        try lane.continuePayload(stream: stream, bytes)
    }
}
