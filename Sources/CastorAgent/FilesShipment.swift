/// The archive of the program's files, which goes to every replica that begins.
import CastorLog
import CastorStandby
import Glibc

final class FilesShipment: Sendable {
    let size: UInt64
    /// So little that it arrives before the other side's patience is over, also over a slow link.
    private static let piece: UInt64 = 64 << 10
    private let descriptor: Int32

    /// nil: the log in `directory` has none.
    init?(directory: String) {
        guard let manifest = try? Manifest(directory: directory), let files = ProgramFiles(manifest) else { return nil }
        size = files.size
        descriptor = open("\(directory)/\(ProgramFiles.archiveName)", O_RDONLY | O_CLOEXEC)
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// No faster than the other side takes it. `progress` is told how many bytes were sent, and says whether to go on. False when
    /// not everything was sent.
    func send(over connection: Connection, epoch: UInt64, progress: (UInt64) -> Bool) throws(FilesError) -> Bool {
        var position: UInt64 = 0
        while position < size {
            guard progress(position) else { return false }
            let bytes = piece(at: position)
            if bytes.isEmpty { throw .cut(at: position, of: size) }
            guard connection.send(.files(position: position, bytes: bytes), epoch: epoch), connection.flush() else { return false }
            position += UInt64(bytes.count)
        }
        return progress(position)
    }

    /// Empty where the archive cannot be read.
    private func piece(at position: UInt64) -> [UInt8] {
        let length = Int(min(size - position, FilesShipment.piece))
        return [UInt8](unsafeUninitializedCapacity: length) { buffer, count in
            count = max(0, pread(descriptor, buffer.baseAddress, length, off_t(position)))
        }
    }
}
