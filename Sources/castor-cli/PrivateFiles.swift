/// A program's files as its primary's were at the start, unpacked into `files` of the log's directory and mounted where the program looks
/// for them: for castor and what it starts from now on, and nobody else (mount_namespaces(7)). Without the right to mount, a user
/// namespace of castor's own has it.
import CastorLog
import Glibc

struct PrivateFiles {
    static let directoryName = "files"
    private let files: ProgramFiles
    private let log: String
    private var root: String { "\(log)/\(PrivateFiles.directoryName)" }

    /// `log`: the log's directory, which has the archive; absolute. nil: the program has none of its own.
    init?(_ manifest: Manifest, log: String) {
        guard let files = ProgramFiles(manifest) else { return nil }
        self.files = files
        self.log = log
    }

    /// Whoever calls has no other thread.
    func mount() throws {
        if let outside = files.directories.first(where: { "\(log)/".hasPrefix("\($0)/") }) {
            throw CommandError.failed("the log, \(log), lies inside of \(outside), which the primary ships: choose another place (--output)")
        }
        try PrivateFiles.separate()
        guard mkdir(root, 0o700) == 0 else { throw CommandError.failed("cannot make \(root): \(errorText(errno))") }
        do throws(FilesError) {
            try files.unpack(from: log, to: root)
        } catch { throw CommandError.failed("\(error)") }
        for directory in files.directories {
            // The place may never have been used on this machine.
            guard LogStore.makeDirectories(directory, mode: 0o755), PrivateFiles.mount(root + directory, at: directory, flags: .bind) else {
                throw CommandError.failed("cannot put the program's files at \(directory): \(errorText(errno))")
            }
        }
        Console.report("the program's files (\(files.directories.joined(separator: ", "))) are in \(root)")
    }

    /// When the program has ended.
    func unmount() {
        for directory in files.directories { _ = directory.withCString { RawSystem.call(.umount2, Int(bitPattern: $0), 2 /* MNT_DETACH */) } }
    }

    // MARK: - In the log

    /// What castor made of them there.
    static func names(in log: String) -> [String] {
        (try? Manifest(directory: log)).flatMap { PrivateFiles($0, log: log) } == nil ? [] : [directoryName]
    }

    /// Nothing beyond a link. Best effort.
    static func remove(from log: String) {
        for name in names(in: log) { removeTree("\(log)/\(name)") }
    }
    private static func removeTree(_ path: String) {
        if unlink(path) == 0 || errno == ENOENT { return }
        // Only of a directory: it may be one that not even its owner writes to.
        chmod(path, 0o700)
        for name in LogStore.names(in: path) { removeTree("\(path)/\(name)") }
        rmdir(path)
    }

    /// Without symbolic links, also when the last parts are not there yet.
    static func realPath(_ path: String) -> String {
        if let real = Glibc.realpath(path, nil) {
            defer { free(real) }
            return String(cString: real)
        }
        guard let slash = path.lastIndex(of: "/"), path != "/" else { return "\(realPath("."))/\(path)" }
        let parent = String(path[..<slash])
        return "\(parent.isEmpty ? "" : realPath(parent))\(path[slash...])"
    }

    // MARK: - Namespaces

    private nonisolated(unsafe) static var isSeparate = false

    /// Mounts are castor's own from now on.
    private static func separate() throws {
        if isSeparate { return }
        let (mounts, users) = (0x20000, 0x1000_0000)  // CLONE_NEWNS, CLONE_NEWUSER
        if RawSystem.call(.unshare, mounts) != 0 {
            let (uid, gid) = (getuid(), getgid())
            guard errno == EPERM, RawSystem.call(.unshare, mounts | users) == 0, write("deny", to: "/proc/self/setgroups"),
                write("\(uid) \(uid) 1", to: "/proc/self/uid_map"), write("\(gid) \(gid) 1", to: "/proc/self/gid_map")
            else {
                throw CommandError.failed(
                    "the primary ships the program's files, and there is no namespace to put them into: \(errorText(errno)) (root's rights, CAP_SYS_ADMIN, or user namespaces are needed)")
            }
        }
        // What others mount later is seen here, and nothing that is mounted here by others.
        guard mount("none", at: "/", flags: [.slave, .recursive]) else {
            throw CommandError.failed("cannot have mounts of its own: \(errorText(errno))")
        }
        isSeparate = true
    }

    private static func write(_ text: String, to path: String) -> Bool {
        let descriptor = open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return text.withCString { Glibc.write(descriptor, $0, strlen($0)) } == text.utf8.count
    }

    private struct MountFlags: OptionSet {
        let rawValue: Int
        static let bind = MountFlags(rawValue: 4096), recursive = MountFlags(rawValue: 16384), slave = MountFlags(rawValue: 1 << 19)
    }

    private static func mount(_ source: String, at target: String, flags: MountFlags) -> Bool {
        source.withCString { source in
            target.withCString { RawSystem.call(.mount, Int(bitPattern: source), Int(bitPattern: $0), 0, flags.rawValue) == 0 }
        }
    }
}
