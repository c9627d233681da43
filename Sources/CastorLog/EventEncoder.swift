/// The encoding half of the codec: the hot path of recording.
import CTSXShim

/// One stream's part of the chunk that is being filled. Lives in raw memory; never moved by ARC or copied.
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
    mutating func append(_ entry: UnsafePointer<castor_entry>, payload: UnsafeRawBufferPointer) {
        if limit - cursor < payload.count { grow(payload: payload.count) }
        cursor = predictor.encode(entry, at: cursor)
        if payload.count > 0 {
            cursor.copyMemory(from: payload.baseAddress.unsafelyUnwrapped, byteCount: payload.count)
            cursor += payload.count
        }
        events &+= 1
        if entry.pointee.shard != castorNoShard {
            minVersion = min(minVersion, entry.pointee.version)
            maxVersion = max(maxVersion, entry.pointee.version)
        }
    }
}

/// CASTOR_NO_SHARD, which Swift does not import.
let castorNoShard: UInt32 = 0xffff_ffff

extension Predictor {
    /// Writes an event without its payload to `start`, where `EventCodec.slack` bytes are free. Returns the end.
    @inline(__always)
    mutating func encode(_ entry: UnsafePointer<castor_entry>, at start: UnsafeMutableRawPointer)
        -> UnsafeMutableRawPointer
    {
        let slot = Predictor.slot(of: entry)
        let last = entries + slot
        var control: UInt8 = 0
        var output = start + 1

        let sameIdentity = Predictor.identity(entry) == Predictor.identity(last)
        let sameTarget = entry.pointee.object == last.pointee.object && entry.pointee.shard == last.pointee.shard
        let fresh = !(sameIdentity && sameTarget && entry.pointee.flags == last.pointee.flags)
        if fresh { output += 1 }
        if Int(successors[lastSlot]) != slot {
            control |= EventCodec.slotBit
            output.storeBytes(of: UInt8(truncatingIfNeeded: slot), as: UInt8.self)
            output += 1
        }
        if fresh {
            control |= EventCodec.moreBit
            encodeIdentity(entry, last: last, control2: start + 1, at: &output)
        }

        let base = baseVersion(shard: entry.pointee.shard, slot: slot)
        let version = entry.pointee.version &- (base &+ steps[slot])
        if version != 0 {
            control |= EventCodec.versionBit
            put(EventCodec.zigzag(version), at: &output)
        }
        if entry.pointee.stamp != 0 {
            control |= EventCodec.stampBit
            put(EventCodec.zigzag(entry.pointee.stamp &- lastStamp), at: &output)
        }
        let result = UInt64(bitPattern: entry.pointee.result &- last.pointee.result)
        if result != 0 {
            control |= EventCodec.resultBit
            put(EventCodec.zigzag(result), at: &output)
        }
        let hash = entry.pointee.hash &- last.pointee.hash
        if hash != 0 {
            control |= EventCodec.hashBit
            put(EventCodec.zigzag(hash), at: &output)
        }
        let value = entry.pointee.value &- last.pointee.value
        if value != 0 {
            control |= EventCodec.valueBit
            put(EventCodec.zigzag(value), at: &output)
        }
        if entry.pointee.payload != last.pointee.payload {
            control |= EventCodec.payloadBit
            put(UInt64(entry.pointee.payload), at: &output)
        }
        start.storeBytes(of: control, as: UInt8.self)
        update(entry, slot: slot, baseVersion: base)
        return output
    }

    @inline(never)
    private func encodeIdentity(
        _ entry: UnsafePointer<castor_entry>, last: UnsafePointer<castor_entry>, control2: UnsafeMutableRawPointer,
        at output: inout UnsafeMutableRawPointer
    ) {
        var control: UInt8 = 0
        if entry.pointee.kind != last.pointee.kind {
            control |= EventCodec.kindBit
            put(UInt64(entry.pointee.kind), at: &output)
        }
        if entry.pointee.nr != last.pointee.nr {
            control |= EventCodec.nrBit
            put(UInt64(entry.pointee.nr), at: &output)
        }
        if entry.pointee.object != last.pointee.object {
            control |= EventCodec.objectBit
            put(EventCodec.zigzag(entry.pointee.object &- lastObject), at: &output)
        }
        if entry.pointee.shard != last.pointee.shard {
            control |= EventCodec.shardBit
            put(UInt64(entry.pointee.shard), at: &output)
        }
        if entry.pointee.flags != last.pointee.flags {
            control |= EventCodec.flagsBit
            put(UInt64(entry.pointee.flags), at: &output)
        }
        control2.storeBytes(of: control, as: UInt8.self)
    }

    @inline(__always) private static func identity(_ entry: UnsafePointer<castor_entry>) -> UInt32 {
        UInt32(entry.pointee.kind) | UInt32(entry.pointee.nr) &<< 16
    }

    /// The encoder's choice; the decoder only follows it.
    @inline(__always) private static func slot(of entry: UnsafePointer<castor_entry>) -> Int {
        let key = entry.pointee.object &+ UInt64(identity(entry)) &* 0xd6e8_feb8_6659_fd93
        return Int(truncatingIfNeeded: (key &* 0x9e37_79b9_7f4a_7c15) &>> 56)
    }
}

/// Writes a prefix varint; touches 9 bytes.
@inline(__always) private func put(_ value: UInt64, at output: inout UnsafeMutableRawPointer) {
    let bits = 64 &- (value | 1).leadingZeroBitCount
    if bits <= 56 {
        // ceil(bits / 7) for 1…56.
        let length = ((bits &+ 6) &* 37) &>> 8
        let word = value &<< UInt64(truncatingIfNeeded: length) | 1 &<< UInt64(truncatingIfNeeded: length &- 1)
        output.storeBytes(of: word.littleEndian, as: UInt64.self)
        output += length
    } else {
        output.storeBytes(of: 0, as: UInt8.self)
        (output + 1).storeBytes(of: value.littleEndian, as: UInt64.self)
        output += 9
    }
}
