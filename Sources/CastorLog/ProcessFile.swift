/// /proc/PID/stat and its threads' /proc/PID/task/TID/stat.
import Glibc

public enum ProcessFile {
    /// Start time in clock ticks since boot (field 22); nil when there is no such process or it is a zombie (field 3). One
    /// whose main thread has ended before others looks like a zombie, too, but has several threads (field 20).
    public static func startOfLiving(_ pid: UInt32) -> UInt64? {
        guard let fields = fields("/proc/\(pid)/stat"), fields.count > 19 else { return nil }
        if fields[0] == "Z" || fields[0] == "X", fields[17] == "1" || fields[17] == "0" { return nil }
        return UInt64(fields[19])
    }

    /// The processor on which a thread ran last (field 39).
    public static func processor(of pid: UInt32, _ tid: UInt32) -> Int32? {
        guard let fields = fields("/proc/\(pid)/task/\(tid)/stat"), fields.count > 36 else { return nil }
        return Int32(fields[36])
    }

    /// The fields from the third on, which follow the name in parentheses.
    private static func fields(_ path: String) -> [Substring]? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var buffer = [CChar](repeating: 0, count: 1024)
        guard fgets(&buffer, 1024, file) != nil else { return nil }
        let text = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard let name = text.lastIndex(of: ")") else { return nil }
        return text[text.index(after: name)...].split(separator: " ")
    }
}
