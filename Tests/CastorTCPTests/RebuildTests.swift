import CTSXShim
import Foundation
import Testing

@testable import CastorTCP

/// Connections that never were opened: both ends are rebuilt, at numbers that a test chooses.
private final class Fabricated {
    let machines: Machines
    private(set) var client: Int32
    let server: castor_tcp
    let peer: castor_tcp

    /// Numbers of the first bytes that the server receives and sends, its clock, and the client's.
    init(
        received: UInt32, sent: UInt32, clock: UInt32 = 1000,
        options: UInt8 = CASTOR_TCP_SACK | CASTOR_TCP_SCALES | CASTOR_TCP_TIMESTAMPS
    )
        throws
    {
        machines = try Machines()
        var tcp = castor_tcp()
        tcp.family = UInt8(AF_INET)
        tcp.options = options
        if options & CASTOR_TCP_SCALES != 0 { (tcp.send_scale, tcp.receive_scale) = (7, 7) }
        withUnsafeMutableBytes(of: &tcp.local) { $0.storeBytes(of: ipv4(Machines.shared), as: UInt32.self) }
        withUnsafeMutableBytes(of: &tcp.peer) { $0.storeBytes(of: ipv4("10.214.0.1"), as: UInt32.self) }
        (tcp.local_port, tcp.peer_port) = (UInt16(7000).bigEndian, UInt16(40000).bigEndian)
        (tcp.mss, tcp.received, tcp.sent, tcp.timestamp) = (1460, received, sent, clock)
        var peer = tcp
        (peer.local, peer.peer) = (tcp.peer, tcp.local)
        (peer.local_port, peer.peer_port) = (tcp.peer_port, tcp.local_port)
        (peer.received, peer.sent) = (sent, received)
        (server, self.peer) = (tcp, peer)
        client = try machines.client.tcpSocket()
        _ = try rebuild(client, peer, consumed: 0, produced: 0)
    }

    deinit { close(client) }

    func rebuild(_ socket: Int32, _ tcp: castor_tcp, consumed: UInt64, produced: UInt64, answer: Probe.Answer? = nil)
        throws -> UInt64
    {
        try Rebuild.run(
            socket: socket, tcp, consumed: consumed, produced: produced, answer: answer ?? firstAnswer(tcp, produced),
            timestamp: tcp.timestamp)
    }

    /// Of a peer that has everything and a usual window.
    private func firstAnswer(_ tcp: castor_tcp, _ produced: UInt64) -> Probe.Answer {
        .init(acknowledged: tcp.sent.moved(by: produced), window: 65000, timestampEcho: nil)
    }
}

extension KernelTests {
    @Suite(.serialized) struct RebuildTests {
        /// All numbers and both clocks go round while bytes are on their way, before the failure, and after it.
        @Test(arguments: [0, 1500, 5000, 9000] as [UInt32])
        func numbersGoRound(_ before: UInt32) throws {
            let fabricated = try Fabricated(received: 0 &- before, sent: 0 &- 2 * before, clock: 0 &- 20)
            let (machines, tcp) = (fabricated.machines, fabricated.server)
            let gate = try machines.primary.gate()
            gate.setMode(.guard)
            let server = try machines.primary.tcpSocket()
            _ = try fabricated.rebuild(server, tcp, consumed: 0, produced: 0)
            let slot = try #require(gate.add(tcp))
            try Rebuild.release(socket: fabricated.client)
            try Rebuild.release(socket: server)

            let up = Pattern(stream: 1)
            let down = Pattern(stream: 2)
            writeBytes(fabricated.client, up.piece(at: 0, count: 4000))
            #expect(readBytes(server, 4000) == Array(up.piece(at: 0, count: 4000)))
            writeBytes(server, down.piece(at: 0, count: 8000))
            #expect(readBytes(fabricated.client, 8000) == Array(down.piece(at: 0, count: 8000)))
            // The first 3000 are known to the standby.
            #expect(unacknowledged(fabricated.client) == 4000)
            if gate.acknowledge(slot, upTo: tcp.received.moved(by: 3000)) { gate.sendAcknowledgement(slot) }
            #expect(eventually { unacknowledged(fabricated.client) == 1000 })
            gate.open(until: 1)
            close(server)

            let replica = try machines.replica.gate()
            replica.blockEnds(true)
            try machines.replica.take(Machines.shared)
            let answers = try machines.replica.within { try Probe.run([(tcp, 3000, 8500, 4000)], milliseconds: 1000) }
            let answer = try #require(answers[0])
            #expect(answer.acknowledged == tcp.sent.moved(by: 8000))
            #expect(answer.timestampEcho.map { $0.distance(after: tcp.timestamp) >= 0 } == true)
            let socket = try machines.replica.tcpSocket()
            let again = try Rebuild.run(
                socket: socket, tcp, consumed: 3000, produced: 8500, answer: answer, timestamp: tcp.timestamp)
            #expect(again == 500)
            replica.setMode(.guard)
            let next = try #require(replica.add(tcp, consumed: 3000, produced: 8500))
            try Rebuild.release(socket: socket)
            #expect(
                try Array(down.piece(at: 8000, count: 500)).withUnsafeBytes {
                    try Rebuild.resend(socket: socket, bytes: $0)
                } == 500)
            replica.blockEnds(false)
            #expect(readBytes(fabricated.client, 500) == Array(down.piece(at: 8000, count: 500)))
            #expect(readBytes(socket, 1000) == Array(up.piece(at: 3000, count: 1000)))
            #expect(unacknowledged(fabricated.client) == 1000)
            if replica.acknowledge(next, upTo: tcp.received.moved(by: 4000)) { replica.sendAcknowledgement(next) }
            #expect(eventually { unacknowledged(fabricated.client) == 0 })
            replica.allowEnd(next)
            close(socket)
            #expect(readBytes(fabricated.client, 1).isEmpty)
        }

