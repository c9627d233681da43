/// Takes a stream apart into frames. A header is checked as soon as it is there, before its body is waited for; a body is believed
/// after its checksum. Whoever got an error gets it again: what follows damage cannot be told apart.
import CastorLog

public struct FrameReader: Sendable {
    /// Bytes that came; those before `start` have been returned as frames.
    private var buffer: [UInt8] = []
    private var start = 0
    private var sequence: UInt64 = 1
    private var failure: FrameError?

    public init() {}

    /// Takes bytes that arrived, any number. Take frames out before more is fed: what is kept is then one frame at most.
    public mutating func append(_ bytes: some Sequence<UInt8>) {
        if start > 0 {
            buffer.removeSubrange(..<start)
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next frame; nil when it is not there whole.
    public mutating func next() throws(FrameError) -> Frame? {
        if let failure { throw failure }
        do throws(FrameError) {
            return try readNext()
        } catch {
            failure = error
            buffer = []
            throw error
        }
    }

    private mutating func readNext() throws(FrameError) -> Frame? {
        let rest = buffer.count - start
        guard rest >= Frame.headerSize else { return nil }
        let header = try inBuffer(Frame.headerSize) { bytes throws(FrameError) in try Header(bytes, sequence: sequence)
        }
        guard rest >= Frame.headerSize + header.length else { return nil }
        let message = try inBuffer(Frame.headerSize + header.length) { bytes throws(FrameError) in
            let body = UnsafeRawBufferPointer(rebasing: bytes[Frame.headerSize...])
            guard checksum(Array(bytes[..<Header.checked]), body) == header.checksum else { throw .checksum }
            return try Message(header.type, body: body)
        }
        start += Frame.headerSize + header.length
        defer { sequence += 1 }
        return Frame(epoch: header.epoch, sequence: sequence, message: message)
    }

    /// What `body` makes of the next `count` bytes.
    private func inBuffer<T>(_ count: Int, _ body: (UnsafeRawBufferPointer) throws(FrameError) -> T) throws(FrameError)
        -> T
    {
        try buffer.withUnsafeBufferPointer { bytes throws(FrameError) in
            try body(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: bytes[start..<start + count])))
        }
    }
}

/// A header whose fields are right.
private struct Header {
    /// Bytes of the header that the checksum covers.
    static let checked = 32

    var type: MessageType
    var epoch: UInt64
    var length: Int
    var checksum: UInt64

    /// Reads 40 bytes. `sequence` is the one that the frame must have.
    init(_ bytes: UnsafeRawBufferPointer, sequence: UInt64) throws(FrameError) {
        func number<T: FixedWidthInteger>(_ offset: Int, _: T.Type = T.self) -> T {
            T(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: T.self))
        }
        precondition(bytes.count == Frame.headerSize)
        guard number(0) == Frame.magic else { throw .magic(number(0)) }
        guard number(4) == protocolVersion else { throw .version(number(4)) }
        guard let type = MessageType(rawValue: number(6)) else { throw .type(number(6)) }
        guard number(16) == sequence else { throw .sequence(expected: sequence, found: number(16)) }
        guard number(24, UInt32.self) <= Frame.bodyLimit else { throw .length(number(24)) }
        guard number(28) == UInt32(0) else { throw .reserved(number(28)) }
        self.type = type
        epoch = number(8)
        length = Int(number(24, UInt32.self))
        checksum = number(32)
    }
}
