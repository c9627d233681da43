/// Directories of a program as they were at its start, for replicas on other machines. `files.tar` in the log's directory holds them as
/// tar(1) packs them: owners, modes, times, links, holes, ACLs and extended attributes. The log's manifest has their names, the archive's
/// size, and the XXH3-128 of its bytes.
import CZstd
import Glibc

public struct ProgramFiles: Equatable, Sendable {
    public static let archiveName = "files.tar"
    /// Absolute, without symbolic links; none is inside another.
    public let directories: [String]
    /// Bytes of the archive.
    public let size: UInt64
    /// 32 lower-case digits.
    public let checksum: String

    private enum Option {
        static let directories = "files", size = "filesSize", checksum = "filesChecksum"
    }

    /// nil: the program has none.
    public init?(_ manifest: Manifest) {
        guard let names = manifest.options[Option.directories], let size = manifest.options[Option.size].flatMap({ UInt64($0) }),
            let checksum = manifest.options[Option.checksum]
        else { return nil }
        directories = names.split(separator: "\n").map(String.init)
        self.size = size
        self.checksum = checksum
    }

    public func note(in manifest: inout Manifest) {
        manifest.options[Option.directories] = directories.joined(separator: "\n")
        manifest.options[Option.size] = "\(size)"
        manifest.options[Option.checksum] = checksum
    }

    // MARK: - Packing

    /// Packs the directories into the log in `log`, which must not lie inside one of them.
    public init(packing directories: [String], into log: String) throws(FilesError) {
        self.directories = directories
        let archive = try FilesArchive(directory: log)
        let names = directories.map { "./" + $0.drop { $0 == "/" } }
        let tar = try Tar(["--create", "--format=posix", "--sparse", "--directory=/", "--file=-"] + names, hasOutput: true)
        do throws(FilesError) {
            while let bytes = try tar.next() { try archive.append(bytes) }
            try tar.wait()
        } catch {
            unlink("\(log)/\(ProgramFiles.archiveName)")
            throw error
        }
        (size, checksum) = (archive.size, archive.checksum)
    }

    /// Makes the directories again below `root`, which must be empty, from the archive of the log in `log`.
    public func unpack(from log: String, to root: String) throws(FilesError) {
        try Tar(["--extract", "--preserve-permissions", "--directory=\(root)", "--file=\(log)/\(ProgramFiles.archiveName)"]).wait()
    }

    /// Whether nothing was lost or changed on the way.
    public func matches(_ archive: FilesArchive) -> Bool { archive.size == size && archive.checksum == checksum }
}

public enum FilesError: Error, Equatable, Sendable, CustomStringConvertible {
    case write(errno: Int32)
    /// What tar says itself is on the terminal already.
    case tar(String)
    /// The archive was changed after it was made.
    case cut(at: UInt64, of: UInt64)

    public var description: String {
        switch self {
        case .write(let code): "the copy of the program's files cannot be written: \(errorText(code))"
        case .tar(let text): "the program's files cannot be copied: \(text)"
        case .cut(let position, let size):
            "the program's files cannot be sent: of the \(size) bytes of \(ProgramFiles.archiveName) in the log only \(position) can be read"
        }
    }
}

/// `files.tar`, which is being written. In one thread's hands.
public final class FilesArchive {
    private let descriptor: Int32
    private let state = XXH3_createState()!
    /// Bytes so far.
    public private(set) var size: UInt64 = 0

    /// Creates the file in the log's directory.
    public init(directory: String) throws(FilesError) {
        let path = "\(directory)/\(ProgramFiles.archiveName)"
        descriptor = retrying { open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600) }
        XXH3_128bits_reset(state)
        guard descriptor >= 0 else { throw .write(errno: errno) }
    }

    deinit {
        XXH3_freeState(state)
        if descriptor >= 0 { close(descriptor) }
    }

    public func append(_ bytes: [UInt8]) throws(FilesError) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                retrying { write(descriptor, buffer.baseAddress! + done, buffer.count - done) }
            }
            guard count > 0 else { throw .write(errno: count < 0 ? errno : EIO) }
            done += count
        }
        _ = bytes.withUnsafeBytes { XXH3_128bits_update(state, $0.baseAddress, $0.count) }
        size += UInt64(bytes.count)
    }

    /// Of all bytes so far.
    public var checksum: String {
        let digest = XXH3_128bits_digest(state)
        return hexadecimal(digest.high64) + hexadecimal(digest.low64)
    }
}

/// A run of tar(1), which does not outlive the object.
private final class Tar {
    private let pid: pid_t
    /// What it writes; -1: nothing.
    private let output: Int32
    private var isRunning = true
    private static let piece = 1 << 20

    init(_ words: [String], hasOutput: Bool = false) throws(FilesError) {
        var ends: (Int32, Int32) = (-1, -1)
        if hasOutput {
            let code = withUnsafeMutableBytes(of: &ends) { pipe($0.bindMemory(to: Int32.self).baseAddress!) }
            guard code == 0 else { throw .tar(errorText(errno)) }
            _ = fcntl(ends.0, F_SETFD, FD_CLOEXEC)
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        if hasOutput { posix_spawn_file_actions_adddup2(&actions, ends.1, 1) }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // When whoever reads is gone, it is to end, as a program does that nobody told otherwise.
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigaddset(&signals, SIGPIPE)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK) | Int16(POSIX_SPAWN_SETSIGDEF))
        var arguments = (["tar", "--numeric-owner", "--acls", "--xattrs"] + words).map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var pid: pid_t = 0
        let code = posix_spawnp(&pid, "tar", &actions, &attributes, &arguments, environ)
        if hasOutput { close(ends.1) }
        guard code == 0 else {
            if hasOutput { close(ends.0) }
            throw .tar("tar: \(errorText(code))")
        }
        self.pid = pid
        output = ends.0
    }

    /// What it wrote next; nil at the end.
    func next() throws(FilesError) -> [UInt8]? {
        var code: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: Tar.piece) { buffer, count in
            count = 0
            while count < buffer.count {
                let n = retrying { read(output, buffer.baseAddress! + count, buffer.count - count) }
                if n < 0 { code = errno }
                if n <= 0 { break }
                count += n
            }
        }
        if code != 0 { throw .tar(errorText(code)) }
        return bytes.isEmpty ? nil : bytes
    }

    deinit {
        if output >= 0 { close(output) }
        if isRunning {
            kill(pid, SIGKILL)
            _ = retrying { waitpid(pid, nil, 0) }
        }
    }

    /// Returns when it has done what it was asked for.
    func wait() throws(FilesError) {
        var status: Int32 = 0
        guard retrying({ waitpid(pid, &status, 0) }) == pid else { throw .tar(errorText(errno)) }
        isRunning = false
        guard status != 0 else { return }
        switch (status & 0x7f, status >> 8 & 0xff) {
        case (0, 1): throw .tar("something changes them; nothing may write to them before the program has started")
        case (0, let code): throw .tar("tar ended with status \(code)")
        case (let signal, _): throw .tar("tar was ended by signal \(signal)")
        }
    }
}
