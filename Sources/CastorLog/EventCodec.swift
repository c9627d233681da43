/// How events are coded: what encoder and decoder have in common.
///
/// Every run (one stream's events in one chunk) is coded against a predictor that starts from zeros, so a chunk
/// can be read alone. The predictor keeps 256 slots, each with the last entry that used it. The encoder picks a
/// slot for an event, usually by a hash of kind, nr and object; only fields that differ from the slot's entry
/// are written. Which slot follows which is predicted too, so a repeated pattern costs one byte per event.
///
/// Heads, fields and payloads are in sections of their own, since alike bytes compress better. (In version 1 they are not: an
/// event's head, fields and payload follow one upon the other.)
///
///     heads       control | [control2] | [slot u8]
///     fields      fields present, in this order | if the payload is in pieces: their numbers
///     structures  payload bytes, or those that are in no block, of events that are not `hasContents`
///     contents    and of those that are
///
///     control   bit 0  slot byte present; else the slot is successor[last slot]
///               bit 1  version: zigzag difference to the predicted version
///               bit 2  stamp: zigzag difference to the last non-zero stamp; absent: the stamp is 0
///               bit 3  result: zigzag difference to the slot's
///               bit 4  hash: zigzag difference to the slot's
///               bit 5  value: zigzag difference to the slot's
///               bit 6  payload: its length
///               bit 7  control2 present
///     control2  bit 0  kind   bit 1  nr   bit 2  object: zigzag difference to the last event's
///               bit 3  shard  bit 4  flags   bit 5  the payload is in pieces   bits 6–7  0
///     fields    kind, nr, object, shard, flags, version, stamp, result, hash, value, payload: each a prefix varint
///
/// Absent fields other than version and stamp are the slot's. All differences wrap at 64 bits.
///
/// Versions: line = shard mod 128 of a table of (shard, version); base = the line's version when its shard is
/// this one, else the version in the slot's entry; predicted = base + step[slot]. Afterwards step[slot] =
/// version - base, the line becomes (shard, version), the slot's entry becomes this one, successor[last slot]
/// becomes this slot.
///
/// Pieces of a payload: each a prefix varint p. Even: p >> 1 bytes of the section. Odd: the block (see `BlockStore`) whose number is
/// zigzag p >> 1 further than the one after the block before, in this run; 0 for the first. They end when they have as many
/// bytes as the payload.
///
/// A row of operations on owned shards (CASTOR_EV_OWNED) has in `object` the thread's count after it. Before it is coded,
/// the count before it as far as it is known (that of the run's row before, else 0) and the row's length (`value`) are
/// subtracted: what is left is 0. Not in version 1.
///
/// Prefix varint of v in n bytes: n = 1…8 when v < 2^(7n): little-endian (v << n) | (1 << (n - 1)), so the
/// number of trailing zero bits of the first byte is n - 1; else a zero byte and v in 8 bytes, little-endian.
import CTSXShim

enum EventCodec {
    static let slots = 256
    static let lines = 128
    /// More than an event without its payload can take in any section, with room to store or load whole words past its
    /// end: 2 control bytes, a slot; 11 fields of up to 9 bytes.
    static let slack = 128

    static let slotBit: UInt8 = 1 << 0
    static let versionBit: UInt8 = 1 << 1
    static let stampBit: UInt8 = 1 << 2
    static let resultBit: UInt8 = 1 << 3
    static let hashBit: UInt8 = 1 << 4
    static let valueBit: UInt8 = 1 << 5
    static let payloadBit: UInt8 = 1 << 6
    static let moreBit: UInt8 = 1 << 7

    static let kindBit: UInt8 = 1 << 0
    static let nrBit: UInt8 = 1 << 1
    static let objectBit: UInt8 = 1 << 2
    static let shardBit: UInt8 = 1 << 3
    static let flagsBit: UInt8 = 1 << 4
    static let piecesBit: UInt8 = 1 << 5

