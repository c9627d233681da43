/// `castor ft primary --files`: replicas get the program's files as they were at its start, and go on with copies of their own.
import Foundation
import Testing

extension Integration {
    @Suite(.enabled(if: Hosts.areAllowed, "network namespaces need root")) struct StandbyFilesTests {
        let workspace: Workspace
        init() throws { workspace = try Workspace() }

        /// What the program had before it started, and what both have written since, is in the replica's copy, and only there.
        @Test(arguments: [false, true])
        func primaryKilled(primaryFirst: Bool) throws {
            let pair = try Pair(workspace, primaryFirst: primaryFirst, ships: true)
            let client = try pair.load()
            _ = try client.line(containing: "1500")
            try pair.hosts.kill(pair.hosts.primary)
            try pair.expectAllRight(client)
            let primarys = try #require(FileManager.default.contents(atPath: workspace("files/counted")))
            #expect(String(decoding: primarys, as: UTF8.self).split(separator: "\n").count < 3000)
        }

        /// A replica that starts over has its files as at the start again; nobody has to restore them.
        @Test func startsOver() throws {
            let pair = try Pair(workspace, ships: true)
            let client = try pair.load()
            _ = try client.line(containing: "500")
            client.send(SIGSTOP)
            let tree = [pair.replica.pid] + ProcessTree.descendants(of: pair.replica.pid)
            let server = try #require(tree.first { ProcessTree.executable($0).hasSuffix("/udp_server") })
            Glibc.kill(server, SIGKILL)
            _ = try pair.replica.line(containing: "this replica starts over in 1 s", inErrors: true)
            try pair.awaitProtection()
            client.send(SIGCONT)
            _ = try client.line(containing: "2000")
            try pair.hosts.kill(pair.hosts.primary)
            try pair.expectAllRight(client)
        }

        /// The replica waits for another primary, and keeps nothing of the first one's files.
        @Test func primaryDiesWhileItSends() throws {
            try workspace.makeDirectory("files")
            try workspace.write("files/large", Data("first\n".utf8) + Data(count: 20_000_000))
            let hosts = try Hosts()
            try hosts.slowDown(.replica, bitsPerSecond: 100_000_000)
            let common = ["--insecure", "--silence", "2000"]
            let replica = try workspace.startCastor(
                ["ft", "replica", "--listen", "\(Hosts.replicaAddress):7070", "-o", workspace("replica-log")] + common,
                wrapper: Hosts.on(hosts.replica))
            func startPrimary(_ log: String) throws -> Child {
                try workspace.startCastor(
                    ["ft", "primary", "--replica", "\(Hosts.replicaAddress):7070", "--files", workspace("files"), "-o", workspace(log)] + common
                        + ["--", "sh", "-c", "read line; read text <'\(workspace("files/large"))'; echo $text"], input: .pipe, wrapper: Hosts.on(hosts.primary))
            }
            let first = try startPrimary("first-log")
            let deadline = Date(timeIntervalSinceNow: 60)
            func hasCome(_ size: Int) -> Bool {
                let attributes = try? FileManager.default.attributesOfItem(atPath: workspace("replica-log/files.tar"))
                return attributes?[.size] as? Int ?? 0 >= size
            }
            while !hasCome(2 << 20), Date() < deadline { usleep(5000) }
            #expect(first.isAlive && !hasCome(20_000_000))
            try hosts.kill(hosts.primary)
            _ = try first.wait()
            try workspace.write("files/large", Data("second\n".utf8) + Data(count: 1_000_000))
            let second = try startPrimary("second-log")
            _ = try second.line(containing: "protected by 1 of 1", inErrors: true)
            second.closeInput()
            for (name, child) in [("primary", second), ("replica", replica)] {
                let ended = try child.wait()
                workspace.expect(ended.status == 0 && ended.outputText == "second\n", "the \(name): \(ended)")
            }
        }

        /// redis with a database of before, all of whose keys it reads at its start, and a file to which it appends.
        @Test(arguments: Death.allCases)
        func redis(_ death: Death) throws {
            let port = try Network.freePort()
            try workspace.makeDirectory("database")
            let words = ["--save", "", "--appendonly", "yes", "--protected-mode", "no", "--dir", workspace("database"), "--enable-debug-command", "yes"]
            func alone(_ body: (_ ask: ([String], String) throws -> String) throws -> Void) throws {
                let server = try Child(["redis-server", "--port", "\(port)"] + words)
                try Network.awaitListener(port, of: server)
                try body { words, input in
                    try Child(["redis-cli", "-p", "\(port)"] + words, input: .bytes(Array(input.utf8))).wait().outputText
                }
                server.send(SIGTERM)
                _ = try server.wait()
            }
            try alone { ask in _ = try ask([], (1...500).map { "SET old:\($0) \($0 * $0)\n" }.joined()) }

            let service = try ProtectedService(
                workspace, ["redis-server", "--bind", Hosts.service, "--port", "\(ProtectedService.port)"] + words,
                files: workspace("database"))
            let client = try service.load("redis", connections: 20, answers: 6000)
            _ = try client.line(containing: "3000")
            try service.dies(death)
            try service.expectAllRight(client)
            func replicas(_ command: String...) throws -> String {
                let words = ["redis-cli", "-h", Hosts.service, "-p", "\(ProtectedService.port)"]
                return try Child(Hosts.on(service.hosts.client) + words + command).wait().outputText
            }
            #expect(try replicas("GET", "old:400") == "160000\n")
            let digest = try replicas("DEBUG", "DIGEST")
            let keys = try replicas("DBSIZE")
            service.replica.send(SIGTERM)
            _ = try service.replica.wait()

            // Whoever starts again from the replica's copy has everything.
            try FileManager.default.removeItem(atPath: workspace("database"))
            try FileManager.default.copyItem(
                atPath: workspace("replica-log/files\(workspace("database"))"), toPath: workspace("database"))
            try alone { ask in
                while try ask(["PING"], "").hasPrefix("LOADING") { usleep(10_000) }
                let again = (try ask(["DBSIZE"], ""), try ask(["DEBUG", "DIGEST"], ""))
                #expect(again == (keys, digest))
            }
        }

        /// Without rights, in a user namespace: both sides write, each to files of its own. The copy belongs to the log and goes with it.
        @Test func ordinaryUser() throws {
            try workspace.makeDirectory("files/inner")
            let program = try workspace.write(
                "work.py",
                Data(
                    """
                    import os, sys
                    os.chdir(sys.argv[1])
                    for name in sorted(os.listdir("inner")):
                        with open("inner/" + name, "r+") as file:
                            text = file.read()
                            file.write(text.upper())
                            print(name, text, flush=True)
                        os.rename("inner/" + name, name)
                    sys.stdin.readline()
                    print(sorted(os.listdir(".")))

                    """.utf8))
            for name in ["a", "b"] { try workspace.write("files/inner/\(name)", Data("text of \(name)".utf8)) }
            _ = try Child(["chown", "-R", "nobody:nogroup", workspace.path]).wait()
            chmod(workspace.path, 0o755)
            let hosts = try Hosts()
            let user = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]
            let home: [String: String?] = ["HOME": workspace.path, "CASTOR_RUNTIME_DIR": workspace("run")]
            let replica = try workspace.startCastor(
                ["ft", "replica", "--listen", "\(Hosts.replicaAddress):7070", "--silence", "2000", "--insecure", "-o", workspace("replica-log")],
                environment: home, wrapper: Hosts.on(hosts.replica) + user)
            let primary = try workspace.startCastor(
                ["ft", "primary", "--replica", "\(Hosts.replicaAddress):7070", "--silence", "2000", "--insecure", "-o", workspace("primary-log"),
                    "--files", workspace("files"), "--files", workspace("files/inner"), "--", "python3", program, workspace("files")],
                input: .pipe, environment: home, wrapper: Hosts.on(hosts.primary) + user)
            for child in [primary, replica] { _ = try child.line(containing: "without CAP_SYS_NICE the link waits its turn", inErrors: true) }
            _ = try primary.line(containing: "protected by 1 of 1", inErrors: true)
            _ = try replica.line(containing: "(\(workspace("files"))) are in \(workspace("replica-log"))/files", inErrors: true)
            primary.closeInput()
            let seen = try primary.wait(), followed = try replica.wait()
            let text = "a text of a\nb text of b\n['a', 'b', 'inner']\n"
            workspace.expect(seen.status == 0 && seen.outputText == text, "the primary: \(seen)")
            workspace.expect(followed.status == 0 && followed.outputText == text, "the replica: \(followed)")
            for name in ["files/b", "replica-log/files\(workspace("files/b"))"] {
                let contents = FileManager.default.contents(atPath: workspace(name))
                #expect(contents == Data("text of bTEXT OF B".utf8), "\(name)")
            }
            let removed = try workspace.castor("rm", workspace("replica-log"))
            workspace.expect(removed.status == 0 && !FileManager.default.fileExists(atPath: workspace("replica-log")), "\(removed)")
        }

