/// The encoding half of the codec: the hot path of recording.
import CTSXShim

/// CASTOR_NO_SHARD, which Swift does not import.
let castorNoShard: UInt32 = 0xffff_ffff

extension Predictor {
    /// Writes an event without its payload: its head to one place, its fields to the other, where
    /// `EventCodec.slack` bytes are free. Moves both behind it.
    ///
    /// The entry is a value, so that one which is made from a small event never has to be in memory, where it would be read
    /// again before it is written.
    @inline(__always)
    mutating func encode(
        _ entry: castor_entry, head: inout UnsafeMutableRawPointer, fields: inout UnsafeMutableRawPointer,
        inPieces: Bool = false
    ) {
        var slot = Predictor.slot(of: entry)
        if !isAlike(entry, slot), isAlike(entry, slot ^ 1) { slot ^= 1 }
        let last = entries + slot
        let start = head
        var control: UInt8 = 0
        var output = fields

        let fresh = inPieces || !(isAlike(entry, slot) && entry.flags == last.pointee.flags)
        head += fresh ? 2 : 1
        if Int(successors[lastSlot]) != slot {
            control |= EventCodec.slotBit
            head.storeBytes(of: UInt8(truncatingIfNeeded: slot), as: UInt8.self)
            head += 1
        }
        if fresh {
            control |= EventCodec.moreBit
            output = Predictor.encodeIdentity(
                kind: entry.kind, nr: entry.nr, object: entry.object, shard: entry.shard, flags: entry.flags, last: last,
                lastObject: lastObject, control2: start + 1, control: inPieces ? EventCodec.piecesBit : 0, at: output)
        }

        let base = baseVersion(shard: entry.shard, slot: slot)
        let version = entry.version &- (base &+ steps[slot])
        if version != 0 {
            control |= EventCodec.versionBit
            put(EventCodec.zigzag(version), at: &output)
        }
        if entry.stamp != 0 {
            control |= EventCodec.stampBit
            put(EventCodec.zigzag(entry.stamp &- lastStamp), at: &output)
        }
        let result = UInt64(bitPattern: entry.result &- last.pointee.result)
        if result != 0 {
            control |= EventCodec.resultBit
            put(EventCodec.zigzag(result), at: &output)
        }
        let hash = entry.hash &- last.pointee.hash
        if hash != 0 {
            control |= EventCodec.hashBit
            put(EventCodec.zigzag(hash), at: &output)
        }
        let value = entry.value &- last.pointee.value
        if value != 0 {
            control |= EventCodec.valueBit
            put(EventCodec.zigzag(value), at: &output)
        }
        if entry.payload != last.pointee.payload {
            control |= EventCodec.payloadBit
            put(UInt64(entry.payload), at: &output)
        }
        start.storeBytes(of: control, as: UInt8.self)
        fields = output
        update(entry, slot: slot, baseVersion: base)
    }

    @inline(never)
    private static func encodeIdentity(
        kind: UInt16, nr: UInt16, object: UInt64, shard: UInt32, flags: UInt32, last: UnsafePointer<castor_entry>,
        lastObject: UInt64, control2: UnsafeMutableRawPointer, control: UInt8, at start: UnsafeMutableRawPointer
    ) -> UnsafeMutableRawPointer {
        var control = control
        var output = start
        if kind != last.pointee.kind {
            control |= EventCodec.kindBit
            put(UInt64(kind), at: &output)
        }
        if nr != last.pointee.nr {
            control |= EventCodec.nrBit
            put(UInt64(nr), at: &output)
        }
        if object != last.pointee.object {
            control |= EventCodec.objectBit
            put(EventCodec.zigzag(object &- lastObject), at: &output)
        }
        if shard != last.pointee.shard {
            control |= EventCodec.shardBit
            put(UInt64(shard), at: &output)
        }
        if flags != last.pointee.flags {
            control |= EventCodec.flagsBit
            put(UInt64(flags), at: &output)
        }
        control2.storeBytes(of: control, as: UInt8.self)
        return output
    }

    @inline(__always) private static func identity(_ entry: castor_entry) -> UInt32 {
        UInt32(entry.kind) | UInt32(entry.nr) &<< 16
    }

    /// Whether the slot's entry is of the same kind and about the same.
    @inline(__always) private func isAlike(_ entry: castor_entry, _ slot: Int) -> Bool {
        let last = entries + slot
        return entry.object == last.pointee.object && entry.shard == last.pointee.shard && entry.kind == last.pointee.kind
            && entry.nr == last.pointee.nr
    }

    /// The encoder's choice, or its neighbour when that fits better; the decoder only follows it.
    @inline(__always) private static func slot(of entry: castor_entry) -> Int {
        let key = entry.object &+ UInt64(identity(entry)) &* 0xd6e8_feb8_6659_fd93
        return Int(truncatingIfNeeded: (key &* 0x9e37_79b9_7f4a_7c15) &>> 56)
    }
}

/// Writes a prefix varint; touches 9 bytes.
@inline(__always) func put(_ value: UInt64, at output: inout UnsafeMutableRawPointer) {
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
