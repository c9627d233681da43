/// Servers that are ended by the number in a file, as their own tools do it.
import Foundation

enum Server {
    /// The number in the first line of `file`, once it is there.
    static func number(in file: String) throws -> pid_t {
        let deadline = Date(timeIntervalSinceNow: 30)
        while Date() < deadline {
            let text = FileManager.default.contents(atPath: file).map { String(decoding: $0, as: UTF8.self) } ?? ""
            if let line = text.split(separator: "\n").first, let number = pid_t(line), number > 1 { return number }
            usleep(10_000)
        }
        throw Failure("no process number in \(file)")
    }

    static func end(_ file: String, _ signal: Int32) throws { _ = Glibc.kill(try number(in: file), signal) }
}
