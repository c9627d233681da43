/// The only door to files: system calls with EINTR, short reads and errno handled.
import Glibc

/// What `strerror` says about an error number.
public func errorText(_ code: Int32) -> String { String(cString: strerror(code)) }

/// Calls until the result is not EINTR. The result is -1 with errno set, as usual.
func retrying<T: SignedInteger>(_ call: () -> T) -> T {
    while true {
        let result = call()
        if result != -1 || errno != EINTR { return result }
    }
}

/// A file opened for reading. Reads are positional.
final class ReadableFile {
    let path: String
    /// In bytes, as of the last look.
    private(set) var size: UInt64
    private let descriptor: Int32

    /// Throws `missing` when there is no such file, else `read`.
    init(path: String) throws(LogError) {
        let opened = retrying { open(path, O_RDONLY | O_CLOEXEC) }
        guard opened >= 0 else {
            let code = errno
            throw code == ENOENT || code == ENOTDIR ? .missing(path: path) : .read(path: path, errno: code)
        }
        var status = stat()
        guard fstat(opened, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(opened)
            throw .read(path: path, errno: EINVAL)
        }
        self.path = path
        self.size = UInt64(status.st_size)
        self.descriptor = opened
    }

    deinit { close(descriptor) }

    /// Looks again: somebody may be writing.
    func sizeNow() -> UInt64 {
        var status = stat()
        if fstat(descriptor, &status) == 0 { size = max(size, UInt64(status.st_size)) }
        return size
    }

    /// Fills `buffer` from `offset` on. Throws `damaged` when the file ends first.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(LogError) {
        var done = 0
        while done < buffer.count {
            let count = retrying {
                pread(descriptor, buffer.baseAddress! + done, buffer.count - done, off_t(offset) + done)
            }
            if count < 0 { throw .read(path: path, errno: errno) }
            if count == 0 { throw .damaged(path: path, offset: offset, reason: "the file ends inside this part") }
            done += count
        }
    }

    /// `count` bytes from `offset` on; `count` is checked against the size of the file first.
    func bytes(at offset: UInt64, count: Int) throws(LogError) -> [UInt8] {
        guard offset <= size, UInt64(count) <= size - offset else {
            throw .damaged(path: path, offset: offset, reason: "the file ends inside this part")
        }
        var result = [UInt8](repeating: 0, count: count)
        try result.withUnsafeMutableBufferPointer { buffer throws(LogError) in
            try read(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
        }
        return result
    }
}

/// Replaces the file at `directory`/`name` in one step: temporary file, fsync, rename, fsync of the directory.
func replaceFile(directory: String, name: String, bytes: [UInt8]) throws(LogError) {
    let path = "\(directory)/\(name)"
    let temporary = "\(path).new"
    let descriptor = retrying { open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600) }
    guard descriptor >= 0 else { throw .write(errno: errno) }
    let sink = FileSink(descriptor: descriptor)
    var failure = bytes.withUnsafeBytes { writeWhole($0, to: sink) }
    if failure == 0 { failure = sink.synchronize() }
    sink.close()
    if failure == 0, rename(temporary, path) != 0 { failure = errno }
    guard failure == 0 else {
        unlink(temporary)
        throw .write(errno: failure)
    }
    synchronizeDirectory(directory)
}

/// Makes the names in a directory durable. Best effort: some file systems refuse.
func synchronizeDirectory(_ path: String) {
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    fsync(descriptor)
    close(descriptor)
}

/// Creates a directory that only its owner may enter; an existing empty one will do.
func createLogDirectory(_ path: String) throws(LogError) {
    if mkdir(path, 0o700) == 0 { return }
    guard errno == EEXIST else { throw .write(errno: errno) }
    guard let handle = opendir(path) else { throw errno == ENOTDIR ? .exists(path: path) : .write(errno: errno) }
    defer { closedir(handle) }
    while let entry = readdir(handle) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) {
            String(cString: $0.bindMemory(to: CChar.self).baseAddress!)
        }
        if name != "." && name != ".." { throw .exists(path: path) }
    }
    guard chmod(path, 0o700) == 0 else { throw .write(errno: errno) }
}
