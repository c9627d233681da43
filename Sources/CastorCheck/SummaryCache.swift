/// What was found in an object file, kept between runs, so that `castor record` need not disassemble OpenSSL each time.
/// A file for each object, believed only while the object's size, times and number stay as they were, and only if nobody
/// but the user could have written it. Whatever goes wrong here costs time, no more.
import CastorLog
import Glibc

/// Counts of an object's sites, before what is known is taken off.
public struct ObjectSummary: Sendable, Equatable {
    public let loading: Loading
    public let isInstrumented: Bool
    public let counts: [SiteKind: Int]
}

public struct SummaryCache: Sendable {
    /// Raised when an analysis finds something else than before.
    static let version = 1
    private let directory: String

    /// nil when there is no such directory, it cannot be made, or others may write to it.
    public init?(directory: String) {
        var made = ""
        for part in directory.split(separator: "/") {
            made += "/\(part)"
            mkdir(made, 0o700)
        }
        var status = stat()
        guard directory.hasPrefix("/"), lstat(directory, &status) == 0, status.st_mode & S_IFMT == S_IFDIR,
            SummaryCache.isOurs(status)
        else { return nil }
        self.directory = directory
    }

    /// `identity` as it was before the object was read.
    func summary(of path: String, _ identity: String) -> ObjectSummary? {
        guard let text = read(file(path)),
            let json = try? JSON(parsing: text), json["file"]?.string == identity, let counts = json["counts"]?.members
        else { return nil }
        var loading = Loading()
        let list = { (name: String) in (json[name]?.array ?? []).compactMap(\.string) }
        loading.needed = list("needed")
        loading.rpath = list("rpath")
        loading.runpath = list("runpath")
        loading.soname = json["soname"]?.string ?? ""
        loading.interpreter = json["interpreter"]?.string
        loading.skipsDefaults = json["skipsDefaults"]?.bool ?? false
        loading.isProgram = json["isProgram"]?.bool ?? false
        var numbers: [SiteKind: Int] = [:]
        for member in counts {
            guard let kind = SiteKind(rawValue: member.name), let count = member.value.integer(Int.self) else {
                return nil
            }
            numbers[kind] = count
        }
        return ObjectSummary(
            loading: loading, isInstrumented: json["isInstrumented"]?.bool ?? false, counts: numbers)
    }

    func keep(_ summary: ObjectSummary, of path: String, _ identity: String) {
        let list = { (texts: [String]) in JSON.array(texts.map { .string($0) }) }
        let loading = summary.loading
        let json = JSON.object([
            .init("file", .string(identity)), .init("needed", list(loading.needed)),
            .init("rpath", list(loading.rpath)),
            .init("runpath", list(loading.runpath)), .init("soname", .string(loading.soname)),
            .init("interpreter", loading.interpreter.map { .string($0) } ?? .null),
            .init("skipsDefaults", .bool(loading.skipsDefaults)), .init("isProgram", .bool(loading.isProgram)),
            .init("isInstrumented", .bool(summary.isInstrumented)),
            .init(
                "counts",
                .object(summary.counts.sorted { $0.key < $1.key }.map { .init($0.key.rawValue, JSON($0.value)) })),
        ])
        write(Array((json.text() + "\n").utf8), to: file(path))
    }

    // MARK: - Files

    private func file(_ path: String) -> String {
        // FNV-1a. Two paths with one hash take turns; the identity tells them apart.
        let hash = path.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        return "\(directory)/\(String(hash, radix: 16)).json"
    }

    /// What changes when the file does. The change time cannot be set back, as the modification time can.
    static func identity(_ path: String) -> String? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        let times = [status.st_mtim, status.st_ctim].map { "\($0.tv_sec).\($0.tv_nsec)" }.joined(separator: " ")
        return "\(version) \(status.st_dev):\(status.st_ino) \(status.st_size) \(times) \(path)"
    }

    private static func isOurs(_ status: stat) -> Bool {
        status.st_uid == geteuid() && status.st_mode & (S_IWGRP | S_IWOTH) == 0
    }

    private func read(_ path: String) -> String? {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG, SummaryCache.isOurs(status),
            status.st_size < 1 << 16
        else { return nil }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        guard Glibc.read(file, &bytes, bytes.count) == bytes.count else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// In one step: another castor may be writing or reading the same.
    private func write(_ bytes: [UInt8], to path: String) {
        let temporary = "\(path).\(getpid())"
        let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { return }
        let isWhole = Glibc.write(file, bytes, bytes.count) == bytes.count
        close(file)
        if !isWhole || rename(temporary, path) != 0 { unlink(temporary) }
    }
}
