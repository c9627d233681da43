import CTSXShim
import Foundation
import Testing

@testable import CastorTCP

/// One connection over the gate of the primary.
private final class Pair {
    let machines: Machines
    let gate: EgressGate
    let client: Int32
    private(set) var server: Int32
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
        closeServer()
    }

    func closeServer() {
        if server >= 0 { close(server) }
        server = -1
    }

    func acknowledge(_ bytes: Int) {
        if gate.acknowledge(slot, upTo: tcp.received.moved(by: UInt64(bytes))) { gate.sendAcknowledgement(slot) }
    }
}

extension KernelTests {
    @Suite(.serialized) struct GateTests {
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

        /// 100 MB each way: large segments, scaled windows, and an agent that acknowledges in steps.
        @Test func bulkGoesAtSpeed() throws {
            let length: UInt64 = 100_000_000
            func seconds(_ mode: EgressGate.Mode, from: KeyPath<Pair, Int32>, to: KeyPath<Pair, Int32>) throws -> Double
            {
                let pair = try Pair(mode)
                let descriptor = pair[keyPath: from]
                let start = milliseconds()
                let sender = Thread {
                    var sent: UInt64 = 0
                    while sent < length {
                        let count = writeBytes(
                            descriptor, Pattern(stream: 1).piece(at: sent, count: Int(min(length - sent, 65521))))
                        if count <= 0 { return }
                        sent += UInt64(count)
                    }
                }
                sender.start()
                var received: UInt64 = 0
                var known: UInt64 = 0
                var buffer = [UInt8](repeating: 0, count: 1 << 17)
                while received < length, isReadable(pair[keyPath: to], milliseconds: 5000) {
                    let count = recv(pair[keyPath: to], &buffer, buffer.count, 0)
                    guard count > 0,
                        buffer.withUnsafeBytes({
                            Pattern(stream: 1).matches(.init(rebasing: $0[..<count]), at: received)
                        })
                    else {
                        throw Failure("other bytes from \(received) on")
                    }
                    received += UInt64(count)
                    if to == \.server, received - known > 200_000 || !isReadable(pair.server, milliseconds: 1) {
                        known = received
                        pair.acknowledge(Int(known))
                    }
                }
                #expect(received == length)
                #expect(eventually(seconds: 2) { unacknowledged(descriptor) == 0 })
                let counts = pair.gate.counts(pair.slot)
                #expect(mode == .pass || to == \.client || counts.dropped > 0)
                return (milliseconds() - start) / 1000
            }
            for (name, from, to) in [("up", \Pair.client, \Pair.server), ("down", \Pair.server, \Pair.client)] {
                let times = try [EgressGate.Mode.pass, .guard].map { try seconds($0, from: from, to: to) }
                print("100 MB \(name): \(times[0]) s when it passes, \(times[1]) s guarded")
                #expect(times[1] < 5)
            }
        }