        /// Connections of old peers: no timestamps, no scales, no selective acknowledgements.
        @Test func connectionsWithoutOptions() throws {
            let fabricated = try Fabricated(received: 5, sent: 9, options: 0)
            let (machines, tcp) = (fabricated.machines, fabricated.server)
            let server = try machines.primary.tcpSocket()
            _ = try fabricated.rebuild(server, tcp, consumed: 0, produced: 0)
            try Rebuild.release(socket: fabricated.client)
            try Rebuild.release(socket: server)
            writeBytes(server, [1, 2, 3])
            #expect(readBytes(fabricated.client, 3) == [1, 2, 3])
            writeBytes(fabricated.client, [4])
            #expect(readBytes(server, 1) == [4])
            let read = try ReadOut.run(socket: server)
            #expect(read.options == 0 && read.received == 6 && read.sent == 12)
            close(server)
        }

        @Test func socketsKeepTheirOptions() throws {
            let fabricated = try Fabricated(received: 1, sent: 1)
            let (machines, tcp) = (fabricated.machines, fabricated.server)
            let server = try machines.primary.tcpSocket()
            defer { close(server) }
            let kept: [(level: Int32, option: Int32, value: Int32)] = [
                (SOL_SOCKET, SO_REUSEADDR, 1), (SOL_SOCKET, SO_KEEPALIVE, 1), (Int32(IPPROTO_TCP), 1, 1),
                (Int32(IPPROTO_TCP), 4, 77),  // TCP_NODELAY, TCP_KEEPIDLE
            ]
            for (level, option, value) in kept {
                var value = value
                setsockopt(server, level, option, &value, 4)
            }
            _ = fcntl(server, F_SETFL, O_NONBLOCK)
            _ = try fabricated.rebuild(server, tcp, consumed: 0, produced: 0)
            try Rebuild.release(socket: server)
            for (level, option, value) in kept {
                var found: Int32 = -1
                var length: socklen_t = 4
                getsockopt(server, level, option, &found, &length)
                #expect(found == value)
            }
            #expect(fcntl(server, F_GETFL) & O_NONBLOCK != 0)
            // Full segments, and room for who listens to the port.
            #expect(try KernelSocket(server).get(KernelSocket.Option.maximumSegment, Int32(0), "") == 1448)
            close(try machines.primary.listener(Machines.shared, port: 7000))
            let read = try ReadOut.run(socket: server)
            #expect(read.received == tcp.received && read.sent == tcp.sent && read.mss == tcp.mss)
            #expect(read.options == tcp.options && read.send_scale == 7 && read.receive_scale == 7)
            #expect(read.local_port == tcp.local_port && read.peer_port == tcp.peer_port)
            #expect(try #require(read.ipv4) == tcp.ipv4!)
        }

