/// The way of sealed chunks into the file: compressed by workers, side by side, and written in the order in which they
/// were submitted. Whoever submits waits when too much is under way; nothing is ever dropped, unless the sink fails: then
/// what has not been written is given up, and every later call throws the same error.
import Glibc

final class ChunkQueue: @unchecked Sendable {
    /// Bytes of chunks under way; one chunk may be larger.
    private static let limit = 16 << 20
    /// Free buffers that are kept, and how large each may be.
    private static let keptBuffers = 16
    private static let keptSize = 4 << 20

    /// Guards everything below; signalled when any of it changes.
    private let monitor = Monitor()
    private let compression: Compression
    private let writer: ChunkWriter
    private var waiting: [SealedChunk] = []
    private var submitted: UInt64 = 0
    /// The ticket of the chunk that is written next. Who holds it has the writer, without the lock.
    private var turn: UInt64 = 0
    private var bytes = 0
    private var events: UInt64 = 0
    private var written: (events: UInt64, bytes: UInt64) = (0, 0)
    private var failure: LogError?
    private var isClosed = false
    private var free: [Buffer] = []
    private var workers: [pthread_t] = []
    /// Without workers, whoever submits a chunk compresses and writes it, one at a time.
    private let alone = Monitor()
    private lazy var compressor = Compressor(compression)

    init(writer: ChunkWriter, workers count: Int, compression: Compression) {
        self.writer = writer
        self.compression = compression
        for _ in 0..<count {
            var thread = pthread_t()
            let queue = Unmanaged.passRetained(self)
            let code = pthread_create(
                &thread, nil,
                {
                    Unmanaged<ChunkQueue>.fromOpaque($0!).takeRetainedValue().work()
                    return nil
                }, queue.toOpaque())
            if code == 0 { workers.append(thread) } else { queue.release() }
        }
    }

    deinit {
        for buffer in free { buffer.deallocate() }
        for chunk in waiting { chunk.body.deallocate() }
    }

    // MARK: - Submitting

    /// Sends a chunk off, which takes its place in the file now. Throws an earlier chunk's error.
    func submit(_ chunk: SealedChunk) throws(LogError) {
        guard workers.isEmpty else { return try enqueue(chunk) }
        alone.lock()
        defer { alone.unlock() }
        try enqueue(chunk)
        process(waiting.removeLast(), compressor)
        try check()
    }

    private func enqueue(_ chunk: SealedChunk) throws(LogError) {
        monitor.lock()
        let size = chunk.body.count
        while failure == nil, bytes > 0, bytes + size > ChunkQueue.limit { monitor.wait() }
        if let failure {
            monitor.unlock()
            chunk.body.deallocate()
            throw failure
        }
        chunk.ticket = submitted
        submitted += 1
        bytes += size
        events += UInt64(chunk.header.events)
        waiting.append(chunk)
        monitor.changed()
        monitor.unlock()
    }

    /// Throws the error of a chunk that could not be written.
    func check() throws(LogError) {
        monitor.lock()
        defer { monitor.unlock() }
        if let failure { throw failure }
    }

    var hasFailed: Bool {
        monitor.lock()
        defer { monitor.unlock() }
        return failure != nil
    }

    /// Waits until everything submitted has been written or given up.
    func settle() {
        monitor.lock()
        while turn != submitted { monitor.wait() }
        monitor.unlock()
    }

    /// Ends the workers, and lets `body` have the writer.
    func finish(_ body: (ChunkWriter) throws(LogError) -> Void) throws(LogError) {
        close()
        try body(writer)
        written = (writer.events, writer.bytesWritten)
    }

    /// Ends the workers; what was submitted is written first.
    func close() {
        settle()
        monitor.lock()
        isClosed = true
        monitor.changed()
        monitor.unlock()
        for worker in workers { pthread_join(worker, nil) }
        workers = []
    }

    /// Events in chunks that are written or under way, and bytes of the file.
    var progress: (events: UInt64, bytes: UInt64) {
        monitor.lock()
        defer { monitor.unlock() }
        return (written.events + events, written.bytes)
    }

    /// Memory of at least so many bytes.
    func buffer(_ capacity: Int) -> Buffer {
        monitor.lock()
        defer { monitor.unlock() }
        if let place = free.lastIndex(where: { $0.capacity >= capacity }) { return free.remove(at: place) }
        return .allocate(capacity)
    }

    // MARK: - Working

    private func work() {
        let compressor = Compressor(compression)
        monitor.lock()
        while true {
            if !waiting.isEmpty {
                let chunk = waiting.removeFirst()
                monitor.unlock()
                process(chunk, compressor)
                monitor.lock()
            } else if isClosed {
                return monitor.unlock()
            } else {
                monitor.wait()
            }
        }
    }

    private func process(_ chunk: SealedChunk, _ compressor: Compressor) {
        var directory: [UInt8] = []
        directory.reserveCapacity(chunk.runs.count * Run.size(logFormatVersion))
        for run in chunk.runs { run.append(to: &directory) }
        let body = chunk.body.bytes
        let stored = compressor.store(body, isBulk: chunk.header.type == .blocks, flags: &chunk.header.flags)
        chunk.header.runs = UInt32(chunk.runs.count)
        chunk.header.describe(body: body, stored: stored, directory: directory)

        monitor.lock()
        while turn != chunk.ticket { monitor.wait() }
        var result = failure
        monitor.unlock()
        if result == nil {
            do throws(LogError) {
                try writer.write(&chunk.header, runs: chunk.runs, directory: directory, stored: stored)
            } catch { result = error }
        }
        monitor.lock()
        failure = result
        turn += 1
        bytes -= body.count
        events -= UInt64(chunk.header.events)
        written = (writer.events, writer.bytesWritten)
        recycle(chunk.body)
        monitor.changed()
        monitor.unlock()
    }

    private func recycle(_ buffer: Buffer) {
        var buffer = buffer
        buffer.count = 0
        if free.count < ChunkQueue.keptBuffers, buffer.capacity <= ChunkQueue.keptSize {
            free.append(buffer)
        } else {
            buffer.deallocate()
        }
    }
}
