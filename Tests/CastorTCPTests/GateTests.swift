import CTSXShim
import Foundation
import Testing

@testable import CastorTCP

/// One connection over the gate of the primary.
private final class Pair {
    let machines: Machines
    let gate: EgressGate
    let client: Int32, server: Int32
    let tcp: castor_tcp
    let slot: EgressGate.Slot

    init(_ mode: EgressGate.Mode = .guard) throws {
        machines = try Machines()
        gate = try machines.primary.gate()
        gate.setMode(mode)
        let listener = try machines.primary.listener(Machines.shared, port: 7000)
        defer { close(listener) }
        client = try machines.client.connection(to: Machines.shared, port: 7000)
        server = accept(listener, nil, nil)
        tcp = try ReadOut.run(socket: server)
        guard let slot = gate.add(tcp) else { throw Failure("no slot") }
        self.slot = slot
    }

    deinit {
        close(client)
        close(server)
    }

    func acknowledge(_ bytes: Int) {
        if gate.acknowledge(slot, upTo: tcp.received.advanced(by: UInt64(bytes))) { gate.sendAcknowledgement(slot) }
    }
}

@Suite(.serialized, .enabled(if: Machines.areAllowed)) struct GateTests {
    @Test func bytesAreAcknowledgedWhenTheyMay() throws {
        let pair = try Pair()
        writeBytes(pair.client, Pattern(stream: 1).piece(at: 0, count: 5000))
        #expect(readBytes(pair.server, 5000).count == 5000)
        #expect(eventually { pair.gate.counts(pair.slot).dropped > 0 })
        #expect(unacknowledged(pair.client) == 5000)
        // Also along with what the server sends, which the client gets all the same.
        writeBytes(pair.server, [1, 2, 3])
        #expect(readBytes(pair.client, 3) == [1, 2, 3])
        #expect(unacknowledged(pair.client) == 5000)
        pair.acknowledge(1234)
        #expect(eventually { unacknowledged(pair.client) == 5000 - 1234 })
        #expect(!pair.gate.isAcknowledgementDue(pair.slot))
        pair.acknowledge(5000)
        #expect(eventually { unacknowledged(pair.client) == 0 })
        #expect(pair.gate.counts(pair.slot).ends == 0)
    }
}