    /// The calls that read what programs exchange (read, recvfrom, recvmsg…) have low numbers; later ones return structures
    /// (epoll_wait, newfstatat…).
    @inline(__always) static func hasContents(_ entry: castor_entry) -> Bool { entry.nr < 64 }

    @inline(__always) static func zigzag(_ difference: UInt64) -> UInt64 {
        difference &<< 1 ^ UInt64(bitPattern: Int64(bitPattern: difference) &>> 63)
    }

    @inline(__always) static func unzigzag(_ value: UInt64) -> UInt64 { value &>> 1 ^ (0 &- (value & 1)) }
}

/// What one run's events are predicted from. A bundle of pointers into one block of memory that is zeroed
/// between runs.
struct Predictor {
    private static let entriesSize = EventCodec.slots * MemoryLayout<castor_entry>.stride
    private static let stepsSize = EventCodec.slots * 8
    private static let versionsSize = EventCodec.lines * 8
    private static let shardsSize = EventCodec.lines * 4
    private static let size = entriesSize + stepsSize + versionsSize + shardsSize + EventCodec.slots

    let entries: UnsafeMutablePointer<castor_entry>
    let steps: UnsafeMutablePointer<UInt64>
    let versions: UnsafeMutablePointer<UInt64>
    let shards: UnsafeMutablePointer<UInt32>
    let successors: UnsafeMutablePointer<UInt8>
    var lastSlot = 0
    var lastObject: UInt64 = 0
    var lastStamp: UInt64 = 0
    /// The number after that of the block that was referred to last.
    var nextBlock: UInt64 = 0

    /// The count in the last row of owned operations.
    var owned: UInt64 = 0

    static func allocate() -> Predictor {
        Predictor(memory: .allocate(byteCount: size, alignment: 64))
    }

    private init(memory: UnsafeMutableRawPointer) {
        func part<T>(_ offset: Int, _ count: Int, _: T.Type = T.self) -> UnsafeMutablePointer<T> {
            (memory + offset).bindMemory(to: T.self, capacity: count)
        }
        entries = part(0, EventCodec.slots)
        steps = part(Predictor.entriesSize, EventCodec.slots)
        versions = part(Predictor.entriesSize + Predictor.stepsSize, EventCodec.lines)
        shards = part(Predictor.entriesSize + Predictor.stepsSize + Predictor.versionsSize, EventCodec.lines)
        successors = part(Predictor.size - EventCodec.slots, EventCodec.slots)
        reset()
    }

    mutating func reset() {
        UnsafeMutableRawPointer(entries).initializeMemory(as: UInt8.self, repeating: 0, count: Predictor.size)
        lastSlot = 0
        lastObject = 0
        lastStamp = 0
        nextBlock = 0
        owned = 0
    }

    func deallocate() { UnsafeMutableRawPointer(entries).deallocate() }

    /// The version from which the next one on `shard` is predicted, before the slot's step.
    @inline(__always) func baseVersion(shard: UInt32, slot: Int) -> UInt64 {
        let line = Int(shard) & (EventCodec.lines - 1)
        return shards[line] == shard ? versions[line] : entries[slot].version
    }

    /// Replaces the count in a row of owned operations by how far it is from what follows from the row before.
    mutating func takeCount(_ entry: inout castor_entry) {
        let count = entry.object
        entry.object = count &- owned &- entry.value
        owned = count
    }
    mutating func putCount(_ entry: UnsafeMutablePointer<castor_entry>) {
        entry.pointee.object &+= owned &+ entry.pointee.value
        owned = entry.pointee.object
    }

    /// Learns from an event that was coded with `slot`.
    @inline(__always)
    mutating func update(_ entry: castor_entry, slot: Int, baseVersion: UInt64) {
        let line = Int(entry.shard) & (EventCodec.lines - 1)
        shards[line] = entry.shard
        versions[line] = entry.version
        steps[slot] = entry.version &- baseVersion
        entries[slot] = entry
        successors[lastSlot] = UInt8(truncatingIfNeeded: slot)
        lastSlot = slot
        lastObject = entry.object
        if entry.stamp != 0 { lastStamp = entry.stamp }
    }
}
