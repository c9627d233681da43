/// System calls without a kernel: a frame, the memory its arguments point to, and the way of their bytes through a
/// ring into other memory of the same shape.
import CTSXGate
import CTSXShim
import Glibc
import Testing

/// The program's memory at one call. Built twice by the same steps: as it was when recorded (outputs hold what the
/// kernel wrote), and as it is on replay (outputs hold zeroes).
final class Arena {
    let isRecorded: Bool
    private var random = Random(42)
    private var blocks: [(bytes: UnsafeMutableRawBufferPointer, written: Int?)] = []
    private static let margin = 64

    init(recorded: Bool) { isRecorded = recorded }
    deinit { for b in blocks { b.bytes.baseAddress!.advanced(by: -Self.margin).deallocate() } }

    private func block(_ content: [UInt8], written: Int?) -> UInt64 {
        let whole = UnsafeMutableRawPointer.allocate(byteCount: content.count + 2 * Self.margin, alignment: 16)
        memset(whole, isRecorded ? 0x5a : 0xa5, content.count + 2 * Self.margin)
        let start = whole + Self.margin
        start.copyMemory(from: content, byteCount: content.count)
        blocks.append((UnsafeMutableRawBufferPointer(start: start, count: content.count), written))
        return address(start)
    }

    /// Room of `count` bytes of which the kernel writes the first `written` (all, when not given).
    func output(_ count: Int, written: Int? = nil) -> UInt64 {
        let content = random.bytes(count)
        return block(isRecorded ? content : [UInt8](repeating: 0, count: count), written: written ?? count)
    }
    /// The same bytes in recording and replay; not compared afterwards.
    func input(_ bytes: [UInt8]) -> UInt64 { block(bytes, written: nil) }
    func input(_ text: String) -> UInt64 { input(Array(text.utf8) + [0]) }
    func input(words: [UInt64]) -> UInt64 { block(words.withUnsafeBytes { Array($0) }, written: nil) }
    /// A 32-bit word with one value before the call and another, which replay must restore, after it.
    func word(before: UInt32, after: UInt32) -> UInt64 {
        let at = block(withUnsafeBytes(of: before) { Array($0) }, written: 4)
        changes.append((at, after))
        return at
    }
    private var changes: [(at: UInt64, value: UInt32)] = []
    /// A word inside another block that the kernel changes.
    func change(_ at: UInt64, to value: UInt32) { changes.append((at, value)) }
    /// The kernel's part between the two halves of a call.
    func playKernel() {
        for c in changes { halves(c.at)[0] = c.value }
    }

    /// Whether replay restored what was recorded, and touched nothing else.
    func expectRestored(from recorded: Arena, _ comment: Comment) {
        for (i, (mine, theirs)) in zip(blocks, recorded.blocks).enumerated() {
            let whole = UnsafeRawBufferPointer(
                start: mine.bytes.baseAddress! - Self.margin, count: mine.bytes.count + 2 * Self.margin)
            #expect(whole.prefix(Self.margin).allSatisfy { $0 == 0xa5 }, "\(comment): before block \(i)")
            #expect(whole.suffix(Self.margin).allSatisfy { $0 == 0xa5 }, "\(comment): behind block \(i)")
            guard let written = theirs.written else { continue }
            #expect(mine.bytes.prefix(written).elementsEqual(theirs.bytes.prefix(written)), "\(comment): block \(i)")
            #expect(
                mine.bytes.dropFirst(written).allSatisfy { $0 == 0 },
                "\(comment): block \(i), more than the \(written) bytes that the kernel wrote")
        }
    }
}

struct Call: @unchecked Sendable {
    let nr: Int32
    let result: Int64
    let arguments: (Arena) -> [UInt64]
    init(_ nr: Int32, result: Int64, _ arguments: @escaping (Arena) -> [UInt64]) {
        (self.nr, self.result, self.arguments) = (nr, result, arguments)
    }

    var row: Row { castor_syscall_row_at(UInt64(nr)) }

    func frame(_ arena: Arena) -> castor_frame {
        var frame = castor_frame()
        frame.nr = UInt64(nr)
        let a = arguments(arena) + [0, 0, 0, 0, 0, 0]
        (frame.a0, frame.a1, frame.a2, frame.a3, frame.a4, frame.a5) = (a[0], a[1], a[2], a[3], a[4], a[5])
        return frame
    }

    /// The bytes that recording would count, without storing any.
    func measured() -> UInt64 {
        let segment = TestSegment(rings: 1)
        let arena = Arena(recorded: true)
        var f = frame(arena)
        keepLengths(row, &f)
        arena.playKernel()
        f.result = result
        var port = Port(measuring: segment.ring(0))
        visitOutputs(row, &f, &port)
        return port.total
    }

    /// What replay compares.
    func inputs() -> [UInt64] {
        let arena = Arena(recorded: true)
        var f = frame(arena)
        f.result = result
        let i = Inputs(row, &f, result: result)
        return [i.object, i.hash, i.value]
    }

    /// Records the call's outputs and loads them into other memory. Returns the payload's length.
    @discardableResult
    func roundTrip(expecting bytes: Int, _ comment: Comment = "", sourceLocation: SourceLocation = #_sourceLocation)
        -> UInt64
    {
        let comment: Comment = "\(row.pointee.name.map { String(cString: $0) } ?? "?") \(comment)"
        let segment = TestSegment(rings: 1, slots: 4096)
        let ring = segment.ring(0)
        let recorded = Arena(recorded: true)
        var f = frame(recorded)
        keepLengths(row, &f)
        recorded.playKernel()
        f.result = result
        var measure = Port(measuring: ring)
        visitOutputs(row, &f, &measure)
        #expect(measure.total == UInt64(bytes), comment, sourceLocation: sourceLocation)
        ring.next.pointee = attempt(CASTOR_EV_SYSCALL, UInt16(nr))
        ring.next.pointee.payload = UInt32(measure.total)
        var store = Port(storing: ring)
        visitOutputs(row, &f, &store)
        let stored = (store.writer.line - ring.pointee.tail - 1) * 64 + store.writer.offset
        #expect(stored == measure.total, "\(comment): stored is not what was measured", sourceLocation: sourceLocation)
        store.writer.finish()

        let replayed = Arena(recorded: false)
        var g = frame(replayed)
        keepLengths(row, &g)
        g.result = result
        var load = Port(loading: ring, ring.peek().pointee)
        visitOutputs(row, &g, &load)
        #expect(load.reader.left == 0, "\(comment): not all was taken", sourceLocation: sourceLocation)
        load.reader.finish()
        #expect(ring.pointee.head == ring.pointee.tail, comment, sourceLocation: sourceLocation)
        replayed.expectRestored(from: recorded, comment)
        return measure.total
    }
}
