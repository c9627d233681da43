/// Where recordings live: directories `PROGRAM-N` in `$XDG_DATA_HOME/castor`, else `~/.local/share/castor`, and
/// `latest`, a symbolic link to the newest.
import CastorLog
import Glibc

struct LogStore {
    let path: String

    static let latest = "latest"
    private static let files = ["manifest.json", "manifest.json.new", "events", ProgramFiles.archiveName]

    /// The user's store. The directory need not exist.
    static var standard: LogStore {
        // The XDG specification has relative paths ignored.
        if let data = environment("XDG_DATA_HOME"), data.hasPrefix("/") { return LogStore(path: "\(data)/castor") }
        let home = environment("HOME") ?? getpwuid(getuid()).map { String(cString: $0.pointee.pw_dir) } ?? "/"
        return LogStore(path: "\(home)/.local/share/castor")
    }

    private static func environment(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }

    // MARK: - Making

    /// Makes the empty directory of a new recording of `program` and lets `latest` lead there. Returns its path.
    func create(program: String) throws -> String {
        guard LogStore.makeDirectories(path, mode: 0o700) else { throw failure("cannot make \(path)") }
        let stem = LogStore.stem(of: program)
        var number = (names().compactMap { LogStore.number(of: $0, stem: stem) }.max() ?? -1) + 1
        // Another castor may take the number first.
        while mkdir("\(path)/\(stem)-\(number)", 0o700) != 0 {
            guard errno == EEXIST else { throw failure("cannot make a directory in \(path)") }
            number += 1
        }
        setLatest("\(stem)-\(number)")
        return "\(path)/\(stem)-\(number)"
    }

    /// The last part of the program's path, made fit for a file name that needs no quoting.
    static func stem(of program: String) -> String {
        let name = program.utf8.split(separator: UInt8(ascii: "/")).last.map { Array($0) } ?? []
        let plain = name.prefix(100).map { byte in
            let isPlain = byte >= 0x30 && byte <= 0x39 || byte >= 0x41 && byte <= 0x5a || byte >= 0x61 && byte <= 0x7a
            return isPlain || "._+-".utf8.contains(byte) ? byte : UInt8(ascii: "_")
        }
        let text = String(decoding: plain, as: UTF8.self)
        return text.isEmpty || text.hasPrefix(".") || text.hasPrefix("-") ? "_\(text)" : text
    }

    /// N of `STEM-N`.
    private static func number(of name: String, stem: String) -> Int? {
        guard name.hasPrefix("\(stem)-") else { return nil }
        let digits = name.dropFirst(stem.count + 1)
        guard !digits.isEmpty, digits.count < 18, digits.allSatisfy({ $0.isASCII && $0.isNumber }) else { return nil }
        return Int(digits)
    }

    /// With all that lead there; false, with errno, when one cannot be made.
    static func makeDirectories(_ path: String, mode: mode_t) -> Bool {
        var parent = ""
        for part in path.split(separator: "/") {
            parent += "/\(part)"
            guard mkdir(parent, mode) == 0 || errno == EEXIST || access(parent, X_OK) == 0 else { return false }
        }
        return true
    }

    /// Best effort: without `latest` a log can still be named.
    private func setLatest(_ name: String) {
        let temporary = "\(path)/.latest-\(getpid())"
        unlink(temporary)
        if symlink(name, temporary) == 0, rename(temporary, "\(path)/\(LogStore.latest)") != 0 { unlink(temporary) }
    }

    private func failure(_ message: String) -> CommandError { .failed("\(message): \(errorText(errno))") }

    // MARK: - Finding

    /// Names in the store, unsorted.
    private func names() -> [String] { LogStore.names(in: path).filter { !$0.hasPrefix(".") } }

    static func names(in path: String) -> [String] {
        guard let handle = opendir(path) else { return [] }
        defer { closedir(handle) }
        var names: [String] = []
        while let entry = readdir(handle) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(cString: $0.bindMemory(to: CChar.self).baseAddress!)
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }

    /// Names of the recordings in the store, those of a program by number.
    func logs() -> [String] {
        let logs = names().filter { $0 != LogStore.latest && LogStore.isLog("\(path)/\($0)") }
        func key(_ name: String) -> (String, Int) {
            guard let dash = name.lastIndex(of: "-") else { return (name, 0) }
            return (String(name[..<dash]), Int(name[name.index(after: dash)...]) ?? 0)
        }
        return logs.sorted { key($0) < key($1) }
    }

