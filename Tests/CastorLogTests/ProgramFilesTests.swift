import Glibc
import Testing

@testable import CastorLog

/// A program's files on their way to a replica: packed, sent, unpacked.
@Suite struct ProgramFilesTests {
    private let source = TemporaryDirectory(), log = TemporaryDirectory(), target = TemporaryDirectory()

    private func write(_ name: String, _ bytes: [UInt8], hole: Int = 0) {
        let descriptor = open("\(source.path)/\(name)", O_WRONLY | O_CREAT, 0o640)
        #expect(pwrite(descriptor, bytes, bytes.count, off_t(hole)) == bytes.count)
        close(descriptor)
    }

    private func status(_ path: String) -> stat {
        var status = stat()
        #expect(lstat(path, &status) == 0)
        return status
    }

    private func contents(_ path: String) throws -> [UInt8] {
        let file = try ReadableFile(path: path)
        return try file.bytes(at: 0, count: Int(file.size))
    }

    @Test func thereAndBack() throws {
        #expect(mkdir("\(source.path)/inner", 0o750) == 0)
        write("plain", Array("text".utf8))
        write("inner/holed", [1, 2, 3], hole: 64 << 20)
        #expect(symlink("plain", "\(source.path)/link") == 0)
        #expect(link("\(source.path)/plain", "\(source.path)/inner/twin") == 0)
        #expect(mkfifo("\(source.path)/pipe", 0o600) == 0)
        var times = [timespec(tv_sec: 1_000_000_007, tv_nsec: 123_456_789), timespec(tv_sec: 1_000_000_007, tv_nsec: 123_456_789)]
        #expect(utimensat(AT_FDCWD, "\(source.path)/plain", &times, 0) == 0)

        let files = try ProgramFiles(packing: [source.path], into: log.path)
        #expect(files.size < 1 << 20)
        // What the primary writes from now on is none of the replica's business.
        write("plain", Array("changed".utf8))
        var manifest = sampleManifest()
        files.note(in: &manifest)
        #expect(ProgramFiles(manifest) == files)
        try files.unpack(from: log.path, to: target.path)

        let root = target.path + source.path
        #expect(try contents("\(root)/plain") == Array("text".utf8))
        #expect(try contents("\(root)/inner/holed").suffix(4) == [0, 1, 2, 3])
        #expect(status("\(root)/inner/holed").st_blocks < 1024)
        #expect(status("\(root)/inner").st_mode & 0o777 == 0o750)
        #expect(status("\(root)/plain").st_mode & 0o777 == 0o640)
        #expect(status("\(root)/plain").st_mtim.tv_nsec == 123_456_789)
        #expect(status("\(root)/plain").st_ino == status("\(root)/inner/twin").st_ino)
        #expect(status("\(root)/link").st_mode & S_IFMT == S_IFLNK)
        #expect(status("\(root)/pipe").st_mode & S_IFMT == S_IFIFO)
    }

    @Test func aProgramWithoutFiles() { #expect(ProgramFiles(sampleManifest()) == nil) }

    /// One byte more, fewer, or another.
    @Test func damageIsSeen() throws {
        write("plain", [UInt8](repeating: 7, count: 100_000))
        let files = try ProgramFiles(packing: [source.path], into: log.path)
        let bytes = try contents("\(log.path)/\(ProgramFiles.archiveName)")
        var changed = bytes
        changed[bytes.count / 2] ^= 1
        for (copy, isWhole) in [(bytes, true), (changed, false), (bytes + [0], false), (Array(bytes.dropLast()), false)] {
            let archive = try FilesArchive(directory: target.path)
            try archive.append(Array(copy.prefix(1000)))
            try archive.append(Array(copy.dropFirst(1000)))
            #expect(files.matches(archive) == isWhole)
        }
    }

    @Test func whatCannotBePacked() {
        #expect(throws: FilesError.tar("tar ended with status 2")) {
            try ProgramFiles(packing: ["\(source.path)/missing"], into: log.path)
        }
        #expect(access("\(log.path)/\(ProgramFiles.archiveName)", F_OK) != 0)
        #expect(throws: FilesError.write(errno: ENOENT)) { try ProgramFiles(packing: [source.path], into: "\(log.path)/missing") }
    }
}