        /// Of segments whose checksum is still to be computed, by the card or by the kernel, and of those that have
        /// one.
        @Test func checksumsStayRight() throws {
            let pair = try Pair()
            func errors() throws -> Int {
                let lines = try pair.machines.client.within {
                    try String(contentsOfFile: "/proc/thread-self/net/snmp", encoding: .utf8).split(separator: "\n")
                }
                .filter { $0.hasPrefix("Tcp:") }.map { $0.split(separator: " ") }
                return try Int(lines[1][#require(lines[0].firstIndex(of: "InCsumErrors"))])!
            }
            writeBytes(pair.client, [UInt8](repeating: 1, count: 3000))
            #expect(readBytes(pair.server, 3000).count == 3000)
            writeBytes(pair.server, Pattern(stream: 3).piece(at: 0, count: 60_000))
            #expect(readBytes(pair.client, 60_000) == Array(Pattern(stream: 3).piece(at: 0, count: 60_000)))
            try pair.machines.primary.withoutChecksumOffload()
            writeBytes(pair.server, Pattern(stream: 4).piece(at: 0, count: 60_000))
            #expect(readBytes(pair.client, 60_000) == Array(Pattern(stream: 4).piece(at: 0, count: 60_000)))
            let held = pair.gate.counts(pair.slot).held
            for acknowledged in stride(from: pair.tcp.received, to: pair.tcp.received &+ 3000, by: 117) {
                var segment = try #require(
                    Segment(
                        pair.tcp, sequence: pair.tcp.sent, acknowledged: acknowledged &+ 1,
                        window: UInt16(truncatingIfNeeded: acknowledged),
                        timestamps: nil))
                segment.hasByte = true
                let raw = try pair.machines.primary.within { try RawSocket() }
                #expect(raw.send(segment))
            }
            #expect(pair.gate.counts(pair.slot).held >= held + 26)
            #expect(unacknowledged(pair.client) == 3000)
            #expect(try errors() == 0)
        }

        @Test func endsAreHeldBackUntilTheyMay() throws {
            let pair = try Pair()
            shutdown(pair.server, Int32(SHUT_WR))
            #expect(!isReadable(pair.client, milliseconds: 100))
            #expect(pair.gate.counts(pair.slot).ends > 0)
            pair.gate.allowEnd(pair.slot)
            // The kernel says it again by itself.
            #expect(isReadable(pair.client, milliseconds: 5000))
            #expect(readBytes(pair.client, 1).isEmpty)
        }

        @Test func resetsAreHeldBackUntilTheyMay() throws {
            let pair = try Pair()
            var linger = linger(l_onoff: 1, l_linger: 0)
            setsockopt(pair.server, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<linger>.size))
            shutdown(pair.server, Int32(SHUT_RD))
            pair.closeServer()
            #expect(!isReadable(pair.client, milliseconds: 100))
            #expect(pair.gate.counts(pair.slot).ends == 1)
            writeBytes(pair.client, [1])
            #expect(!isReadable(pair.client, milliseconds: 100))
            pair.gate.allowEnd(pair.slot, ofOutput: true)
            #expect(!isReadable(pair.client, milliseconds: 500))
            pair.gate.allowEnd(pair.slot)
            // The answer to what the client sends again.
            #expect(isReadable(pair.client, milliseconds: 5000))
            #expect(readBytes(pair.client, 1).isEmpty && errno == ECONNRESET)
        }

        @Test func everythingPassesUntilItGuards() throws {
            let pair = try Pair(.pass)
            writeBytes(pair.client, [1, 2, 3])
            #expect(eventually { unacknowledged(pair.client) == 0 })
            writeBytes(pair.server, [4])
            #expect(readBytes(pair.client, 1) == [4])
            #expect(pair.gate.counts.packets > 2)
            pair.closeServer()
            #expect(isReadable(pair.client, milliseconds: 5000))
            #expect(pair.gate.counts(pair.slot).dropped == 0)
        }

        @Test func aReplicaKeepsAllEndsToItself() throws {
            let pair = try Pair(.pass)
            pair.gate.blockEnds(true)
            pair.closeServer()
            #expect(!isReadable(pair.client, milliseconds: 100))
            #expect(throws: Failure.self) {
                try pair.machines.client.connection(to: Machines.shared, port: 7001, milliseconds: 100)
            }
            #expect(pair.gate.counts.ends >= 2)
            pair.gate.blockEnds(false)
            #expect(isReadable(pair.client, milliseconds: 5000))
        }

