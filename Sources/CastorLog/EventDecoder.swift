/// The decoding half of the codec. Trusts nothing: whatever the bytes, it ends with an event or an error.
import CTSXShim
import Glibc

/// Reads the events of one run in order.
public final class EventDecoder {
    /// Keeps the body alive.
    private let chunk: Chunk
    private let run: Run
    private var predictor = Predictor.allocate()
    private var cursor: UnsafeRawPointer
    private let end: UnsafeRawPointer
    private var remaining: UInt32
    /// A payload that is not in one piece in the chunk.
    private var assembled: UnsafeMutableRawPointer?
    private var capacity = 0
    /// The block whose bytes were returned last.
    private var block: BlockChunk?

    /// The chunk's body is followed by `EventCodec.slack` readable bytes.
    init(chunk: Chunk, run: Run, bytes: UnsafeRawBufferPointer) {
        self.chunk = chunk
        self.run = run
        cursor = bytes.baseAddress!
        end = cursor + bytes.count
        remaining = run.events
    }

    deinit {
        predictor.deallocate()
        free(assembled)
    }

    /// Index in its stream of the event that `next` reads next.
    public var index: UInt64 { run.firstEvent + UInt64(run.events - remaining) }

    /// Reads the next event into `entry`. Returns its payload, valid until the next call, or nil at the end of the run.
    /// Throws `damaged`.
    public func next(_ entry: UnsafeMutablePointer<castor_entry>) throws(LogError) -> UnsafeRawBufferPointer? {
        guard remaining > 0 else {
            if cursor != end { throw damaged("bytes after the last event of a run") }
            return nil
        }
        var inPieces = false
        guard cursor < end, predictor.decode(entry, at: &cursor, inPieces: &inPieces), cursor <= end else {
            throw damaged("not an event")
        }
        let length = Int(entry.pointee.payload)
        if inPieces {
            let payload = try assemble(length)
            remaining -= 1
            return payload
        }
        guard length <= end - cursor else { throw damaged("a payload reaches beyond its run") }
        let payload = UnsafeRawBufferPointer(start: cursor, count: length)
        cursor += length
        remaining -= 1
        return payload
    }

    /// Puts a payload together from blocks and bytes: see EventCodec.
    @inline(never)
    private func assemble(_ length: Int) throws(LogError) -> UnsafeRawBufferPointer {
        var done = 0
        while done < length {
            guard cursor < end else { throw damaged("a payload reaches beyond its run") }
            let piece = get(&cursor)
            let bytes: UnsafeRawBufferPointer
            if piece & 1 != 0 {
                let number = predictor.nextBlock &+ EventCodec.unzigzag(piece &>> 1)
                guard number < chunk.blocks, let store = chunk.store else { throw damaged("a block that is not there") }
                if block?.holds(number) != true { block = try store.chunk(holding: number) }
                bytes = block!.bytes(number)
                predictor.nextBlock = number &+ 1
                if bytes.count == length, cursor <= end { return bytes }  // nothing to put together
            } else {
                let count = piece &>> 1
                guard count > 0, cursor <= end, count <= UInt64(end - cursor) else {
                    throw damaged("a payload reaches beyond its run")
                }
                bytes = UnsafeRawBufferPointer(start: cursor, count: Int(count))
                cursor += Int(count)
            }
            guard bytes.count <= length - done else { throw damaged("pieces of a payload are longer than it is") }
            reserve(done + bytes.count, keeping: done)
            memcpy(assembled! + done, bytes.baseAddress!, bytes.count)
            done += bytes.count
        }
        guard cursor <= end else { throw damaged("a payload reaches beyond its run") }
        return UnsafeRawBufferPointer(start: assembled, count: length)
    }

    /// A length is believed as far as there are bytes for it.
    private func reserve(_ count: Int, keeping done: Int) {
        if count <= capacity { return }
        capacity = max(2 * capacity, count, 16 << 10)
        assembled = realloc(assembled, capacity)
    }

    private func damaged(_ reason: String) -> LogError {
        .damaged(
            path: chunk.path, offset: chunk.offset,
            reason: "chunk \(chunk.number), stream \(run.stream), event \(index): \(reason)")
    }
}

