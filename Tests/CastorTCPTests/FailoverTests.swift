import CTSXShim
import Foundation
import Testing

@testable import CastorTCP

extension KernelTests {
    /// The server is killed in the middle of what it does; another machine goes on with its connections, and its
    /// clients see every byte.
    @Suite(.serialized) struct FailoverTests {
        @Test(arguments: [0.0, 60])
        func connectionsOutliveTheirServer(lag: Double) throws {
            let count = 50
            let machines = try Machines()
            let gate = try machines.primary.gate()
            gate.setMode(.guard)
            let replica = try ReplicaServer(machines.replica)
            let sockets = try replica.placeholders(count)
            let primary = try PrimaryServer(machines.primary, gate: gate, lag: lag)
            let clients = Clients(count)
            for number in 0..<count {
                clients.start(number, try machines.client.connection(to: Machines.shared, port: 7000))
            }
            #expect(eventually { clients.progress.allSatisfy { $0 > 0 } })
            usleep(500_000)

            let known = primary.die()
            // Whatever its kernel would still like to say.
            gate.open(until: 1)
            #expect(known.count == count)
            try replica.takeOver(known, sockets)
            #expect(replica.answered == count)
            #expect(lag == 0 || replica.ahead > 0)
            let before = clients.progress
            let hasGoneOn = eventually {
                zip(before, clients.progress).enumerated().allSatisfy { number, bytes in
                    Work(number) == .idle || bytes.1 > bytes.0
                }
            }
            #expect(hasGoneOn, "\(zip(before, clients.progress).map { "\($0)-\($1)" })")
            #expect(clients.end() == [])
            #expect(replica.problems == [])
            print(
                "failover of \(count): \(replica.probing) ms to probe, \(replica.rebuilding) ms to rebuild, \(replica.ahead) clients ahead"
            )
        }
    }
}
