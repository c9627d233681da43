/// The decoding half of the codec. Trusts nothing: whatever the bytes, it ends with an event or an error.
import CTSXShim
import Glibc

/// A part of a chunk's body that is read from its start.
struct SectionReader {
    var cursor: UnsafeRawPointer
    let end: UnsafeRawPointer

    /// Behind the bytes, `EventCodec.slack` more can be read.
    init(_ bytes: UnsafeRawBufferPointer) {
        cursor = bytes.baseAddress!
        end = cursor + bytes.count
    }

    /// Whether no more was read than there is.
    @inline(__always) var isSound: Bool { cursor <= end }
    @inline(__always) var left: Int { end - cursor }

    /// The next bytes; nil when there are not so many.
    @inline(__always)
    mutating func take(_ count: Int) -> UnsafeRawBufferPointer? {
        guard count <= left else { return nil }
        defer { cursor += count }
        return UnsafeRawBufferPointer(start: cursor, count: count)
    }
}

/// Reads the events of one run in order.
public final class EventDecoder {
    /// Keeps the body alive.
    private let chunk: Chunk
    private let run: Run
    private var predictor = Predictor.allocate()
    private var heads: SectionReader
    private var fields: SectionReader
    private var structures: SectionReader
    private var contents: SectionReader
    /// Version 1: heads, fields and payloads follow one upon the other, in one section.
    private let isInterleaved: Bool
    private var remaining: UInt32
    /// A payload that is not in one piece in the chunk.
    private var assembled: UnsafeMutableRawPointer?
    private var capacity = 0
    /// The block whose bytes were returned last.
    private var block: BlockChunk?

    /// The chunk's body is followed by `EventCodec.slack` readable bytes.
    init(chunk: Chunk, run: Run, sections: [UnsafeRawBufferPointer]) {
        self.chunk = chunk
        self.run = run
        heads = SectionReader(sections[0])
        fields = SectionReader(sections[1])
        structures = SectionReader(sections[2])
        contents = SectionReader(sections[3])
        isInterleaved = chunk.header.version == 1
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
            guard heads.left == 0, isInterleaved || fields.left == 0 && structures.left == 0 && contents.left == 0 else {
                throw damaged("bytes after the last event of a run")
            }
            return nil
        }
        if isInterleaved { return try nextInterleaved(entry) }
        guard heads.left > 0 else { throw damaged("not an event") }
        let head = predictor.head(&heads.cursor)
        guard heads.isSound, predictor.decode(head, entry, at: &fields.cursor), fields.isSound else {
            throw damaged("not an event")
        }
        if entry.pointee.kind == CASTOR_EV_OWNED { predictor.putCount(entry) }
        let length = Int(entry.pointee.payload)
        remaining -= 1
        if length == 0, !head.isInPieces { return UnsafeRawBufferPointer(start: nil, count: 0) }
        let isContent = EventCodec.hasContents(entry.pointee)
        if head.isInPieces {
            return isContent ? try assemble(length, &contents) : try assemble(length, &structures)
        }
        guard let payload = isContent ? contents.take(length) : structures.take(length) else {
            throw damaged("a payload reaches beyond its run")
        }
        return payload
    }

    private func nextInterleaved(
        _ entry: UnsafeMutablePointer<castor_entry>
    ) throws(LogError) -> UnsafeRawBufferPointer {
        guard heads.left > 0 else { throw damaged("not an event") }
        let head = predictor.head(&heads.cursor)
        guard !head.isInPieces, predictor.decode(head, entry, at: &heads.cursor), heads.isSound else {
            throw damaged("not an event")
        }
        guard let payload = heads.take(Int(entry.pointee.payload)) else { throw damaged("a payload reaches beyond its run") }
        remaining -= 1
        return payload
    }

    /// Puts a payload together from blocks and bytes: see EventCodec.
    @inline(never)
    private func assemble(_ length: Int, _ section: inout SectionReader) throws(LogError) -> UnsafeRawBufferPointer {
        var done = 0
        while done < length {
            guard fields.left > 0 else { throw damaged("a payload without its pieces") }
            let piece = get(&fields.cursor)
            let bytes: UnsafeRawBufferPointer
            if piece & 1 != 0 {
                let number = predictor.nextBlock &+ EventCodec.unzigzag(piece &>> 1)
                guard number < chunk.blocks, let store = chunk.store else { throw damaged("a block that is not there") }
                if block?.holds(number) != true { block = try store.chunk(holding: number) }
                bytes = block!.bytes(number)
                predictor.nextBlock = number &+ 1
                if bytes.count == length, fields.isSound { return bytes }  // nothing to put together
            } else {
                guard piece > 0, piece &>> 1 <= UInt64(section.left), let taken = section.take(Int(piece &>> 1)) else {
                    throw damaged("a payload reaches beyond its run")
                }
                bytes = taken
            }
            guard bytes.count <= length - done else { throw damaged("pieces of a payload are longer than it is") }
            reserve(done + bytes.count)
            memcpy(assembled! + done, bytes.baseAddress!, bytes.count)
            done += bytes.count
        }
        guard fields.isSound else { throw damaged("a payload without its pieces") }
        return UnsafeRawBufferPointer(start: assembled, count: length)
    }

    /// A length is believed as far as there are bytes for it.
    private func reserve(_ count: Int) {
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
    /// An event's head: which slot, and what follows.
    struct Head {
        var control: UInt8
        var control2: UInt8
        var slot: Int
        var isInPieces: Bool { control2 & EventCodec.piecesBit != 0 }
    }

    /// Reads a head at `input`, behind which `EventCodec.slack` bytes can be read.
    @inline(__always)
    fileprivate func head(_ input: inout UnsafeRawPointer) -> Head {
        let control = take(&input)
        let control2 = control & EventCodec.moreBit != 0 ? take(&input) : 0
        let slot = control & EventCodec.slotBit != 0 ? Int(take(&input)) : Int(successors[lastSlot])
        return Head(control: control, control2: control2, slot: slot)
    }

    /// Reads the fields of an event without its payload, likewise. Returns false when it is none.
    @inline(__always)
    fileprivate mutating func decode(
        _ head: Head, _ entry: UnsafeMutablePointer<castor_entry>, at input: inout UnsafeRawPointer
    ) -> Bool {
        let control = head.control
        let slot = head.slot
        entry.pointee = entries[slot]
        if head.control2 != 0 {
            guard decodeIdentity(entry, control2: head.control2, at: &input) else { return false }
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
