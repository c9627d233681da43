/// What `ls` and `info` say about a recording, in words and as JSON.
import CastorLog
import Glibc

struct LogSummary {
    enum State {
        case readable(LogReader)
        /// Its writer is at work.
        case recording
        case broken(LogError)
    }

    let directory: String
    let manifest: Manifest?
    let state: State
    /// Bytes of all its files.
    let size: UInt64

    init(directory: String) {
        self.directory = directory
        size = LogStore.size(directory)
        manifest = try? Manifest(directory: directory)
        if manifest != nil, LogReader.isBeingWritten(directory: directory) {
            state = .recording
            return
        }
        do throws(LogError) {
            state = .readable(try LogReader(directory: directory, allowTruncated: true))
        } catch {
            state = .broken(error)
        }
    }

    var events: UInt64? { if case .readable(let reader) = state { reader.events } else { nil } }

    /// A few words.
    var ending: String {
        switch state {
        case .recording: "recording"
        case .broken(.missing): "incomplete"
        case .broken(.version(let found)): "log format \(found)"
        case .broken: "damaged"
        case .readable(let reader): LogSummary.ending(of: reader)
        }
    }

    static func ending(of reader: LogReader) -> String {
        guard let ending = reader.ending else { return "cut off" }
        var words: String
        switch ending.outcome {
        case .exited(let code): words = "exit \(code)"
        case .signalled(let signal): words = SystemNames.signal(Int(signal))
        case .unknown: words = ""
        }
        if ending.tail != .complete { words += words.isEmpty ? ending.tail.rawValue : ", \(ending.tail.rawValue)" }
        if words.isEmpty { words = "unknown" }
        return reader.isTruncated ? "\(words), cut off" : words
    }

    /// Local time to the second.
    static func date(_ nanoseconds: UInt64) -> String {
        var seconds = time_t(nanoseconds / 1_000_000_000)
        var parts = tm()
        localtime_r(&seconds, &parts)
        var text = [UInt8](repeating: 0, count: 32)
        let count = text.withUnsafeMutableBytes {
            strftime($0.bindMemory(to: CChar.self).baseAddress!, 32, "%Y-%m-%d %H:%M:%S", &parts)
        }
        return String(decoding: text[..<count], as: UTF8.self)
    }

    /// With a unit of 1024 bytes and its powers.
    static func bytes(_ count: UInt64) -> String {
        if count < 1024 { return "\(count) B" }
        var value = Double(count)
        var unit = 0
        while value >= 1024 && unit < 5 {
            value /= 1024
            unit += 1
        }
        return "\(decimal(value, value < 10 ? 1 : 0)) \(["B", "KiB", "MiB", "GiB", "TiB", "PiB"][unit])"
    }

    /// Rounded to `digits` decimals.
    static func decimal(_ value: Double, _ digits: Int) -> String {
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let scaled = UInt64(max(0, (value * scale).rounded()))
        if digits == 0 { return "\(scaled)" }
        let fraction = "\(scaled % UInt64(scale))"
        return "\(scaled / UInt64(scale)).\(String(repeating: "0", count: digits - fraction.count))\(fraction)"
    }

    /// An argument as a shell would need it.
    static func quoted(_ word: SystemString) -> String {
        let isPlain =
            !word.bytes.isEmpty
            && word.bytes.allSatisfy { byte in
                byte >= 0x30 && byte <= 0x39 || byte >= 0x41 && byte <= 0x5a || byte >= 0x61 && byte <= 0x7a
                    || byte >= 0x80
                    || "-_./=:,+@%".utf8.contains(byte)
            }
        if isPlain { return word.description }
        return
            "'\(word.description.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''"))'"
    }
}
