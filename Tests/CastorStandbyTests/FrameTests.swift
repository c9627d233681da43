import CastorLog
import Testing

@testable import CastorStandby

/// One message of each type.
let sampleMessages: [Message] = [
    .hello(Hello(who: 0x1122_3344_5566_7788, log: 7, term: 3, position: 1 << 40, agreement: Agreement())),
    .welcome(Welcome(who: 9, term: 4, agreed: 4096)),
    .refuse("a log of another program – não"),
    .log(position: 300, bytes: Array(0..<200)),
    .manifest(Array("{}\n".utf8)),
    .acknowledgement(Acknowledgement(received: 500, consumed: 300, credit: 1 << 22)),
    .heartbeat(Heartbeat(clock: 123_456, written: 500, isCounted: true)),
    .diverged("event 12: read instead of write"),
    .ended(length: 500),
    .leaving,
    .files(position: 1 << 33, bytes: Array(0..<100)),
    .station(0x5544_3322_1102),
]

@Suite struct FrameTests {
    private var stream: [UInt8] {
        var writer = FrameWriter()
        return sampleMessages.enumerated().flatMap { writer.bytes(of: $1, epoch: UInt64($0)) }
    }

    private func expectSamples(_ frames: [Frame]) {
        #expect(frames.map(\.message) == sampleMessages)
        #expect(frames.map(\.epoch) == Array(0..<UInt64(sampleMessages.count)))
        #expect(frames.map(\.sequence) == Array(1...UInt64(sampleMessages.count)))
    }

    @Test func everyTypeThereAndBack() throws {
        #expect(Set(sampleMessages.map(\.type)).count == 12)
        var reader = FrameReader()
        reader.append(stream)
        var frames: [Frame] = []
        while let frame = try reader.next() { frames.append(frame) }
        expectSamples(frames)
    }

    @Test(arguments: [1, 2, 7, 39, 40, 41, 100]) func pieces(length: Int) throws {
        var reader = FrameReader()
        var frames: [Frame] = []
        var rest = stream[...]
        while !rest.isEmpty {
            reader.append(rest.prefix(length))
            rest = rest.dropFirst(length)
            while let frame = try reader.next() { frames.append(frame) }
        }
        expectSamples(frames)
    }

