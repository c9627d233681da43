/// As much of HTTP as Prometheus needs: GET /metrics, one request a connection.
import Glibc

struct HTTPRequest {
    /// nil: it is no request for something.
    private let path: String?
    private static let limit = 8192

    /// Reads until the empty line that ends the head.
    init(from descriptor: Int32) {
        var head: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1024)
        let deadline = now() + 2000
        while !HTTPRequest.isWhole(head), head.count <= HTTPRequest.limit, now() < deadline {
            let n = recv(descriptor, &buffer, buffer.count, 0)
            if n < 0, errno == EINTR { continue }
            if n <= 0 { break }
            head += buffer[..<n]
        }
        path = HTTPRequest.isWhole(head) ? HTTPRequest.path(head) : nil
    }

    private static func isWhole(_ head: [UInt8]) -> Bool {
        head.indices.dropLast(3).contains { head[$0...].starts(with: [13, 10, 13, 10]) }
    }

    private static func path(_ head: [UInt8]) -> String? {
        let line = head.prefix { $0 != 13 && $0 != 10 }
        let words = line.split(separator: 32, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
        guard words.count == 3, words[0] == "GET", words[1].hasPrefix("/"), words[2] == "HTTP/1.1" || words[2] == "HTTP/1.0" else { return nil }
        return words[1].split(separator: "?", maxSplits: 1).first.map(String.init)
    }

    /// The whole response.
    func answer(_ metrics: () -> String) -> String {
        switch path {
        case nil: HTTPRequest.response("400 Bad Request", "text/plain; charset=utf-8", "this is no GET request\n")
        case "/metrics": HTTPRequest.response("200 OK", "text/plain; version=0.0.4; charset=utf-8", metrics())
        default: HTTPRequest.response("404 Not Found", "text/plain; charset=utf-8", "there is only /metrics\n")
        }
    }

    private static func response(_ status: String, _ type: String, _ body: String) -> String {
        "HTTP/1.1 \(status)\r\nContent-Type: \(type)\r\nContent-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n\(body)"
    }
}
