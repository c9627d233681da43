/// The events of one stream that wait for the end of their chunk, coded.
import CTSXShim

/// Bytes of one kind, and room for more. Raw memory: owned by whoever holds the value.
struct Section {
    /// Larger ones are given back after their chunk.
    private static let keptCapacity = 1 << 20

    private let initialCapacity: Int
    private(set) var base: UnsafeMutableRawPointer
    var cursor: UnsafeMutableRawPointer
    /// End of the room that something may start in: `EventCodec.slack` bytes before the end of the memory.
    private(set) var limit: UnsafeMutableRawPointer

    init(capacity: Int) {
        initialCapacity = capacity
        base = .allocate(byteCount: capacity + EventCodec.slack, alignment: 64)
        cursor = base
        limit = base + capacity
    }

    func deallocate() { base.deallocate() }

    @inline(__always) var count: Int { cursor - base }
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

    mutating func restart() {
        if limit - base > Section.keptCapacity {
            base.deallocate()
            self = Section(capacity: initialCapacity)
        }
        cursor = base
    }

    /// Makes room for `size` bytes more.
    @inline(never)
    mutating func grow(_ size: Int = 0) {
        let used = count
        let capacity = max((limit - base) * 2, used + size)
        let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity + EventCodec.slack, alignment: 64)
        larger.copyMemory(from: base, byteCount: used)
        base.deallocate()
        base = larger
        cursor = base + used
        limit = base + capacity
    }

    @inline(__always)
    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let from = bytes.baseAddress, bytes.count > 0 else { return }
        if limit - cursor < bytes.count { grow(bytes.count) }
        cursor.copyMemory(from: from, byteCount: bytes.count)
        cursor += bytes.count
    }
}

/// Lives in raw memory; never moved by ARC or copied. What belongs together goes into sections of its own, for alike bytes
/// compress better: see EventCodec.
struct RunBuffer {
    var stream: UInt32 = 0
    var events: UInt32 = 0
    var minVersion = UInt64.max
    var maxVersion: UInt64 = 0
    private(set) var heads = Section(capacity: 4 << 10)
    private(set) var fields = Section(capacity: 8 << 10)
    private(set) var structures = Section(capacity: 1 << 10)
    private(set) var contents = Section(capacity: 1 << 10)
    private var predictor = Predictor.allocate()

    func deallocate() {
        for section in sections { section.deallocate() }
        predictor.deallocate()
    }

    /// In the order of the format.
    var sections: [Section] { [heads, fields, structures, contents] }
    @inline(__always) var count: Int { heads.count &+ fields.count &+ structures.count &+ contents.count }

    mutating func start(stream: UInt32) {
        heads.restart()
        fields.restart()
        structures.restart()
        contents.restart()
        self.stream = stream
        events = 0
        minVersion = .max
        maxVersion = 0
        predictor.reset()
    }

    /// Appends one event. `payload` holds exactly `entry.payload` bytes.
    @inline(__always)
    mutating func append(_ entry: castor_entry, payload: UnsafeRawBufferPointer) {
        code(entry, inPieces: false)
        if payload.count > 0 { append(payload, of: entry) }
    }

    /// Appends one event whose payload is these blocks and then `rest`.
    @inline(never)
    mutating func append(_ entry: castor_entry, blocks: [UInt64], rest: UnsafeRawBufferPointer) {
        code(entry, inPieces: true)
        for number in blocks {
            put(EventCodec.zigzag(number &- predictor.nextBlock) << 1 | 1, at: &fields.cursor)
            predictor.nextBlock = number &+ 1
            if fields.cursor > fields.limit { fields.grow() }
        }
        if rest.count > 0 {
            put(UInt64(rest.count) << 1, at: &fields.cursor)
            if fields.cursor > fields.limit { fields.grow() }
            append(rest, of: entry)
        }
    }

    @inline(__always)
    private mutating func code(_ entry: castor_entry, inPieces: Bool) {
        if heads.cursor > heads.limit { heads.grow() }
        var entry = entry
        if entry.kind == CASTOR_EV_OWNED { predictor.takeCount(&entry) }
        predictor.encode(entry, head: &heads.cursor, fields: &fields.cursor, inPieces: inPieces)
        if fields.cursor > fields.limit { fields.grow() }
        events &+= 1
        if entry.shard != castorNoShard {
            minVersion = min(minVersion, entry.version)
            maxVersion = max(maxVersion, entry.version)
        }
    }

    @inline(__always)
    private mutating func append(_ payload: UnsafeRawBufferPointer, of entry: castor_entry) {
        if EventCodec.hasContents(entry) { contents.append(payload) } else { structures.append(payload) }
    }
}
