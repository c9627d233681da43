/// What gdb prints about the threads of a process, made comparable between runs.
import Foundation

struct Backtraces: Equatable {
    struct Thread: Equatable, CustomStringConvertible {
        /// Without the kernel's thread number, the one thing that a replay cannot repeat.
        var title: String
        /// Address, function, arguments and line of each frame of the program and its libraries, innermost first.
        var frames: [String] = []

        var description: String { ([title] + frames).joined(separator: "\n") }
    }

    var threads: [Thread] = []
    /// The thread that gdb stands in.
    private var current = 0

    var crashing: Thread? { threads.first { $0.title.hasPrefix("Thread \(current) ") } }

    /// Reads the output of `commands`.
    init(_ text: String) {
        for line in text.split(separator: "\n").map(String.init) {
            if line.hasPrefix("[Current thread is ") {
                current = Int(line.dropFirst("[Current thread is ".count).prefix { $0.isNumber }) ?? 0
            } else if line.hasPrefix("Thread "), line.hasSuffix(":") {
                threads.append(Thread(title: line.replacing(/LWP \d+/, with: "LWP")))
            } else if line.hasPrefix("#"), !threads.isEmpty, !Backtraces.isRuntime(line) {
                // The number counts the frames that were left out, too.
                let frame = line.drop { $0 != " " }.drop { $0 == " " }
                threads[threads.count - 1].frames.append(String(frame))
            }
        }
    }

    static let commands = ["-ex", "thread", "-ex", "thread apply all bt"]

    /// castor's own frames: a replay waits where the recorded program called the kernel. They are known by their
    /// library, or by their source when the library carries debugging information.
    private static func isRuntime(_ line: String) -> Bool {
        line.contains("libCastorRuntime.so") || line.contains("Sources/CastorRuntime/")
            || line.contains("Sources/CTSXShim/")
    }
}
