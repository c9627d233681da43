/// Web servers as Debian ships them, recorded under load to their orderly end and replayed without clients and files.
import Foundation
import Testing

extension Integration {
    @Suite struct WebServerTests {
        private static let load = Series.isSoak ? "20s" : "1s"
        private static let requests = "\(Series.count(soak: 50_000, reduced: 3000))"

        /// A page, a larger file, and a directory that a server's own user may look into.
        private func makePages(in workspace: Workspace) throws -> String {
            var random = Random("pages")
            try workspace.makeDirectory("www")
            try workspace.write("www/index.html", Data("hello\n".utf8))
            try workspace.write("www/large", random.bytes(300_000))
            chmod(workspace.path, 0o755)
            return workspace("www")
        }

        private func nginxConfiguration(_ workspace: Workspace, port: UInt16, isDaemon: Bool, workers: Int) -> Data {
            let directories = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map {
                "\($0)_temp_path \(workspace.path)/\($0);"
            }
            let text = """
                daemon \(isDaemon ? "on" : "off"); worker_processes \(workers);
                pid \(workspace.path)/nginx.pid; error_log \(workspace.path)/error.log;
                events { worker_connections 256; }
                http {
                    access_log \(workspace.path)/access.log; \(directories.joined(separator: " "))
                    server { listen 127.0.0.1:\(port); root \(workspace.path)/www; }
                }

                """
            return Data(text.utf8)
        }

        private func expectPage(_ port: UInt16, _ workspace: Workspace) throws {
            let page = try Child(["curl", "-sS", "http://127.0.0.1:\(port)/large"]).wait()
            workspace.expect(page.output.count == 300_000, "the server gave \(page.output.count) bytes")
        }

        private func expectLoad(_ words: [String], _ workspace: Workspace) throws {
            let load = try Child(words).wait()
            let isGood =
                load.status == 0 && !load.outputText.contains(/(Failed requests: +[1-9]|Non-2xx|Socket errors)/)
            workspace.expect(isGood, "\(words): \(load.status)\n\(load.outputText)\(load.errorText)")
        }

        @Test(arguments: [false, true])
        func nginx(isDaemon: Bool) throws {
            let workspace = try Workspace()
            let port = try Network.freePort()
            _ = try makePages(in: workspace)
            let configuration = try workspace.write(
                "nginx.conf", nginxConfiguration(workspace, port: port, isDaemon: isDaemon, workers: 4))
            let running = try Recording.start(
                ["nginx", "-e", workspace("error.log"), "-c", configuration], in: workspace)
            try Network.awaitListener(port, of: running.castor)
            try expectLoad(["wrk", "-t2", "-c20", "-d\(Self.load)", "http://127.0.0.1:\(port)/"], workspace)
            try expectPage(port, workspace)
            try Server.end(workspace("nginx.pid"), SIGQUIT)
            let recording = try running.finish()
            workspace.expect(recording.outcome.status == 0, "the server ended so: \(recording.outcome)")
            let processes = try workspace.castor("ps", recording.log).outputText.split(separator: "\n").dropFirst()
            workspace.expect(processes.count == (isDaemon ? 6 : 5), processes.joined(separator: "\n"))
            for name in ["www", "nginx.conf", "access.log", "error.log"] { try workspace.remove(name) }
            recording.expectSame(timeout: Series.isSoak ? 1200 : 120)
        }

        @Test(arguments: [0, 3])
        func lighttpd(workers: Int) throws {
            let workspace = try Workspace()
            let port = try Network.freePort()
            let pages = try makePages(in: workspace)
            let text = """
                server.document-root = "\(pages)"
                server.bind = "127.0.0.1"
                server.port = \(port)
                server.max-worker = \(workers)
                server.errorlog = "\(workspace.path)/error.log"
                index-file.names = ( "index.html" )

                """
            let configuration = try workspace.write("lighttpd.conf", Data(text.utf8))
            let running = try Recording.start(["lighttpd", "-D", "-f", configuration], in: workspace)
            try Network.awaitListener(port, of: running.castor)
            try expectLoad(["ab", "-q", "-n", Self.requests, "-c", "20", "http://127.0.0.1:\(port)/"], workspace)
            try expectPage(port, workspace)
            running.castor.send(SIGINT)
            let recording = try running.finish()
            workspace.expect(recording.outcome.status == 0, "the server ended so: \(recording.outcome)")
            for name in ["www", "lighttpd.conf", "error.log"] { try workspace.remove(name) }
            recording.expectSame(timeout: Series.isSoak ? 1200 : 120)
        }

        /// In front of nginx, which is not recorded. Two threads meet in atomics.
        @Test(arguments: [1, 2])
        func haproxy(threads: Int) throws {
            let workspace = try Workspace()
            let (port, behind) = (try Network.freePort(), try Network.freePort())
            _ = try makePages(in: workspace)
            let server = try Child([
                "nginx", "-e", workspace("error.log"), "-c",
                try workspace.write(
                    "nginx.conf", nginxConfiguration(workspace, port: behind, isDaemon: false, workers: 1)),
            ])
            try Network.awaitListener(behind, of: server)
            let text = """
                global
                    nbthread \(threads)
                    maxconn 200
                defaults
                    mode http
                    timeout client 5s
                    timeout server 5s
                    timeout connect 5s
                listen front
                    bind 127.0.0.1:\(port)
                    server one 127.0.0.1:\(behind)

                """
            let configuration = try workspace.write("haproxy.cfg", Data(text.utf8))
            let running = try Recording.start(["haproxy", "-db", "-f", configuration], in: workspace)
            try Network.awaitListener(port, of: running.castor)
            try expectLoad(["ab", "-q", "-n", Self.requests, "-c", "20", "http://127.0.0.1:\(port)/"], workspace)
            try expectPage(port, workspace)
            running.castor.send(SIGUSR1)
            let recording = try running.finish()
            server.send(SIGQUIT)
            _ = try server.wait()
            workspace.expect(recording.outcome.status == 0, "the proxy ended so: \(recording.outcome)")
            try workspace.remove("haproxy.cfg")
            if threads == 1 { recording.expectSame() } else { recording.expectSameOrNamed() }
        }
    }
}
