/// The events of one stream that wait for the end of their chunk, coded.
import CTSXShim

/// Lives in raw memory; never moved by ARC or copied.
struct RunBuffer {
    private static let initialCapacity = 16 << 10
    /// Buffers larger than this are given back after their chunk.
    private static let keptCapacity = 1 << 20

    var stream: UInt32 = 0
    var events: UInt32 = 0
    var minVersion = UInt64.max
    var maxVersion: UInt64 = 0
    private(set) var base: UnsafeMutableRawPointer
    var cursor: UnsafeMutableRawPointer
    /// End of the room that an event may start in: `EventCodec.slack` bytes before the end of the buffer.
    private(set) var limit: UnsafeMutableRawPointer
    var predictor: Predictor

    init() {
        base = .allocate(byteCount: RunBuffer.initialCapacity, alignment: 64)
        cursor = base
        limit = base + (RunBuffer.initialCapacity - EventCodec.slack)
        predictor = .allocate()
    }

    func deallocate() {
        base.deallocate()
        predictor.deallocate()
    }

    var count: Int { cursor - base }
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

    mutating func start(stream: UInt32) {
        if limit - base > RunBuffer.keptCapacity {
            base.deallocate()
            base = .allocate(byteCount: RunBuffer.initialCapacity, alignment: 64)
            limit = base + (RunBuffer.initialCapacity - EventCodec.slack)
        }
        self.stream = stream
        events = 0
        minVersion = .max
        maxVersion = 0
        cursor = base
        predictor.reset()
    }

    /// Worth handing over rather than copying.
    var isLarge: Bool { count > RunBuffer.initialCapacity }

    /// Hands its events over and goes on in other memory.
    mutating func exchange(for other: Buffer) -> Buffer {
        let full = Buffer(base: base, capacity: limit - base + EventCodec.slack, count: count)
        base = other.base
        cursor = base
        limit = base + (other.capacity - EventCodec.slack)
        return full
    }

    /// Makes room for an event with `payload` bytes of payload.
    @inline(never)
    mutating func grow(payload: Int) {
        let used = count
        let capacity = max((limit - base) * 2, used + payload) + EventCodec.slack
        let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 64)
        larger.copyMemory(from: base, byteCount: used)
        base.deallocate()
        base = larger
        cursor = base + used
        limit = base + (capacity - EventCodec.slack)
    }

    /// Appends one event. `payload` holds exactly `entry.payload` bytes.
    @inline(__always)
    mutating func append(_ entry: castor_entry, payload: UnsafeRawBufferPointer) {
        if limit - cursor < payload.count { grow(payload: payload.count) }
        cursor = predictor.encode(entry, at: cursor)
        if payload.count > 0 {
            cursor.copyMemory(from: payload.baseAddress.unsafelyUnwrapped, byteCount: payload.count)
            cursor += payload.count
        }
        count(entry)
    }

    /// Appends one event whose payload is these blocks and then `rest`.
    @inline(never)
    mutating func append(_ entry: castor_entry, blocks: [UInt64], rest: UnsafeRawBufferPointer) {
        // 9 bytes is the longest number.
        let room = 9 * (blocks.count + 1) + rest.count
        if limit - cursor < room { grow(payload: room) }
        cursor = predictor.encode(entry, at: cursor, inPieces: true)
        for number in blocks {
            put(EventCodec.zigzag(number &- predictor.nextBlock) << 1 | 1, at: &cursor)
            predictor.nextBlock = number &+ 1
        }
        if rest.count > 0 {
            put(UInt64(rest.count) << 1, at: &cursor)
            cursor.copyMemory(from: rest.baseAddress!, byteCount: rest.count)
            cursor += rest.count
        }
        count(entry)
    }

    @inline(__always)
    private mutating func count(_ entry: castor_entry) {
        events &+= 1
        if entry.shard != castorNoShard {
            minVersion = min(minVersion, entry.version)
            maxVersion = max(maxVersion, entry.version)
        }
    }
}