        @Test func nothingLeavesWhenTheTimeIsPast() throws {
            let pair = try Pair(.pass)
            let udp = try pair.machines.primary.within { socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0) }
            let receiver = try pair.machines.client.within { socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0) }
            defer { for descriptor in [udp, receiver] { close(descriptor) } }
            _ = with(Machines.shared, 7100) { bind(udp, $0, $1) }
            _ = with("10.214.0.1", 7100) { bind(receiver, $0, $1) }
            func sendDatagram() { _ = with("10.214.0.1", 7100) { sendto(udp, [1], 1, 0, $0, $1) } }
            sendDatagram()
            #expect(isReadable(receiver, milliseconds: 1000))
            #expect(readBytes(receiver, 1) == [1])
            var now = timespec()
            clock_gettime(CLOCK_BOOTTIME, &now)
            let ahead = UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec) + 300_000_000
            pair.gate.open(until: ahead)
            writeBytes(pair.server, [9])
            #expect(readBytes(pair.client, 1) == [9])
            #expect(
                eventually {
                    clock_gettime(CLOCK_BOOTTIME, &now)
                    return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec) > ahead
                })

            let before = pair.gate.counts.late
            sendDatagram()
            writeBytes(pair.server, [8])
            #expect(!isReadable(receiver, milliseconds: 50) && !isReadable(pair.client, milliseconds: 50))
            #expect(pair.gate.counts.late >= before + 2)
            // Neither asked for nor announced.
            #expect(!pair.machines.client.reaches(Machines.shared))
            let silent = pair.gate.counts.late
            try pair.machines.primary.announce(Machines.shared)
            #expect(pair.gate.counts.late > silent)
            let neighbours = try command("ip", "-n", pair.machines.client.namespace, "neigh", "show", Machines.shared)
            #expect(!neighbours.contains("lladdr"))
            // The machine's own address is none of its business.
            #expect(pair.machines.client.reaches("10.214.0.2"))

            pair.gate.open(until: .max)
            #expect(pair.machines.client.reaches(Machines.shared))
            #expect(readBytes(pair.client, 1) == [8])
        }

        @Test func strangersMayConnectAndBeRefused() throws {
            let machines = try Machines()
            let gate = try machines.primary.gate()
            gate.setMode(.guard)
            // Nobody listens.
            #expect(throws: Failure.self) { try machines.client.connection(to: Machines.shared, port: 7001) }
            #expect(errno != ETIMEDOUT && gate.counts.unknown == 0)
            let listener = try machines.primary.listener(Machines.shared, port: 7000)
            let client = try machines.client.connection(to: Machines.shared, port: 7000)
            defer { for descriptor in [listener, client] { close(descriptor) } }
            writeBytes(client, [UInt8](repeating: 7, count: 3000))
            #expect(eventually { gate.counts.unknown > 0 })
            let server = accept(listener, nil, nil)
            // What it says before it was added is lost, not wrong.
            writeBytes(server, [5])
            #expect(!isReadable(client, milliseconds: 50) && unacknowledged(client) == 3000)
            close(server)
            #expect(!isReadable(client, milliseconds: 50))
        }

        /// A connection that the kernel had and the program never had.
        @Test func strangersAreAnsweredForAWhile() throws {
            let machines = try Machines()
            let gate = try machines.primary.gate()
            gate.setMode(.guard)
            let listener = try machines.primary.listener(Machines.shared, port: 7000)
            let client = try machines.client.connection(to: Machines.shared, port: 7000)
            defer { close(client) }
            close(listener)
            writeBytes(client, [1])
            #expect(!isReadable(client, milliseconds: 300))
            gate.answerStrangers(seconds: 60)
            #expect(eventually { isReadable(client, milliseconds: 10) })
            #expect(read(client, UnsafeMutableRawPointer.allocate(byteCount: 1, alignment: 1), 1) == -1 && errno == ECONNRESET)
        }

        /// The kernel's answer waits until standbys know of the opening, from which the connection could be rebuilt as from the socket.
        @Test func openings() throws {
            let machines = try Machines()
            let gate = try machines.primary.gate(admits: false)
            gate.setMode(.guard)
            let listener = try machines.primary.listener(Machines.shared, port: 7000)
            let client = try machines.client.tcpSocket()
            defer { for descriptor in [listener, client] { close(descriptor) } }
            _ = fcntl(client, F_SETFL, O_NONBLOCK)
            _ = with(Machines.shared, 7000) { connect(client, $0, $1) }
            var openings: [Opening] = []
            #expect(eventually {
                openings += gate.takeOpenings(milliseconds: 10)
                return !openings.isEmpty
            })
            var one = pollfd(fd: client, events: Int16(POLLOUT), revents: 0)
            #expect(poll(&one, 1, 50) == 0, "the client has its answer before anybody knows")
            let opening = try #require(openings.first)
            gate.admit(opening)
            #expect(poll(&one, 1, 1000) == 1)
            // As long as nobody has accepted it, the same answer may be sent again: the kernel does so after a second.
            let server = accept(listener, nil, nil)
            defer { close(server) }
            var tcp = try ReadOut.run(socket: server)
            #expect(opening.tcp.isSame(as: tcp) && opening.tcp.mapped.isSame(as: tcp))
            // The clock goes on.
            tcp.timestamp = opening.tcp.timestamp
            #expect(withUnsafeBytes(of: tcp) { a in withUnsafeBytes(of: opening.tcp) { b in a.elementsEqual(b) } }, "\(tcp) \(opening.tcp)")
        }

        /// The client's bytes came before the program accepted the connection, and none come later.
        @Test func whatCameEarlyIsAcknowledgedAtOnce() throws {
            let machines = try Machines()
            let gate = try machines.primary.gate()
            gate.setMode(.guard)
            let listener = try machines.primary.listener(Machines.shared, port: 7000)
            let client = try machines.client.connection(to: Machines.shared, port: 7000)
            writeBytes(client, [UInt8](repeating: 7, count: 9000))
            #expect(eventually { gate.counts.unknown > 0 })
            let server = accept(listener, nil, nil)
            defer { for descriptor in [listener, client, server] { close(descriptor) } }
            let tcp = try ReadOut.run(socket: server)
            let slot = try #require(gate.add(tcp))
            #expect(gate.acknowledge(slot, upTo: tcp.received &+ 4000))
            #expect(gate.sendAcknowledgement(slot))
            #expect(eventually(seconds: 0.1) { unacknowledged(client) == 5000 })
        }

        /// What was said of a connection that is over, all of which may leave, is not said of the next between the same ports.
        @Test func aPortIsUsedAgain() throws {
            let machines = try Machines()
            let gate = try machines.primary.gate()
            gate.setMode(.guard)
            let listener = try machines.primary.listener(Machines.shared, port: 7000)
            for _ in 0..<2 {
                let before = gate.counts.unknown
                let client = try machines.client.connection(to: Machines.shared, port: 7000, from: 40_000)
                writeBytes(client, [UInt8](repeating: 7, count: 3000))
                #expect(eventually { gate.counts.unknown > before })
                #expect(unacknowledged(client) == 3000)
                let server = accept(listener, nil, nil)
                let tcp = try ReadOut.run(socket: server)
                let slot = try #require(gate.add(tcp))
                gate.acknowledge(slot, upTo: tcp.received &+ 3000)
                gate.sendAcknowledgement(slot)
                #expect(eventually { unacknowledged(client) == 0 })
                gate.remove(slot)
                var reset = linger(l_onoff: 1, l_linger: 0)
                setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, socklen_t(MemoryLayout<linger>.size))
                close(client)
                #expect(isReadable(server, milliseconds: 1000))
                close(server)
            }
            // Nor that a connection was over, when the program has died.
            close(listener)
            #expect(throws: Failure.self) {
                try machines.client.connection(to: Machines.shared, port: 7000, from: 40_000, milliseconds: 300)
            }
            #expect(errno != ECONNREFUSED)
        }

        /// The client has sent something to a machine that dies, and cannot send it again.
        @Test func whatCameInComesInElsewhere() throws {
            let machines = try Machines()
            let (gate, other) = (try machines.primary.gate(), try machines.replica.gate())
            gate.setMode(.guard)
            other.blockEnds(true)
            other.collect(seconds: 600)
            gate.mirror(to: [try #require(other.station)])
            let listener = try machines.primary.listener(Machines.shared, port: 7000)
            let client = try machines.client.connection(to: Machines.shared, port: 7000)
            let server = accept(listener, nil, nil)
            let again = try machines.replica.tcpSocket()
            defer { for descriptor in [listener, client, server, again] { close(descriptor) } }
            let tcp = try ReadOut.run(socket: server)
            let ends = try #require(TCPEnds(tcp))
            // Its SYN is not what the connection lacks.
            #expect(eventually { other.collected()[ends] != nil })
            #expect(other.collected()[ends]?.isOpening == true && other.collected()[ends]?.isMissing(tcp) == false)
            let (first, second) = (Pattern(stream: 1).piece(at: 0, count: 700), Pattern(stream: 1).piece(at: 700, count: 501))
            writeBytes(client, first)
            #expect(eventually { other.collected()[ends]?.isMissing(tcp) == true })
            let slot = try #require(gate.add(tcp, consumed: 700))
            gate.acknowledge(slot, upTo: tcp.received &+ 700)
            gate.sendAcknowledgement(slot)
            #expect(eventually { unacknowledged(client) == 0 })
            writeBytes(client, second)
            #expect(eventually { other.collected()[ends]?.isMissing(tcp, consumed: 700) == true })
            #expect(readBytes(server, 1201).elementsEqual(first + second), "the primary gets it all the same")
            try command("ip", "-n", machines.client.namespace, "link", "set", Machine.device, "down")
            try command("ip", "-n", machines.primary.namespace, "link", "set", Machine.device, "down")
            try command("ip", "-n", machines.replica.namespace, "addr", "add", "\(Machines.shared)/24", "dev", Machine.device)
            _ = try Rebuild.run(socket: again, tcp, consumed: 700, produced: 0, answer: nil, timestamp: tcp.timestamp &+ 1000)
            try Rebuild.release(socket: again)
            let arrival = try #require(other.collected()[ends])
            other.collect(seconds: 0)
            try machines.replica.within { try other.letIn([arrival]) }
            #expect(readBytes(again, 501).elementsEqual(second))
        }

        @Test func mappedAddressesAreGuarded() throws {
            let machines = try Machines()
            let gate = try machines.primary.gate()
            gate.setMode(.guard)
            let listener = try machines.primary.within { socket(AF_INET6, Int32(SOCK_STREAM.rawValue), 0) }
            var place = sockaddr_in6()
            place.sin6_family = sa_family_t(AF_INET6)
            place.sin6_port = UInt16(7000).bigEndian
            let isBound = withUnsafePointer(to: &place) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(listener, $0, socklen_t(MemoryLayout<sockaddr_in6>.size))
                }
            }
            #expect(isBound == 0 && listen(listener, 5) == 0)
            let client = try machines.client.connection(to: Machines.shared, port: 7000)
            let server = accept(listener, nil, nil)
            defer { for descriptor in [listener, client, server] { close(descriptor) } }
            let tcp = try ReadOut.run(socket: server)
            #expect(Int32(tcp.family) == AF_INET6)
            let slot = try #require(gate.add(tcp))
            writeBytes(client, [1, 2])
            #expect(eventually { gate.counts(slot).dropped > 0 })
            #expect(gate.acknowledge(slot, upTo: tcp.received &+ 2))
            gate.sendAcknowledgement(slot)
            #expect(eventually(seconds: 0.1) { unacknowledged(client) == 0 })
        }

        @Test func slotsAreForConnectionsThatAreThere() throws {
            let machines = try Machines()
            let gate = try machines.primary.gate()
            var tcp = castor_tcp()
            tcp.family = UInt8(AF_INET)
            func connection(_ number: Int) -> castor_tcp {
                tcp.peer = (10, 214, UInt8(number >> 14), 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
                tcp.peer_port = UInt16(number & 0x3fff)
                return tcp
            }
            var slots: [EgressGate.Slot] = []
            for number in 0..<16384 { slots.append(try #require(gate.add(connection(number)))) }
            #expect(Set(slots).count == 16384)
            #expect(gate.add(connection(16384)) == nil)
            gate.remove(slots[5])
            #expect(gate.add(connection(16384)) == slots[5])
            #expect(gate.add(connection(16385)) == nil)
            var other = castor_tcp()
            other.family = UInt8(AF_INET6)
            #expect(gate.add(other) == nil)
        }

        @Test func aGateStaysWhenItsOwnerGoes() throws {
            let machines = try Machines()
            func gates() throws -> Int {
                try command(
                    "ip", "netns", "exec", machines.primary.namespace, "tc", "filter", "show", "dev", Machine.device,
                    "egress"
                )
                .split(separator: "\n").count { $0.contains("handle") && $0.contains("castor_gate") }
            }
            var gate: EgressGate? = try machines.primary.gate()
            gate?.setMode(.guard)
            gate?.open(until: 1)
            #expect(throws: TCPFailure.self) { try machines.primary.gate() }
            gate = nil
            #expect(try gates() == 1)
            #expect(!machines.client.reaches(Machines.shared))
            // Its successor does not open what the lease has closed.
            let next = try machines.primary.gate()
            #expect(!machines.client.reaches(Machines.shared))
            #expect(next.counts.late > 0)
            #expect(try gates() == 1)
            next.open(until: .max)
            #expect(machines.client.reaches(Machines.shared))
            // One of another address beside it.
            let other = try machines.primary.within {
                try EgressGate(object: Machine.object, device: Machine.device, address: ipv4("10.214.0.2"))
            }
            #expect(try gates() == 2)
            try machines.primary.within {
                try other.detach()
                try next.detach()
            }
            #expect(try gates() == 0)
        }

        @Test func whatIsMissingIsSaid() throws {
            let machines = try Machines()
            func failure(_ object: String, _ device: String) throws -> String {
                try machines.primary.within {
                    do throws(TCPFailure) {
                        _ = try EgressGate(object: object, device: device, address: ipv4(Machines.shared))
                        return ""
                    } catch { return error.description }
                }
            }
            #expect(try failure(Machine.object, "nowhere0").contains("no network interface nowhere0"))
            #expect(try failure("/nowhere/gate.o", Machine.device).contains("/nowhere/gate.o"))
            #expect(try failure("/bin/true", Machine.device).contains("/bin/true"))
            // Nothing was left by those.
            _ = try machines.primary.gate()
        }
    }
}