        @Test func silentClientsHaveNoAnswer() throws {
            let fabricated = try Fabricated(received: 1, sent: 1)
            var nobody = fabricated.server
            nobody.peer_port = UInt16(40001).bigEndian
            var silent = fabricated.server
            silent.peer.3 = 99
            let replica = try fabricated.machines.primary.gate()
            replica.blockEnds(true)
            try Rebuild.release(socket: fabricated.client)
            let start = milliseconds()
            let answers = try fabricated.machines.primary.within {
                try Probe.run([(nobody, 0, 0, 0), (fabricated.server, 0, 0, 0), (silent, 0, 0, 0)], milliseconds: 60)
            }
            #expect(answers[0] == nil && answers[1] != nil && answers[2] == nil)
            #expect(milliseconds() - start >= 60)
            // That nobody is there is an answer, too: it is not waited for in vain.
            let gone = try fabricated.machines.primary.within { try Probe.run([(nobody, 0, 0, 0)], milliseconds: 600_000) }
            #expect(gone[0] == nil)
            // It goes on all the same: at the first byte that the client may lack, in small steps.
            let server = try fabricated.machines.primary.tcpSocket()
            defer { close(server) }
            let again = try Rebuild.run(
                socket: server, fabricated.server, consumed: 0, produced: 10, retained: 10, answer: nil,
                timestamp: fabricated.server.timestamp)
            #expect(again == 10)
            try Rebuild.release(socket: server)
            #expect(try [UInt8](0..<10).withUnsafeBytes { try Rebuild.resend(socket: server, bytes: $0) } == 10)
            #expect(readBytes(fabricated.client, 10) == Array(0..<10))
        }

        @Test func aClosedWindowOpens() throws {
            let fabricated = try Fabricated(received: 1, sent: 1)
            let machines = fabricated.machines
            let server = try machines.primary.tcpSocket()
            defer { close(server) }
            let answer = Probe.Answer(acknowledged: 1, window: 0, timestampEcho: nil)
            #expect(try fabricated.rebuild(server, fabricated.server, consumed: 0, produced: 3, answer: answer) == 3)
            try Rebuild.release(socket: fabricated.client)
            try Rebuild.release(socket: server)
            writeBytes(server, [1, 2, 3])
            #expect(readBytes(fabricated.client, 3) == [1, 2, 3])
        }

        /// What a standby with many clients needs to go live.
        @Test func aThousandConnections() throws {
            let count = 1000
            let machines = try Machines()
            let gate = try machines.primary.gate()
            gate.setMode(.guard)
            let listener = try machines.primary.listener(Machines.shared, port: 7000)
            defer { close(listener) }
            var clients: [Int32] = []
            var known: [castor_tcp] = []
            try machines.client.within {
                for _ in 0..<count {
                    let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
                    guard with(Machines.shared, 7000, { connect(client, $0, $1) }) == 0 else {
                        throw Failure("connect")
                    }
                    clients.append(client)
                    let server = accept(listener, nil, nil)
                    known.append(try ReadOut.run(socket: server))
                    _ = gate.add(known.last!)
                    close(server)
                }
            }
            defer { for client in clients { close(client) } }
            gate.open(until: 1)
            let replica = try machines.replica.gate()
            replica.blockEnds(true)
            try machines.replica.take(Machines.shared)
            try machines.replica.within {
                let sockets = (0..<count).map { _ in
                    socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
                }
                let start = milliseconds()
                let answers = try Probe.run(known.map { ($0, 0, 0, 0) }, milliseconds: 1000)
                let probed = milliseconds()
                #expect(answers.count { $0 != nil } == count)
                for (index, tcp) in known.enumerated() {
                    _ = try Rebuild.run(
                        socket: sockets[index], tcp, consumed: 0, produced: 0, answer: answers[index],
                        timestamp: tcp.timestamp)
                }
                let rebuilt = milliseconds()
                for socket in sockets { try Rebuild.release(socket: socket) }
                print(
                    "\(count) connections: \(probed - start) ms to probe, \(rebuilt - probed) to rebuild, \(milliseconds() - rebuilt) to release"
                )
                replica.blockEnds(false)
                for (client, server) in zip(clients, sockets) {
                    writeBytes(server, [7])
                    #expect(readBytes(client, 1) == [7])
                    close(server)
                }
            }
        }
    }
}
