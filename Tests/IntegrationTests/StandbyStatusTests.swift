/// `castor ft status` and the metrics tell how a pair stands: alone, protected, and after a take-over.
import Foundation
import Testing

extension Integration {
    @Suite(.enabled(if: Hosts.areAllowed, "network namespaces need root")) struct StandbyStatusTests {
        let workspace: Workspace

        init() throws { workspace = try Workspace() }

        private func status(_ words: String...) throws -> Outcome {
            try workspace.startCastor(["ft", "status"] + words, environment: Pair.environment(workspace)).wait(timeout: 30)
        }

        /// Reports by role.
        private func reports() throws -> [String: [String: Any]] {
            let outcome = try status("--json")
            let list = try #require(try JSONSerialization.jsonObject(with: outcome.output) as? [[String: Any]], "\(outcome)")
            return Dictionary(list.map { ($0["role"] as? String ?? "?", $0) }) { $1 }
        }

        /// The answer to a request, from the machine itself.
        private func get(_ host: String, _ port: Int, _ request: String) throws -> String {
            let code = """
                import socket, sys
                s = socket.create_connection(("127.0.0.1", \(port)), timeout=10)
                s.sendall(sys.argv[1].encode())
                text = b""
                while True:
                    piece = s.recv(65536)
                    if not piece: break
                    text += piece
                sys.stdout.buffer.write(text)
                """
            let outcome = try Child(Hosts.on(host) + ["python3", "-c", code, request]).wait(timeout: 30)
            workspace.expect(outcome.status == 0, "\(outcome)")
            return outcome.outputText
        }

        private func figures(_ host: String, _ port: Int) throws -> [String: Double] {
            let answer = try get(host, port, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            workspace.expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n"), answer)
            let lines = answer.split(separator: "\n").filter { $0.hasPrefix("castor_ft_") }
            return Dictionary(
                lines.compactMap { line in
                    let words = line.split(separator: " ")
                    return words.last.flatMap { Double($0) }.map { (String(line.dropLast(words.last!.count + 1)), $0) }
                }, uniquingKeysWith: { $1 })
        }

        @Test func nothingRuns() throws {
            let seen = try status()
            #expect(seen.status == 3 && seen.errorText.contains("no primary or replica runs here"), "\(seen)")
            #expect(try status("--json").outputText == "[]\n")
            // A socket that somebody left behind goes away.
            try FileManager.default.createDirectory(
                atPath: workspace("run"), withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            let left = "import socket; socket.socket(socket.AF_UNIX).bind('\(workspace("run/1.sock"))')"
            #expect(try Child(["python3", "-c", left]).wait().status == 0)
            #expect(try status().status == 3)
            #expect(!FileManager.default.fileExists(atPath: workspace("run/1.sock")))
        }

        /// Somebody else's directory is not asked.
        @Test func openDirectory() throws {
            try FileManager.default.createDirectory(
                atPath: workspace("run"), withIntermediateDirectories: true, attributes: [.posixPermissions: 0o777])
            try workspace.write("run/1.sock", Data())
            #expect(try status().status == 3)
            #expect(FileManager.default.fileExists(atPath: workspace("run/1.sock")))
        }

        @Test func pair() throws {
            let pair = try Pair(workspace, primaryOptions: ["--metrics", "9100"], replicaOptions: ["--automatic", "--metrics", "9101"])
            let client = try pair.load()
            _ = try client.line(containing: "500")
            client.send(SIGSTOP)
            let both = try status()
            workspace.expect(both.status == 0, "\(both)")
            workspace.expect(both.outputText.contains("primary: PROTECTED by 1 of 1 replicas"), both.outputText)
            workspace.expect(both.outputText.contains("replica: PROTECTING"), both.outputText)
            let found = try reports()
            let primary = try #require(found["primary"])
            let replica = try #require(found["replica"])
            let peer = try #require((primary["peers"] as? [[String: Any]])?.first)
            workspace.expect(peer["state"] as? String == "protecting" && peer["place"] as? String == "\(Hosts.replicaAddress):7070", "\(peer)")
            let (sent, received, consumed) = (peer["sent"] as? Int ?? 0, peer["received"] as? Int ?? 0, peer["consumed"] as? Int ?? 0)
            workspace.expect(sent >= received && received >= consumed && consumed > 0, "\(peer)")
            workspace.expect((primary["program"] as? [String])?.first?.hasSuffix("/udp_server") ?? false, "\(primary)")
            workspace.expect(primary["tier"] as? String == "unprivileged" && primary["link"] as? String == "plain", "\(primary)")
            let gaps = primary["notGuaranteed"] as? [String] ?? []
            workspace.expect(gaps.first == "without --ip and --dev TCP connections do not survive", "\(gaps)")
            workspace.expect(gaps.contains { $0.hasPrefix("without --lease") } && primary["lease"] is NSNull, "\(primary)")
            workspace.expect((replica["log"] as? [String: Any])?["path"] as? String == pair.log, "\(replica)")
            workspace.expect((primary["epoch"] as? NSNumber) == (replica["epoch"] as? NSNumber), "\(primary) \(replica)")
            workspace.expect(try status("udp_server").status == 0 && status("replica-log").status == 0, "a name is not found")
            workspace.expect(try status("nobody").status == 3, "a name is found that is none")

            var here = try figures(pair.hosts.primary, 9100)
            workspace.expect(here["castor_ft_protected"] == 1 && here["castor_ft_replicas_protecting"] == 1, "\(here)")
            workspace.expect(here["castor_ft_log_bytes"] ?? 0 > 0 && here["castor_ft_failovers_total"] == 0, "\(here)")
            for (request, answer) in [
                ("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 404 "), ("POST /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "),
                ("nonsense\r\n\r\n", "HTTP/1.1 400 "), (String(repeating: "x", count: 20_000), "HTTP/1.1 400 "),
            ] {
                let seen = try get(pair.hosts.primary, 9100, request)
                workspace.expect(seen.hasPrefix(answer), "\(request.prefix(40)): \(seen)")
            }

            client.send(SIGCONT)
            _ = try client.line(containing: "1000")
            client.send(SIGSTOP)
            try pair.hosts.kill(pair.hosts.primary)
            var live: [String: Any]?
            let deadline = Date(timeIntervalSinceNow: 30)
            while live == nil, Date() < deadline { live = try reports()["live"].flatMap { $0["failover"] is [String: Any] ? $0 : nil } }
            let after = try status()
            workspace.expect(after.status == 2 && after.outputText.contains("live since it took over: UNPROTECTED by 0 of 1"), "\(after)")
            let failover = try #require(live?["failover"] as? [String: Any])
            workspace.expect((failover["reason"] as? String)?.isEmpty == false && failover["milliseconds"] as? Int ?? -1 >= 0, "\(failover)")
            here = try figures(pair.hosts.replica, 9101)
            workspace.expect(here["castor_ft_protected"] == 0 && here["castor_ft_failovers_total"] == 1, "\(here)")
            client.send(SIGCONT)
            try pair.expectAllRight(client)
            let left = try status()
            workspace.expect(left.status == 3, "something is left: \(left)")
        }

        /// The lease and TCP connections: what goes over, and who says who is live.
        @Test func leaseAndGate() throws {
            let hosts = try Hosts(hasStore: true)
            let store = try LeaseStore(hosts, workspace)
            let common = ["--insecure", "--silence", "1000", "--lease", store.address, "--ip", "\(Hosts.service)/24", "--dev"]
            let replica = try workspace.startCastor(
                ["ft", "replica", "--listen", "\(Hosts.replicaAddress):7070", "-o", workspace("replica-log")] + common + [Hosts.replicaDevice],
                environment: Pair.environment(workspace), wrapper: Hosts.on(hosts.replica))
            let primary = try workspace.startCastor(
                ["ft", "primary", "--replica", "\(Hosts.replicaAddress):7070", "-o", workspace("primary-log")] + common
                    + [Hosts.primaryDevice, "--", "sleep", "600"],
                environment: Pair.environment(workspace), wrapper: Hosts.on(hosts.primary))
            _ = try primary.line(containing: "protected by 1 of 1", inErrors: true)
            // The replica finds out by the next heartbeat, and whether it has a gate when it has a program.
            var seen = try status()
            for _ in 0..<100 where seen.status != 0 || seen.outputText.contains("not: ") {
                usleep(50_000)
                seen = try status()
            }
            let text = seen.outputText
            workspace.expect(seen.status == 0 && text.contains("Lease      \(store.address), held\n"), text)
            workspace.expect(text.contains("Lease      \(store.address)\n") && !text.contains("not: "), text)
            var found = try reports()
            for report in [try #require(found["primary"]), try #require(found["replica"])] {
                workspace.expect(report["tier"] as? String == "privileged", "\(report)")
                workspace.expect((report["lease"] as? [String: Any])?["store"] as? String == store.address, "\(report)")
            }
            let epoch = try #require(found["primary"]?["epoch"] as? Int)
            try hosts.kill(hosts.primary)
            _ = try replica.line(containing: "live in epoch", inErrors: true)
            usleep(500_000)
            found = try reports()
            let live = try #require(found["live"])
            workspace.expect((live["lease"] as? [String: Any])?["held"] as? Bool == true, "\(live)")
            workspace.expect(live["epoch"] as? Int ?? 0 > epoch && live["tier"] as? String == "privileged", "\(live)")
        }

        /// A primary that waits for its store is shown, can be given up, and leaves nothing.
        @Test func waitsForItsLease() throws {
            let primary = try workspace.startCastor(
                [
                    "ft", "primary", "--replica", "127.0.0.1:7070", "--lease", "etcd://127.0.0.1:9/x", "-o", workspace("log"), "--", "true",
                ], environment: Pair.environment(workspace))
            _ = try primary.line(containing: "the lease store: ", inErrors: true)
            let seen = try status()
            #expect(seen.status == 2 && seen.outputText.contains("primary: UNPROTECTED by 0 of 1"), "\(seen)")
            #expect(seen.outputText.contains("Lease      etcd://127.0.0.1:9/x, not confirmed\n"), "\(seen)")
            #expect(seen.outputText.contains("Waits      the lease is not to be had yet"), "\(seen)")
            primary.send(SIGINT)
            #expect(try primary.wait(timeout: 20).status == 130)
            #expect(try FileManager.default.contentsOfDirectory(atPath: workspace("run")).isEmpty)
        }

        /// A primary that nobody follows.
        @Test func alone() throws {
            let primary = try workspace.startCastor(
                ["ft", "primary", "--replica", "127.0.0.1:\(try Network.freePort())", "-o", workspace("log"), "--", "sh", "-c",
                    "echo ready; sleep 30"],
                environment: Pair.environment(workspace))
            _ = try primary.line(containing: "ready")
            let seen = try status()
            #expect(seen.status == 2 && seen.outputText.contains("UNPROTECTED by 0 of 1 replicas"), "\(seen)")
            #expect(seen.outputText.contains(": not connected"), "\(seen)")
            primary.kill()
        }

        @Test func errors() throws {
            let outcome = try workspace.castor("ft", "replica", "--listen", "127.0.0.1:7070", "--metrics", "70000")
            #expect(outcome.status == 64 && outcome.errorText.contains("from 1 to 65535"), "\(outcome)")
            let taken = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            defer { close(taken) }
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            var size = socklen_t(MemoryLayout<sockaddr_in>.size)
            let port = withUnsafeMutableBytes(of: &address) { bytes -> UInt16 in
                let pointer = bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self)
                guard bind(taken, pointer, size) == 0, listen(taken, 1) == 0, getsockname(taken, pointer, &size) == 0 else { return 0 }
                return UInt16(bigEndian: UnsafeRawPointer(pointer).loadUnaligned(fromByteOffset: 2, as: UInt16.self))
            }
            let inUse = try workspace.castor(
                "ft", "primary", "--replica", "127.0.0.1:7070", "--metrics", "\(port)", "-o", workspace("log"), "--", "true")
            #expect(inUse.status == 1 && inUse.errorText.contains("port \(port): Address already in use"), "\(inUse)")
        }
    }
}