    /// The directory that a LOG operand means: a path when there is a slash in it, else a name in the store, else a
    /// path; the newest recording when there is none. Throws `LogError.missing`.
    func resolve(_ operand: SystemString?) throws -> String {
        let word = operand?.description ?? LogStore.latest
        let inStore = "\(path)/\(word)"
        if operand == nil || word == LogStore.latest {
            guard let target = linkTarget(inStore) else { throw LogError.missing(path: inStore) }
            return "\(path)/\(target)"
        }
        let isPlain = !word.contains("/") && word != "." && word != ".."
        let found = isPlain && access(inStore, F_OK) == 0 ? inStore : word
        guard access(found, F_OK) == 0 else { throw LogError.missing(path: found) }
        return found
    }

    private func linkTarget(_ link: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(link, &buffer, buffer.count)
        guard count > 0 else { return nil }
        return String(decoding: buffer[..<count], as: UTF8.self)
    }

    /// Whether a directory holds a recording, whole or not: one of its files starts as a log's does.
    static func isLog(_ directory: String) -> Bool {
        var status = stat()
        guard lstat(directory, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { return false }
        return starts("\(directory)/manifest.json", with: "{\"checksum\": \"")
            || starts("\(directory)/events", with: "CASTORCK")
    }

    private static func starts(_ path: String, with magic: String) -> Bool {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: magic.utf8.count)
        return read(descriptor, &bytes, bytes.count) == bytes.count && bytes.elementsEqual(magic.utf8)
    }

    /// Bytes of a recording's files.
    static func size(_ directory: String) -> UInt64 {
        files.reduce(0) { sum, name in
            var status = stat()
            return lstat("\(directory)/\(name)", &status) == 0 ? sum + UInt64(status.st_size) : sum
        }
    }

    // MARK: - Removing

    /// Takes away what castor wrote into a recording's directory, which is to hold another.
    static func clear(_ directory: String) {
        PrivateFiles.remove(from: directory)
        for name in files.reversed() { unlink("\(directory)/\(name)") }
    }

    /// Removes a recording, which must hold nothing but what castor made and have no writer.
    func remove(_ directory: String) throws {
        guard LogStore.isLog(directory) else {
            throw CommandError.failed("\(directory) is not a recording; not removed")
        }
        guard !LogReader.isBeingWritten(directory: directory) else {
            throw CommandError.failed("\(directory) is still being recorded; not removed")
        }
        let own = LogStore.files + PrivateFiles.names(in: directory)
        if let foreign = LogStore.names(in: directory).first(where: { !own.contains($0) }) {
            throw CommandError.failed("\(directory) holds '\(foreign)', which castor did not make; not removed")
        }
        PrivateFiles.remove(from: directory)
        // The manifest last, so that what is left of an interrupted removal is still known for a recording.
        for name in LogStore.files.reversed() where unlink("\(directory)/\(name)") != 0 && errno != ENOENT {
            throw failure("cannot remove \(directory)/\(name)")
        }
        guard rmdir(directory) == 0 else { throw failure("cannot remove \(directory)") }
        if let target = linkTarget("\(path)/\(LogStore.latest)"), access("\(path)/\(target)", F_OK) != 0 {
            relinkLatest()
        }
    }

    /// Lets `latest` lead to the newest recording that is left.
    private func relinkLatest() {
        let started = logs().compactMap { name in
            (try? Manifest(directory: "\(path)/\(name)")).map { (name: name, time: $0.started) }
        }
        if let newest = started.max(by: { $0.time < $1.time }) {
            setLatest(newest.name)
        } else {
            unlink("\(path)/\(LogStore.latest)")
        }
    }
}

/// What the commands that read logs exit with (sysexits.h).
enum LogStatus {
    static let damaged: Int32 = 65
    static let missing: Int32 = 66

    /// Runs a command's body; turns errors of logs into a message and an exit status.
    static func reporting(_ body: () throws -> Int32) throws -> Int32 {
        do {
            return try body()
        } catch let error as LogError {
            Console.report("\(error)")
            return status(of: error)
        }
    }

    static func status(of error: LogError) -> Int32 {
        switch error {
        case .missing: missing
        case .damaged, .truncated, .version: damaged
        case .exists, .read, .write, .invalid: ExitStatus.failure
        }
    }
}
