/// The link between primary and replica by TLS: who is let in, what is said to the others, and what somebody sees who listens.
import Foundation
import Testing

extension Integration {
    @Suite(.enabled(if: Hosts.areAllowed, "network namespaces need root")) struct StandbyLinkTests {
        let workspace: Workspace
        let certificates: Certificates

        init() throws {
            workspace = try Workspace()
            certificates = try Certificates(workspace)
            try certificates.sign("primary", for: "DNS:primary")
            try certificates.sign("replica", for: "IP:\(Hosts.replicaAddress),DNS:replica")
        }

        private var link: (primary: [String], replica: [String]) { (certificates.options("primary"), certificates.options("replica")) }

        /// What crosses the replica's device, into a file.
        private func capture(_ pair: Pair) throws -> Child {
            let child = try Child(
                Hosts.on(pair.hosts.replica) + ["tcpdump", "--immediate-mode", "-U", "-i", Hosts.replicaDevice, "-w", workspace("capture"), "tcp", "port", "7070"])
            _ = try child.line(containing: "listening on", inErrors: true)
            return child
        }

        private var captured: Data { FileManager.default.contents(atPath: workspace("capture")) ?? Data() }

        /// A request that the log has, and nobody else.
        @Test(arguments: [true, false]) func logIsSealed(isSealed: Bool) throws {
            let pair = try Pair(workspace, link: isSealed ? link : (["--insecure"], ["--insecure"]))
            let dump = try capture(pair)
            let secret = "r1 4711 the-secret-of-this-test"
            let client = try Child(
                Hosts.on(pair.hosts.client) + [
                    "python3", "-c",
                    "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.settimeout(20); s.sendto(b'\(secret)', ('\(Hosts.service)', 9000)); "
                        + "print(s.recv(99).decode()); s.sendto(b'r2 quit', ('\(Hosts.service)', 9000))",
                ]
            ).wait(timeout: 60)
            workspace.expect(client.outputText == "r1 1 4711\n", "\(client)")
            _ = try pair.primary.wait(timeout: 60)
            _ = try pair.replica.wait(timeout: 60)
            dump.send(SIGTERM)
            _ = try dump.wait(timeout: 30)
            workspace.expect(captured.count > 1000, "nothing was captured")
            // Without TLS it is found: so this test would see it.
            let isFound = captured.range(of: Data("the-secret-of-this-test".utf8)) != nil
            workspace.expect(isFound != isSealed, isSealed ? "the request crosses the network readably" : "the request was not captured")
            let hasFrames = captured.range(of: Data("CSFT".utf8)) != nil
            workspace.expect(hasFrames != isSealed, "frames are \(hasFrames ? "" : "not ")readable")
        }

        @Test func primaryKilled() throws {
            let pair = try Pair(workspace, link: link)
            let client = try pair.load()
            _ = try client.line(containing: "1000")
            try pair.hosts.kill(pair.hosts.primary)
            try pair.expectAllRight(client)
        }

        /// Who is not let in learns nothing, and both sides say why.
        private func expectRefused(
            _ link: (primary: [String], replica: [String]), primary: String, replica: String, location: SourceLocation = #_sourceLocation
        ) throws {
            let pair = try Pair(workspace, link: link, isToJoin: false)
            let dump = try capture(pair)
            _ = try pair.primary.line(containing: primary, inErrors: true)
            _ = try pair.replica.line(containing: replica, inErrors: true)
            workspace.expect(!FileManager.default.fileExists(atPath: workspace("replica-log/manifest.json")), "a log has come", location)
            // The primary may have called before the capture began; it calls again every second.
            for _ in 0..<200 where captured.count <= 300 { usleep(50_000) }
            dump.send(SIGTERM)
            _ = try dump.wait(timeout: 30)
            workspace.expect(captured.count > 300, "nothing was captured", location)
            workspace.expect(captured.range(of: Data("udp_server".utf8)) == nil, "the program's name was seen", location)
        }

        @Test func strangerCalls() throws {
            // It believes everybody, so that it is the replica that finds it out.
            try certificates.sign("stranger", for: "DNS:primary", by: "other-ca")
            try workspace.write("all.pem", try ["ca", "other-ca"].map { try Data(contentsOf: URL(fileURLWithPath: certificates.file($0))) }.reduce(Data(), +))
            try expectRefused(
                (certificates.options("stranger", authority: "all"), link.replica),
                primary: "the other side refuses this side's certificate", replica: "was not signed by the authority of --tls-ca")
        }

        @Test func strangerListens() throws {
            try certificates.sign("stranger", for: "IP:\(Hosts.replicaAddress)", by: "other-ca")
            try expectRefused(
                (link.primary, certificates.options("stranger", authority: "other-ca")),
                primary: "was not signed by the authority of --tls-ca", replica: "the other side refuses this side's certificate")
        }

        @Test func otherName() throws {
            try expectRefused(
                (link.primary, certificates.options("primary")),
                primary: "certificate is for another name", replica: "refuses this side's certificate")
        }

        @Test func otherNameOfThePrimary() throws {
            try expectRefused(
                (link.primary, link.replica + ["--tls-name", "somebody"]),
                primary: "refuses this side's certificate", replica: "certificate is for another name")
        }

        /// A name instead of the host, on both sides.
        @Test func names() throws {
            let pair = try Pair(
                workspace, link: (link.primary + ["--tls-name", "replica"], link.replica + ["--tls-name", "primary"]))
            workspace.expect(try pair.load().wait(timeout: 120).status == 0, "the client failed")
        }

        @Test func plainPrimary() throws {
            try expectRefused((["--insecure"], link.replica), primary: "perhaps", replica: "perhaps it does not speak TLS")
        }

        @Test func plainReplica() throws {
            try expectRefused(
                (link.primary, ["--insecure"]), primary: "the other side does not speak TLS", replica: "speaks TLS, this one does not")
        }

        /// Somebody who calls and says nothing keeps nobody waiting.
        @Test func silentCaller() throws {
            let pair = try Pair(workspace, link: link)
            let caller = try Child(
                Hosts.on(pair.hosts.client) + [
                    "python3", "-c",
                    "import socket, time; s = [socket.create_connection(('\(Hosts.replicaAddress)', 7070)) for i in range(5)]; "
                        + "print('there', flush=True); time.sleep(60)",
                ])
            _ = try caller.line(containing: "there")
            let client = try pair.load()
            _ = try client.line(containing: "1000")
            try pair.hosts.kill(pair.hosts.primary)
            try pair.expectAllRight(client)
        }

        @Test func errors() throws {
            try certificates.sign("expired", for: "DNS:primary", days: -1)
            try certificates.sign("stranger", for: "DNS:primary", by: "other-ca")
            func expect(_ options: [String], _ status: Int32, _ text: String) throws {
                for words in [["primary", "--replica", "10.0.0.1:7070"], ["replica", "--listen", "127.0.0.1:7070"]] {
                    let program = words[0] == "primary" ? ["true"] : []
                    let log = workspace("log-\(UInt32.random(in: 0...UInt32.max))")
                    let outcome = try workspace.castor(["ft"] + words + ["-o", log] + options + program)
                    workspace.expect(outcome.status == status && outcome.errorText.contains(text), "\(options): \(outcome)")
                }
            }
            let good = link.primary
            try expect(good + ["--insecure"], 64, "--insecure and --tls-cert contradict each other")
            try expect(Array(good[..<4]), 64, "--tls-cert, --tls-key and --tls-ca belong together")
            try expect(["--tls-name", "x"], 64, "belong together")
            try expect(certificates.options("nobody"), 1, "nobody.pem: No such file or directory")
            try expect(good[..<2] + ["--tls-key", certificates.key("replica")] + good[4...], 1, "replica.key is not the key of")
            try expect(["--tls-cert", certificates.key("primary")] + good[2...], 1, "no certificate in PEM form")
            try expect(good[..<2] + ["--tls-key", certificates.file("primary")] + good[4...], 1, "no key in PEM form")
            try expect(certificates.options("expired"), 1, "the certificate has expired")
            try expect(certificates.options("stranger"), 1, "was not signed by the authority of --tls-ca")
        }
    }
}
