/// `castor ft` beyond the first take-over: the survivor is protected again, and dies in its turn; of two replicas one takes over.
import Foundation
import Testing

extension Integration {
    @Suite(.enabled(if: Hosts.areAllowed, "network namespaces need root")) struct SuccessionTests {
        /// The primary dies, its replica takes over and gets a replica of its own, and dies, too: no client notices more than two pauses.
        @Test(arguments: [false, true]) func twoFailovers(hasLease: Bool) throws {
            for _ in 0..<Series.count(soak: 20, reduced: 1) {
                let workspace = try Workspace()
                let trio = try Trio(workspace, hasLease: hasLease)
                let second = try trio.startReplica(on: .second, calling: [.third])
                let first = try trio.startPrimary(calling: [.second], program: trio.redis)
                _ = try first.line(containing: "protected by 1 of 1", inErrors: true)
                try trio.hosts.awaitListener(port: Trio.port)
                let client = try trio.load(answers: 40_000)
                _ = try client.line(containing: "2000")
                try trio.kill(.first)
                _ = try second.line(containing: "live in epoch", inErrors: true)
                _ = try client.line(containing: "4000")
                let third = try trio.startReplica(on: .third)
                try trio.awaitProtection()
                _ = try second.line(containing: "protected by 1 of 1", inErrors: true)
                try trio.kill(.second)
                _ = try third.line(containing: "live in epoch", inErrors: true)
                let seen = try client.wait(timeout: 120)
                workspace.expect(seen.status == 0, "the client: \(seen.errorText) \(seen.outputText.suffix(200))")
                workspace.expect(third.isAlive, "the third node has ended")
                if workspace.isKept { break }
            }
        }

        /// Two replicas, of which outputs wait for one or for both: one takes over, and the other one follows it, and takes over in its turn.
        @Test(arguments: [(1, false), (1, true), (2, true)])
        func twoReplicas(waitedFor: Int, hasLease: Bool) throws {
            for _ in 0..<Series.count(soak: 20, reduced: 1) {
                let workspace = try Workspace()
                let trio = try Trio(workspace, hasLease: hasLease, options: ["--ack", "\(waitedFor)"])
                let replicas: [Trio.Machine: Child] = [
                    .second: try trio.startReplica(on: .second, calling: [.third]), .third: try trio.startReplica(on: .third, calling: [.second]),
                ]
                let first = try trio.startPrimary(calling: [.second, .third], program: trio.redis)
                _ = try first.line(containing: "protected by \(waitedFor) of \(waitedFor)", inErrors: true)
                for replica in replicas.values { _ = try replica.line(containing: "following the primary", inErrors: true) }
                try trio.hosts.awaitListener(port: Trio.port)
                let client = try trio.load(answers: 40_000)
                _ = try client.line(containing: "2000")
                try trio.kill(.first)
                let survivor = try trio.awaitProtection()
                let last = try #require(replicas[survivor == .second ? .third : .second])
                workspace.expect(last.isAlive, "the other replica has ended")
                _ = try client.line(containing: "6000")
                try trio.kill(survivor)
                _ = try last.line(containing: "live in epoch", inErrors: true)
                let seen = try client.wait(timeout: 120)
                workspace.expect(seen.status == 0, "the client: \(seen.errorText) \(seen.outputText.suffix(200))")
                workspace.expect(last.isAlive, "the last node has ended")
                if workspace.isKept { break }
            }
        }

        /// The survivor was not told of the other one, which says what it waits for.
        @Test(arguments: [false, true]) func leftAlone(hasLease: Bool) throws {
            let workspace = try Workspace()
            let trio = try Trio(workspace, hasLease: hasLease)
            let replicas = [try trio.startReplica(on: .second), try trio.startReplica(on: .third)]
            let first = try trio.startPrimary(calling: [.second, .third], program: trio.redis)
            _ = try first.line(containing: "protected by 1 of 1", inErrors: true)
            try trio.hosts.awaitListener(port: Trio.port)
            for replica in replicas { _ = try replica.line(containing: "following the primary", inErrors: true) }
            let seen = try trio.load(answers: 2000).wait(timeout: 60)
            workspace.expect(seen.status == 0, "the client: \(seen.errorText)")
            try trio.kill(.first)
            let reason = hasLease ? "does not list this replica: others went on without it" : "outputs did not wait for this replica"
            let deadline = Date(timeIntervalSinceNow: 60)
            while !replicas.contains(where: { $0.hasSaid("live in epoch") }), Date() < deadline { usleep(20_000) }
            let other = try #require(replicas.first { !$0.hasSaid("live in epoch") })
            _ = try other.line(containing: reason, inErrors: true)
            usleep(500_000)
            workspace.expect(other.isAlive && !other.hasSaid("live in epoch"), "both are live")
        }

        /// Whoever listens where a replica is to find one of its own hears nothing before the take-over.
        @Test func callsNobodyBefore() throws {
            let workspace = try Workspace()
            let trio = try Trio(workspace, hasLease: false)
            let code = "import socket; s = socket.create_server(('\(Hosts.spareAddress)', 7070)); print('listens', flush=True); s.accept()"
            let listener = try Child(Hosts.on(trio.host(.third)) + ["python3", "-c", code])
            _ = try listener.line(containing: "listens")
            let second = try trio.startReplica(on: .second, calling: [.third])
            let first = try trio.startPrimary(calling: [.second], program: trio.redis)
            _ = try first.line(containing: "protected by 1 of 1", inErrors: true)
            try trio.hosts.awaitListener(port: Trio.port)
            let seen = try trio.load(answers: 2000).wait(timeout: 60)
            workspace.expect(seen.status == 0, "the client: \(seen.errorText)")
            workspace.expect(listener.isAlive, "the replica has called before it took over")
            try trio.kill(.first)
            _ = try second.line(containing: "live in epoch", inErrors: true)
            workspace.expect(listener.hasEnded(within: 30), "the node that has taken over calls nobody")
        }
    }
}