        /// An archive that somebody has cut is not sent, which is said; whole again, it is.
        @Test func archiveCut() throws {
            try workspace.makeDirectory("files")
            try workspace.write("files/large", Data((0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 * $0 >> 8) }))
            let hosts = try Hosts()
            let common = ["--insecure", "--silence", "2000"]
            let primary = try workspace.startCastor(
                ["ft", "primary", "--replica", "\(Hosts.replicaAddress):7070", "--files", workspace("files"), "-o", workspace("log")] + common
                    + ["--", "sh", "-c", "echo ready; read line; wc -c <'\(workspace("files/large"))'"], input: .pipe, wrapper: Hosts.on(hosts.primary))
            _ = try primary.line(containing: "ready")
            let whole = try #require(FileManager.default.contents(atPath: workspace("log/files.tar")))
            #expect(truncate(workspace("log/files.tar"), 600_000) == 0)
            let replica = try workspace.startCastor(
                ["ft", "replica", "--listen", "\(Hosts.replicaAddress):7070", "-o", workspace("replica-log")] + common,
                wrapper: Hosts.on(hosts.replica))
            _ = try primary.line(containing: "of the \(whole.count) bytes of files.tar in the log only 600000 can be read", inErrors: true)
            let archive = try #require(FileHandle(forWritingAtPath: workspace("log/files.tar")))
            try archive.write(contentsOf: whole)
            try archive.close()
            _ = try primary.line(containing: "protected by 1 of 1", inErrors: true)
            primary.closeInput()
            for (name, child) in [("primary", primary), ("replica", replica)] {
                let ended = try child.wait()
                workspace.expect(ended.status == 0 && ended.outputText == "ready\n1000000\n", "the \(name): \(ended)")
            }
        }

        @Test func errors() throws {
            try workspace.makeDirectory("files")
            try workspace.write("plain", Data())
            func expect(_ words: [String], _ status: Int32, _ text: String) throws {
                let outcome = try workspace.castor(["ft", "primary", "--replica", "127.0.0.1:1"] + words + ["--", "true"])
                workspace.expect(outcome.status == status && outcome.errorText.contains(text), "\(words): \(outcome)")
            }
            try expect(["--files", workspace("missing")], 1, "missing: No such file or directory")
            try expect(["--files", workspace("plain")], 64, "plain: not a directory")
            try expect(["--files", "/"], 64, "--files /: not such a directory")
            try expect(["--files", workspace.path, "-o", workspace("files/log")], 64, "lies inside of")
            #expect(!FileManager.default.fileExists(atPath: workspace("files/log")))
        }
    }
}
