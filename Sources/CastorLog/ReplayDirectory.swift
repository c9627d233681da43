/// The directory of a replay in which programs get a name of the recorded length: see exec.c. It has one level of
/// directories, each with a link.
import Glibc

public enum ReplayDirectory {
    /// A path that nobody else has; the directory is made when it is needed.
    public static func path() -> String {
        "/tmp/castor-replay-" + String(UInt64.random(in: 0...UInt64.max), radix: 36)
    }

    public static func remove(_ path: String) {
        guard path.hasPrefix("/tmp/castor-replay-"), rmdir(path) != 0, errno == ENOTEMPTY || errno == EEXIST else {
            return
        }
        for directory in names(path) {
            for link in names("\(path)/\(directory)") { unlink("\(path)/\(directory)/\(link)") }
            rmdir("\(path)/\(directory)")
        }
        rmdir(path)
    }

    private static func names(_ path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }
}
