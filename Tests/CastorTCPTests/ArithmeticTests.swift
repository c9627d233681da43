import CTSXShim
import Glibc
import Testing

@testable import CastorTCP

/// Sequence numbers, timestamps and checksums around 2^32.
@Suite struct ArithmeticTests {
    private func connection(
        received: UInt32 = 0, sent: UInt32 = 0,
        options: UInt8 = CASTOR_TCP_SACK | CASTOR_TCP_TIMESTAMPS | CASTOR_TCP_SCALES
    ) -> castor_tcp {
        var tcp = castor_tcp()
        tcp.family = UInt8(AF_INET)
        tcp.options = options
        (tcp.send_scale, tcp.receive_scale) = (7, 7)
        (tcp.local.0, tcp.local.3, tcp.peer.0, tcp.peer.3) = (10, 1, 10, 2)
        (tcp.local_port, tcp.peer_port) = (UInt16(80).bigEndian, UInt16(40000).bigEndian)
        tcp.mss = 1448
        (tcp.received, tcp.sent) = (received, sent)
        tcp.timestamp = 1000
        return tcp
    }

    private func answer(_ acknowledged: UInt32) -> Probe.Answer {
        .init(acknowledged: acknowledged, window: 1 << 16, timestampEcho: 7)
    }

    @Test(arguments: [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ff00, 0xffff_ffff] as [UInt32])
    func numbersGoRound(_ start: UInt32) {
        #expect(!start.isAfter(start))
        for step in [UInt32(1), 255, 256, 1 << 30, 0x7fff_ffff] {
            #expect((start &+ step).isAfter(start) && !start.isAfter(start &+ step))
            #expect(start.distance(after: start &+ step) == -Int32(step))
        }
        #expect(start.moved(by: 1 << 32) == start)
        #expect(start.moved(by: 5 << 32 + 3) == start &+ 3)
    }

    /// Whatever the initial numbers are, and however many times they went round.
    @Test(arguments: [0, 0x7fff_ff80, 0xffff_ff80, 0xffff_ffff] as [UInt32], [0, 0xffff_ffc0, 9 << 32] as [UInt64])
    func connectionsGoOnWhereTheClientIs(_ initial: UInt32, _ before: UInt64) {
        let tcp = connection(received: initial &+ 77, sent: initial)
        let produced = before + 1000
        let end = initial.moved(by: produced)
        func position(_ answer: Probe.Answer?, retained: UInt64 = 200) -> Rebuild.Position {
            Rebuild.Position(tcp, consumed: before + 5, produced: produced, retained: retained, answer: answer)
        }
        #expect(position(answer(end)).again == 0 && position(answer(end)).send == end)
        #expect(position(answer(end &- 150)).again == 150 && position(answer(end &- 150)).send == end &- 150)
        // More than the replay has produced: it will come to it.
        #expect(position(answer(end &+ 4000)).again == 0 && position(answer(end &+ 4000)).send == end)
        #expect(position(nil).again == 200 && position(nil).send == end &- 200)
        #expect(
            position(nil, retained: produced + 1).again == produced
                && position(nil, retained: produced + 1).send == initial)
        #expect(position(nil).receive == (initial &+ 82).moved(by: before))
    }

    @Test(arguments: [0, 1, 1000, 0x7fff_ffff, 0xffff_d000, 0xffff_fffc, 0xffff_ffff] as [UInt32])
    func clocksAreLaterAndOfTheSameUnit(_ echo: UInt32) {
        for clock in [UInt32(4), 5, .max, .max - 1] {
            let new = Rebuild.clock(after: echo, like: clock)
            #expect(new.isAfter(echo) && new & 1 == clock & 1)
            #expect(new.distance(after: echo) <= 10_001)
        }
    }

    @Test func questionsAreOld() throws {
        // Nothing was ever sent: the byte before the first, which is the SYN's number.
        let first = try #require(Probe.question(to: (connection(sent: 0), 0, 0, 0)))
        #expect(first.sequence == .max && first.hasByte)
        #expect(Probe.question(to: (connection(sent: 0xffff_fff0), 0, 100, 50))?.sequence == 33)
        #expect(Probe.question(to: (connection(sent: 5), 0, 100, 1000))?.sequence == 4)
        #expect(Probe.question(to: (connection(received: .max), 3, 0, 0))?.acknowledged == 2)
    }

    @Test func answersAreOfTheConnectionAsItIs() throws {
        let tcp = connection(sent: 0xffff_fff0)
        func segment(_ acknowledged: UInt32) throws -> ReceivedSegment {
            let packet = try #require(
                Segment(tcp, sequence: 1, acknowledged: acknowledged, window: 3, timestamps: (8, 9)))
            return try #require(packet.bytes.withUnsafeBytes { ReceivedSegment($0) })
        }
        #expect(
            try Probe.answer(segment(40), to: (tcp, 0, 100, 50))
                == Probe.Answer(acknowledged: 40, window: 3 << 7, timestampEcho: 9))
        #expect(try Probe.answer(segment(33), to: (tcp, 0, 100, 50)) == nil)
        #expect(try Probe.answer(segment(0x8000_0100), to: (tcp, 0, 100, 50)) == nil)
    }

    @Test func checksumsAddUp() throws {
        for timestamps in [nil, (UInt32(0xdead_beef), UInt32(1))] {
            for hasByte in [false, true] {
                var segment = try #require(
                    Segment(
                        connection(), sequence: 0xfedc_ba98, acknowledged: 7, window: 0x8001, timestamps: timestamps))
                segment.hasByte = hasByte
                var bytes = segment.bytes
                let length = bytes.count - 20
                #expect(length == (timestamps == nil ? 20 : 32) + (hasByte ? 1 : 0))
                if bytes.count % 2 == 1 { bytes.append(0) }
                // Addresses and TCP as they are, and the rest of the pseudo-header.
                var sum = 6 + length
                for index in stride(from: 12, to: bytes.count, by: 2) {
                    sum += Int(bytes[index]) << 8 + Int(bytes[index + 1])
                }
                while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
                #expect(sum == 0xffff)
            }
        }
    }

    @Test func mappedAddressesAreIPv4() throws {
        var tcp = connection()
        let plain = try #require(tcp.ipv4)
        tcp.family = UInt8(AF_INET6)
        #expect(tcp.ipv4 == nil)
        withUnsafeMutableBytes(of: &tcp.local) {
            $0.copyBytes(from: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1])
        }
        withUnsafeMutableBytes(of: &tcp.peer) {
            $0.copyBytes(from: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 2])
        }
        let mapped = try #require(tcp.ipv4)
        #expect(mapped == plain)
    }

    @Test func slotsAreTakenAgainInTheirOrder() {
        var queue = SlotQueue(count: 3)
        var forgotten: [Int] = []
        func take() -> Int? { queue.take { forgotten.append($0) } }
        #expect([take(), take(), take(), take()] == [0, 1, 2, nil])
        #expect(forgotten.isEmpty)
        queue.give(1)
        queue.give(0)
        #expect([take(), take(), take()] == [1, 0, nil])
        #expect(forgotten == [1, 0])
        for _ in 0..<10 {
            queue.give(2)
            #expect(take() == 2)
        }
    }
}

extension Segment {
    var bytes: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Segment.longest)
        let length = bytes.withUnsafeMutableBytes { write(to: $0) }
        return Array(bytes[..<length])
    }
}