    @Test func goldenBytes() {
        let frames: [(Message, String)] = [
            (.leaving, "435346540200 0a00 0200000000000000 0300000000000000 00000000 00000000 "),
            (
                .acknowledgement(Acknowledgement(received: 0x0102, consumed: 1, credit: .max)),
                "435346540200 0600 0200000000000000 0300000000000000 18000000 00000000  0201000000000000 0100000000000000 ffffffffffffffff"
            ),
            (
                .log(position: 0x0a0b, bytes: [1, 2, 3]),
                "435346540200 0400 0200000000000000 0300000000000000 0b000000 00000000  0b0a000000000000 010203"
            ),
            (
                .hello(Hello(who: 1, log: 2, term: 3, position: 4, agreement: Agreement())),
                """
                435346540200 0100 0200000000000000 0300000000000000 3c000000 00000000  0100000000000000 0200000000000000 \
                0300000000000000 0400000000000000 0000400000000000 0a000000 64000000 e8030000 01000000 0300 02 00
                """
            ),
        ]
        for (message, golden) in frames {
            let bytes = Frame(epoch: 2, sequence: 3, message: message).bytes
            let covered = Array(bytes[..<32]) + Array(bytes[40...])
            #expect(covered.map(hexadecimal).joined() == golden.filter { $0 != " " })
            #expect(
                Array(bytes[32..<40]) == (0..<8).map { UInt8(truncatingIfNeeded: checksum(covered) >> UInt64(8 * $0)) })
        }
        // XXH3-64 of the first 32 bytes, by libxxhash.
        let leaving = Frame(epoch: 2, sequence: 3, message: .leaving).bytes
        #expect(leaving[32...].reversed().map(hexadecimal).joined() == "adcf493ea698d388")
    }

    private func hexadecimal(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }

    /// Whatever bit is wrong, no frame comes out, however much follows.
    @Test func everyBitFlipped() {
        let padding = [UInt8](repeating: 0, count: Frame.bodyLimit + Frame.headerSize)
        for message in sampleMessages {
            let whole = Frame(epoch: 5, sequence: 1, message: message).bytes
            for bit in 0..<whole.count * 8 {
                var bytes = whole
                bytes[bit / 8] ^= 1 << UInt8(bit % 8)
                var reader = FrameReader()
                reader.append(bytes)
                do {
                    let early = try reader.next()
                    #expect(early == nil, "bit \(bit) of \(message.type)")
                    // A longer body is waited for, and then found to be damaged.
                    reader.append(padding)
                    let late = try reader.next()
                    Issue.record("bit \(bit) of \(message.type): \(String(describing: late))")
                } catch {
                    #expect(throws: error) { try reader.next() }
                }
            }
        }
    }

    @Test func everyTruncationWaits() throws {
        for message in sampleMessages {
            let whole = Frame(epoch: 5, sequence: 1, message: message).bytes
            for length in 0..<whole.count {
                var reader = FrameReader()
                reader.append(whole[..<length])
                #expect(try reader.next() == nil)
            }
        }
    }

    /// A frame whose checksum is right and whose fields are not.
    private func error(
        type: UInt16 = 10, version: UInt16 = protocolVersion, sequence: UInt64 = 1, length: UInt32? = nil, reserved: UInt32 = 0,
        body: [UInt8] = []
    )
        -> FrameError?
    {
        var bytes: [UInt8] = Array("CSFT".utf8)
        bytes.append(little: version)
        bytes.append(little: type)
        bytes.append(little: UInt64(0))
        bytes.append(little: sequence)
        bytes.append(little: length ?? UInt32(body.count))
        bytes.append(little: reserved)
        bytes.append(little: checksum(bytes + body))
        var reader = FrameReader()
        reader.append(bytes + body)
        do throws(FrameError) { _ = try reader.next() } catch { return error }
        return nil
    }

    @Test func everyError() {
        #expect(error() == nil)
        #expect(error(version: 1) == .version(1))
        #expect(error(type: 0) == .type(0))
        #expect(error(type: 13) == .type(13))
        #expect(error(sequence: 2) == .sequence(expected: 1, found: 2))
        #expect(error(reserved: 1) == .reserved(1))
        // Said at once, not when so many bytes have come.
        #expect(error(length: .max) == .length(.max))
        #expect(error(length: UInt32(Frame.bodyLimit) + 1) == .length(UInt32(Frame.bodyLimit) + 1))
        #expect(error(body: [0]) == .body(.leaving, "1 bytes instead of 0"))
        #expect(error(type: 3, body: [0xff]) == .body(.refuse, "no text"))
        #expect(error(type: 8, body: [UInt8](repeating: 0x61, count: 4097)) == .body(.diverged, "no text"))
        #expect(error(type: 4, body: [UInt8](repeating: 0, count: 8)) == .body(.log, "8 bytes"))
        #expect(error(type: 4, body: [UInt8](repeating: 255, count: 9)) == .body(.log, "a position of \(UInt64.max)"))
        #expect(error(type: 7, body: [UInt8](repeating: 2, count: 20)) == .body(.heartbeat, "a flag of \(0x0202_0202)"))
        #expect(error(type: 1, body: [UInt8](repeating: 0, count: 60)) == .body(.hello, "no agreement"))
        for type: UInt16 in [1, 2, 6, 7, 9] {
            #expect(error(type: type, body: [0, 0, 0]) != nil)
        }
        var reader = FrameReader()
        reader.append(Array("GET / HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n".utf8))
        #expect(throws: FrameError.magic(0x2054_4547)) { try reader.next() }
        #expect("\(FrameError.magic(0x2054_4547))" == "no frame starts here: 0x20544547; the other side is no castor")
    }

    @Test func repeatedAndMissingFrames() throws {
        var writer = FrameWriter()
        let first = writer.bytes(of: .leaving, epoch: 0)
        _ = writer.bytes(of: .leaving, epoch: 0)
        let third = writer.bytes(of: .leaving, epoch: 0)
        var again = FrameReader()
        again.append(first + first)
        #expect(try again.next() != nil)
        #expect(throws: FrameError.sequence(expected: 2, found: 1)) { try again.next() }
        var missing = FrameReader()
        missing.append(first + third)
        #expect(try missing.next() != nil)
        #expect(throws: FrameError.sequence(expected: 2, found: 3)) { try missing.next() }
    }

    @Test func largestFrames() throws {
        var writer = FrameWriter()
        var reader = FrameReader()
        let log = Message.log(position: 1, bytes: [UInt8](repeating: 7, count: Frame.logLimit))
        reader.append(writer.bytes(of: log, epoch: 1))
        #expect(try reader.next()?.message == log)
        let text = String(repeating: "é", count: 5000)
        reader.append(writer.bytes(of: .refuse(text), epoch: 1))
        #expect(try reader.next()?.message == .refuse(String(repeating: "é", count: 2048)))
    }
}
