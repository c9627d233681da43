/// Where a log's bytes go: a file, or in tests something that plays the kernel.
import Glibc

public protocol ByteSink: AnyObject {
    /// Appends bytes. Returns how many were taken, which may be fewer, or a negated errno.
    func write(_ bytes: UnsafeRawBufferPointer) -> Int
    /// Cuts back to `length` bytes, after which writes append there. Returns 0 or an errno.
    func truncate(to length: UInt64) -> Int32
    /// Makes what was written durable. Returns 0 or an errno.
    func synchronize() -> Int32
    func close()
}

/// Writes everything, however often that is interrupted. Returns 0 or an errno.
func writeWhole(_ bytes: UnsafeRawBufferPointer, to sink: any ByteSink) -> Int32 {
    var rest = bytes
    while !rest.isEmpty {
        let count = sink.write(rest)
        if count == -Int(EINTR) { continue }
        if count < 0 { return Int32(truncatingIfNeeded: -count) }
        // A sink that takes nothing and gives no reason would be asked for ever.
        if count == 0 || count > rest.count { return EIO }
        rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
    return 0
}

/// A file that is written from its start.
final class FileSink: ByteSink {
    private let descriptor: Int32
    private var isOpen = true

    /// Takes over the descriptor.
    init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { close() }

    func write(_ bytes: UnsafeRawBufferPointer) -> Int {
        let count = Glibc.write(descriptor, bytes.baseAddress, bytes.count)
        return count < 0 ? -Int(errno) : count
    }

    func truncate(to length: UInt64) -> Int32 {
        guard retrying({ ftruncate(descriptor, off_t(length)) }) == 0 else { return errno }
        return lseek(descriptor, off_t(length), SEEK_SET) < 0 ? errno : 0
    }

    func synchronize() -> Int32 {
        if retrying({ fsync(descriptor) }) == 0 { return 0 }
        // Pipes and some file systems have nothing to make durable.
        return errno == EINVAL || errno == ENOTSUP ? 0 : errno
    }

    func close() {
        if isOpen { Glibc.close(descriptor) }
        isOpen = false
    }
}