extension Predictor {
    /// Reads an event without its payload at `input`, behind which `EventCodec.slack` bytes can be read. Returns
    /// false when it is none.
    @inline(__always)
    fileprivate mutating func decode(
        _ entry: UnsafeMutablePointer<castor_entry>, at input: inout UnsafeRawPointer, inPieces: inout Bool
    ) -> Bool {
        let control = take(&input)
        let control2 = control & EventCodec.moreBit != 0 ? take(&input) : 0
        let slot = control & EventCodec.slotBit != 0 ? Int(take(&input)) : Int(successors[lastSlot])
        let last = entries + slot
        entry.pointee = last.pointee
        if control2 != 0 {
            inPieces = control2 & EventCodec.piecesBit != 0
            guard decodeIdentity(entry, control2: control2, at: &input) else { return false }
        }
        let base = baseVersion(shard: entry.pointee.shard, slot: slot)
        entry.pointee.version = base &+ steps[slot]
        if control & EventCodec.versionBit != 0 { entry.pointee.version &+= EventCodec.unzigzag(get(&input)) }
        entry.pointee.stamp = 0
        if control & EventCodec.stampBit != 0 {
            entry.pointee.stamp = lastStamp &+ EventCodec.unzigzag(get(&input))
        }
        if control & EventCodec.resultBit != 0 {
            entry.pointee.result &+= Int64(bitPattern: EventCodec.unzigzag(get(&input)))
        }
        if control & EventCodec.hashBit != 0 { entry.pointee.hash &+= EventCodec.unzigzag(get(&input)) }
        if control & EventCodec.valueBit != 0 { entry.pointee.value &+= EventCodec.unzigzag(get(&input)) }
        if control & EventCodec.payloadBit != 0 {
            let payload = get(&input)
            guard payload <= UInt64(UInt32.max) else { return false }
            entry.pointee.payload = UInt32(truncatingIfNeeded: payload)
        }
        update(entry.pointee, slot: slot, baseVersion: base)
        return true
    }

    @inline(never)
    private func decodeIdentity(
        _ entry: UnsafeMutablePointer<castor_entry>, control2: UInt8, at input: inout UnsafeRawPointer
    ) -> Bool {
        guard control2 < EventCodec.piecesBit &<< 1 else { return false }
        var tooLarge: UInt64 = 0
        if control2 & EventCodec.kindBit != 0 {
            let kind = get(&input)
            tooLarge |= kind &>> 16
            entry.pointee.kind = UInt16(truncatingIfNeeded: kind)
        }
        if control2 & EventCodec.nrBit != 0 {
            let nr = get(&input)
            tooLarge |= nr &>> 16
            entry.pointee.nr = UInt16(truncatingIfNeeded: nr)
        }
        if control2 & EventCodec.objectBit != 0 {
            entry.pointee.object = lastObject &+ EventCodec.unzigzag(get(&input))
        }
        if control2 & EventCodec.shardBit != 0 {
            let shard = get(&input)
            tooLarge |= shard &>> 32
            entry.pointee.shard = UInt32(truncatingIfNeeded: shard)
        }
        if control2 & EventCodec.flagsBit != 0 {
            let flags = get(&input)
            tooLarge |= flags &>> 32
            entry.pointee.flags = UInt32(truncatingIfNeeded: flags)
        }
        return tooLarge == 0
    }
}

@inline(__always) private func take(_ input: inout UnsafeRawPointer) -> UInt8 {
    defer { input += 1 }
    return input.load(as: UInt8.self)
}

/// Reads a prefix varint; touches 9 bytes.
@inline(__always) private func get(_ input: inout UnsafeRawPointer) -> UInt64 {
    let word = UInt64(littleEndian: input.loadUnaligned(as: UInt64.self))
    let length = UInt8(truncatingIfNeeded: word).trailingZeroBitCount &+ 1
    if length <= 8 {
        input += length
        let value = word &>> UInt64(length)
        return value & (1 &<< UInt64(7 &* length) &- 1)
    }
    let value = UInt64(littleEndian: (input + 1).loadUnaligned(as: UInt64.self))
    input += 9
    return value
}
