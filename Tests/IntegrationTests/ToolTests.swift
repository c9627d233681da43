/// Programs that everybody has: an interpreter, a database, a client of the network.
import Foundation
import Testing

extension Integration {
    @Suite struct ToolTests {
        private static let python = "/usr/bin/python3"

        @Test func pythonMixture() throws {
            let workspace = try Workspace()
            var random = Random("python")
            let data = try workspace.write("data", random.bytes(30_000))
            let words = [Self.python, Repository.guestSource("python_mix.py"), data, "4", "200"]
            let recording = try Recording.make(words, in: workspace)
            workspace.expect(recording.outcome.status == 0, recording.outcome.errorText)
            try workspace.remove("data")
            recording.expectSame()
        }

        @Test(arguments: [
            "import random; print([random.random() for _ in range(5)], random.getrandbits(200))",
            "import time; print(time.time_ns(), time.perf_counter(), time.localtime(), time.process_time())",
            "import uuid; print(uuid.uuid1(), uuid.uuid4())",
            "print(dict.fromkeys({'a', 'b', 'c', 'd', 'e', 'f'}), hash('castor'), id(object()))",
            "import os, secrets; print(os.getpid(), secrets.token_hex(), os.times(), os.getloadavg())",
            "import sys; print(sys.stdin.read().upper()); sys.exit(3)",
        ])
        func pythonLine(_ code: String) throws {
            let workspace = try Workspace()
            let recording = try Recording.make(
                [Self.python, "-c", code], in: workspace, input: .bytes(Array("typed by hand\n".utf8)))
            workspace.expect(
                recording.outcome.status == (code.contains("exit(3)") ? 3 : 0), recording.outcome.errorText)
            recording.expectSame()
        }

        @Test func databaseIsWritten() throws {
            let workspace = try Workspace()
            let recording = try Recording.make(
                ["sqlite3", "work.db"], in: workspace, input: .file(Repository.guestSource("sqlite_work.sql")))
            workspace.expect(recording.outcome.status == 0, recording.outcome.errorText)
            workspace.expect(recording.outcome.outputText.contains("busiest"), "the database did not do its work")
            try workspace.remove("work.db")
            recording.expectSame()
            workspace.expect(
                !FileManager.default.fileExists(atPath: workspace("work.db")), "the replay made the database again")
        }

        @Test func databaseIsRead() throws {
            let workspace = try Workspace()
            let made = try Child(
                ["sqlite3", "work.db"], input: .file(Repository.guestSource("sqlite_work.sql")),
                directory: workspace.path
            ).wait()
            workspace.expect(made.status == 0, made.errorText)
            let query =
                "SELECT owner, balance FROM account ORDER BY balance DESC, id LIMIT 20; SELECT random(), count(*) "
                + "FROM transfer JOIN account ON account.id = source WHERE balance > 50000;"
            let recording = try Recording.make(["sqlite3", "work.db", query], in: workspace)
            workspace.expect(recording.outcome.outputText.split(separator: "\n").count == 21, "\(recording.outcome)")
            try workspace.remove("work.db")
            recording.expectSame()
        }

        @Test func downloadWithoutItsServer() throws {
            let workspace = try Workspace()
            var random = Random("download")
            let page = random.bytes(300_000)
            try workspace.makeDirectory("pages")
            try workspace.write("pages/page", page)
            let server = try Child(
                [Self.python, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", workspace("pages")])
            let greeting = try server.line(containing: "Serving HTTP on").split(separator: " ")
            let port = try #require(greeting.firstIndex(of: "port").map { greeting[$0 + 1] })
            let recording = try Recording.make(["curl", "-sS", "-i", "http://127.0.0.1:\(port)/page"], in: workspace)
            server.send(SIGTERM)
            _ = try server.wait()
            workspace.expect(recording.outcome.status == 0, recording.outcome.errorText)
            workspace.expect(recording.outcome.output.suffix(page.count) == page, "curl did not print the page")
            recording.expectSame()
        }
    }
}
