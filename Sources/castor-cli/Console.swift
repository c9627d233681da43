/// Standard output and error of the tool itself.
import CastorLog
import Glibc

enum Console {
    /// Writes all of it. A reader that went away (`castor dump | head`) ends the tool by SIGPIPE, as usual.
    static func write(_ text: String, to descriptor: Int32 = STDOUT_FILENO) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let written = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if written < 0 && errno != EINTR { return }
            bytes = bytes.dropFirst(max(written, 0))
        }
    }

    static func print(_ line: String) { write(line + "\n") }

    /// A message for the user, in the tool's name.
    static func report(_ message: String) { write("castor: \(message)\n", to: STDERR_FILENO) }

    static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }
}

extension String {
    /// Filled up with blanks to `width` characters.
    func padded(_ width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
