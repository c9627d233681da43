/// The bytes that a call sends, where nothing else comes with them.
import CTSXGate
import CTSXShim

enum SentData {
    case piece(at: UInt64, length: UInt64)
    /// An array of struct iovec.
    case vector(at: UInt64, count: UInt64)
    /// From an offset that a variable of the program has, or, where `offset` is 0, from the file's own on; at most so many.
    case file(descriptor: UInt64, offset: UInt64, most: UInt64)

    /// MSG_DONTWAIT, MSG_NOSIGNAL, MSG_MORE: none changes what is sent.
    private static let harmless: UInt64 = 0xc040

    @_noLocks init?(of f: Frame) {
        let flags = Int32(truncatingIfNeeded: f.pointee.nr) == SYS_sendmsg ? f.pointee.a2 : f.pointee.a3
        switch Int32(truncatingIfNeeded: f.pointee.nr) {
        case SYS_write: self = .piece(at: f.pointee.a1, length: f.pointee.a2)
        case SYS_writev: self = .vector(at: f.pointee.a1, count: f.pointee.a2 & 0xffff_ffff)
        case SYS_sendto:
            guard flags & 0xffff_ffff & ~SentData.harmless == 0 else { return nil }
            self = .piece(at: f.pointee.a1, length: f.pointee.a2)
        case SYS_sendmsg:
            let message = words(f.pointee.a1)  // name, its length, vector, count, control data, their length
            guard flags & 0xffff_ffff & ~SentData.harmless == 0, message[5] == 0 else { return nil }
            self = .vector(at: message[2], count: message[3])
        case SYS_sendfile: self = .file(descriptor: f.pointee.a1 & 0xffff_ffff, offset: f.pointee.a2, most: f.pointee.a3)
        default: return nil
        }
    }

    /// Where the call sends it to; of length 0 when it does not say.
    @_noLocks static func name(of f: Frame) -> (at: UInt64, length: UInt64) {
        switch Int32(truncatingIfNeeded: f.pointee.nr) {
        case SYS_sendto where f.pointee.a4 != 0: return (f.pointee.a4, f.pointee.a5 & 0xffff_ffff)
        case SYS_sendmsg:
            let message = words(f.pointee.a1)
            return message[0] == 0 ? (0, 0) : (message[0], message[1] & 0xffff_ffff)
        default: return (0, 0)
        }
    }

    /// 0 also for what the call is to refuse.
    var length: UInt64 {
        @_noLocks get {
            switch self {
            case .piece(_, let length): return length
            case .vector(let at, let count): return count <= 1024 ? total(at, count) : 0
            case .file(let descriptor, let offset, let most):
                let size = fileSize(descriptor)
                let from = start(descriptor, offset)
                return from < size ? min(most, size &- from) : 0
            }
        }
    }

    /// Into the segment's file; by the kernel, who knows which of the program's memory can be read. False: not all of it could be had.
    @_noLocks func copy(_ length: UInt64, to place: UInt64) -> Bool {
        let segment = UInt64(UInt32(bitPattern: process.pointee.segment_fd))
        switch self {
        case .piece(let at, let length): return kernel(SYS_pwrite64, segment, at, length, place) == Int64(length)
        case .vector(let at, let count): return kernel(SYS_pwritev, segment, at, count, place) == Int64(length)
        case .file(let descriptor, let offset, _):
            let from = start(descriptor, offset)
            var buffer: InlineArray<512, UInt64> = .init(repeating: 0)
            return withUnsafeMutablePointer(to: &buffer) { buffer in
                var done: UInt64 = 0
                while done < length {
                    let n = kernel(SYS_pread64, descriptor, address(buffer), min(length &- done, 4096), from &+ done)
                    if n <= 0 || kernel(SYS_pwrite64, segment, address(buffer), UInt64(n), place &+ done) != n { return false }
                    done &+= UInt64(n)
                }
                return true
            }
        }
    }
}

/// Bytes of an array of struct iovec.
@_noLocks func total(_ vector: UInt64, _ count: UInt64) -> UInt64 {
    var sum: UInt64 = 0
    var i: UInt64 = 0
    while i < count {
        sum &+= words(vector &+ i &* 16)[1]
        i &+= 1
    }
    return sum
}

/// Where a call that sends a file went on, it is further now.
@_noLocks func moveOn(_ file: UInt64, _ offset: UInt64, _ n: UInt64) {
    if offset == 0 { kernel(SYS_lseek, file, n, 1) } else { words(offset)[0] &+= n }
}

@_noLocks private func start(_ file: UInt64, _ offset: UInt64) -> UInt64 {
    // An offset below 0 is beyond every file's end.
    offset == 0 ? UInt64(bitPattern: kernel(SYS_lseek, file, 0, 1)) : words(offset)[0]
}

/// 0 when it is no regular file.
@_noLocks private func fileSize(_ descriptor: UInt64) -> UInt64 {
    var status: InlineArray<18, UInt64> = .init(repeating: 0)  // struct stat: the mode in 24, the size at 48
    return withUnsafeMutablePointer(to: &status) {
        guard kernel(SYS_fstat, descriptor, address($0)) == 0, words(address($0))[3] & 0o170000 == 0o100000 else { return 0 }
        return words(address($0))[6]
    }
}
