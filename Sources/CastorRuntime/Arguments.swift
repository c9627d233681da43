/// What a system call reads and writes, from its row: the input hash that replay compares, and the output bytes
/// that recording stores and replay puts back. One walk over the row serves measuring, storing and loading.
import CTSXGate
import CTSXShim

@inline(__always) @_noLocks func argument(_ f: Frame, _ i: Int) -> UInt64 { words(address(f) &+ 16)[i] }
@inline(__always) @_noLocks func scratch(_ f: Frame) -> UnsafeMutablePointer<UInt64> { words(address(f) &+ 144) }
@inline(__always) @_noLocks func role(_ row: Row, _ i: Int) -> castor_argument {
    castor_row_argument(row, Int64(i))
}

enum Errno {
    static let noSuchProcess: Int64 = -3
    static let interrupted: Int64 = -4
    static let tooBig: Int64 = -7
    static let badDescriptor: Int64 = -9
    static let badAddress: Int64 = -14
    static let invalid: Int64 = -22
    static let overflow: Int64 = -75
    static let noSystemCall: Int64 = -38
}

/// The comparable side of a call: plain arguments and the bytes that it sends.
struct Inputs {
    var object: UInt64 = 0
    var hash: UInt64 = 0
    var value: UInt64 = 0

    /// `result` says how much was sent, and whether pointers were good.
    @_noLocks init(_ row: Row, _ f: Frame, result: Int64) {
        var left = UInt32(row.pointee.compared)
        if row.pointee.usual == 0 { leaveOut(f, result, &left) }
        take(left, row, f, result)
    }

    /// The same of a `usual` row: its `values` are mixed without a look at roles, and what is sent from one buffer is hashed at once.
    @inline(__always) @_noLocks init(usual row: Row, _ f: Frame, result: Int64) {
        var values = UInt32(row.pointee.values)
        while values != 0 {
            mix(argument(f, values.trailingZeroBitCount))
            values &= values &- 1
        }
        let others = row.pointee.compared & ~row.pointee.values
        if row.pointee.args.0.role == CASTOR_ARG_FD, others == 0b1 {
            object = f.pointee.a0 & 0xffff_ffff
        } else if row.pointee.args.0.role == CASTOR_ARG_FD, row.pointee.args.1.role == CASTOR_ARG_IN, others == 0b11 {
            object = f.pointee.a0 & 0xffff_ffff
            if f.pointee.a1 != 0, result >= 0 { hash = castor_hash(memory(f.pointee.a1), sent(row.pointee.args.1, f, 1, result)) }
        } else {
            take(UInt32(others), row, f, result)
        }
    }

    /// Bytes of an IN argument: what was sent may be less than what was to be; an address or option is taken whole.
    @inline(__always) @_noLocks private func sent(_ r: castor_argument, _ f: Frame, _ i: Int, _ result: Int64) -> UInt64 {
        var asked = argument(f, Int(r.aux))
        if f.pointee.nr == UInt64(SYS_msgsnd) { asked &+= 8 }  // the type before the text
        return i == 1 && result > 0 ? min(UInt64(result), asked) : asked
    }

    @inline(never) @_noLocks private mutating func take(_ arguments: UInt32, _ row: Row, _ f: Frame, _ result: Int64) {
        var left = arguments
        var hasContent = false
        while left != 0 {
            let i = left.trailingZeroBitCount
            left &= left &- 1
            let r = role(row, i)
            var a = argument(f, i)
            // libc's syscall() takes the sixth argument from the stack, with garbage above an int: FUTEX_WAIT_BITSET's.
            if i == 5, f.pointee.nr == UInt64(SYS_futex) { a &= 0xffff_ffff }
            switch r.role {
            case CASTOR_ARG_FD:
                if i == 0 { object = a & 0xffff_ffff } else { mix(a & 0xffff_ffff) }
            case CASTOR_ARG_VALUE:
                if i == 0 {
                    object = namesClock(f.pointee.nr) ? clockWithoutId(a) : a
                } else if i == 1 {
                    hash ^= a
                } else {
                    mix(a)
                }
            case CASTOR_ARG_PATH:
                if a != 0, result != Errno.badAddress {
                    content(castor_hash_path(memory(a).assumingMemoryBound(to: CChar.self)), &hasContent)
                }
            case CASTOR_ARG_IN:
                if a != 0, result >= 0 { content(castor_hash(memory(a), sent(r, f, i, result)), &hasContent) }
            case CASTOR_ARG_IN_FIXED:
                // Structs with padding hold stack garbage there: of epoll_event only the event mask is compared, and
                // nothing when the descriptor is removed (EPOLL_CTL_DEL).
                let isIgnored = f.pointee.nr == UInt64(SYS_epoll_ctl) && f.pointee.a1 & 0xffff_ffff == 2
                if a != 0, result != Errno.badAddress, !isIgnored, !isOverwritten(row, f, i, a) {
                    content(castor_hash(memory(a), r.size == 12 ? 4 : UInt64(r.size)), &hasContent)
                }
            case CASTOR_ARG_IN_IOV:
                if result > 0 {
                    content(hash(vector: a, count: argument(f, Int(r.aux)), bytes: UInt64(result)), &hasContent)
                }
            case CASTOR_ARG_IN_MSG:
                if a != 0, result > 0 {
                    let m = words(a)  // msg_iov at 16, msg_iovlen at 24
                    content(hash(vector: m[2], count: m[3], bytes: UInt64(result)), &hasContent)
                }
            case CASTOR_ARG_IN_MMSG:
                var k: UInt64 = 0
                while result > 0, k < UInt64(result) {
                    let m = words(a &+ k &* 64)
                    content(hash(vector: m[2], count: m[3], bytes: UInt64.max), &hasContent)
                    k &+= 1
                }
            default: break
            }
        }
    }

    /// Arguments that this call does not have, or that hold garbage.
    @inline(never) @_noLocks private mutating func leaveOut(_ f: Frame, _ result: Int64, _ arguments: inout UInt32) {
        switch Int32(truncatingIfNeeded: f.pointee.nr) {
        // The mode of open is garbage unless a file may be made (O_CREAT, O_TMPFILE).
        case SYS_open: if f.pointee.a1 & 0x40_0040 == 0 { arguments &= 0b11 }
        case SYS_openat: if f.pointee.a2 & 0x40_0040 == 0 { arguments &= 0b111 }
        case SYS_utimensat where f.pointee.a2 != 0 && result == 0:
            // The seconds of a time that is now (UTIME_NOW) or stays (UTIME_OMIT) are garbage.
            let times = words(f.pointee.a2)
            if times[1] & ~1 == 0x3fff_fffe || times[3] & ~1 == 0x3fff_fffe { arguments &= 0b11 }
            mix(times[1])
            mix(times[3])
        case SYS_mremap: if f.pointee.a3 & 2 == 0 { arguments &= 0b1111 }  // an address with MREMAP_FIXED alone
        case SYS_futex:
            // Most operations have three arguments, and garbage in the registers of the others.
            switch f.pointee.a1 & 127 {
            case 3, 4, 5, 11, 12: break  // with a second word: requeue, wake and operate
            case 9, 10: arguments &= ~0b1_0000  // with a bit set
            default: arguments &= 0b111
            }
        default: break
        }
    }

    /// clock_settime, clock_gettime, clock_getres, clock_nanosleep, timer_create, clock_adjtime.
    @inline(__always) @_noLocks private func namesClock(_ nr: UInt64) -> Bool {
        (nr >= UInt64(SYS_clock_settime) && nr <= UInt64(SYS_clock_nanosleep)) || nr == UInt64(SYS_timer_create)
            || nr == UInt64(SYS_clock_adjtime)
    }

    /// Whether the call put its output into the place of this input, as in nanosleep(&time, &time).
    @_noLocks private func isOverwritten(_ row: Row, _ f: Frame, _ index: Int, _ a: UInt64) -> Bool {
        var i = 0
        while i < Int(row.pointee.count) {
            let other = role(row, i).role
            if i != index, argument(f, i) == a, other >= CASTOR_ARG_OUT { return true }
            i &+= 1
        }
        return false
    }

    @inline(__always) @_noLocks private mutating func mix(_ a: UInt64) { value = (value << 17 | value >> 47) ^ a }
    @inline(__always) @_noLocks private mutating func content(_ h: UInt64, _ has: inout Bool) {
        hash = has ? (hash << 13 | hash >> 51) ^ h : hash ^ h
        has = true
    }
    @_noLocks private func hash(vector: UInt64, count: UInt64, bytes: UInt64) -> UInt64 {
        var left = bytes
        var h: UInt64 = 0
        var i: UInt64 = 0
        while i < count, left > 0 {
            let v = words(vector &+ i &* 16)
            let n = min(v[1], left)
            if n > 0 { h = castor_hash_seeded(memory(v[0]), n, h) }
            left &-= n
            i &+= 1
        }
        return h
    }
}

/// Where output bytes go to or come from.
struct Port {
    enum Direction { case measure, store, load }
    let direction: Direction
    var total: UInt64 = 0
    var writer: PayloadWriter
    var reader: PayloadReader

    @inline(__always) @_noLocks init(measuring ring: Ring) {
        direction = .measure
        writer = PayloadWriter(ring)
        reader = PayloadReader(ring, castor_entry())
    }
    @inline(__always) @_noLocks init(storing ring: Ring) {
        direction = .store
        writer = PayloadWriter(ring)
        reader = PayloadReader(ring, castor_entry())
    }
    @inline(__always) @_noLocks init(loading ring: Ring, _ entry: castor_entry) {
        direction = .load
        writer = PayloadWriter(ring)
        reader = PayloadReader(ring, entry)
    }

    /// Bytes whose number only the recording can find out: all that is left of the payload.
    @inline(__always) @_noLocks mutating func rest(_ at: UInt64, _ length: UInt64) {
        bytes(at, direction == .load ? reader.left : length)
    }

    @inline(__always) @_noLocks mutating func bytes(_ at: UInt64, _ length: UInt64) {
        if at == 0 || length == 0 { return }
        switch direction {
        case .measure: total &+= length
        case .store: writer.put(at, length)
        case .load: reader.take(at, length)
        }
    }

    /// An input string, stored for people who read the log: four bytes of length, then its bytes.
    @_noLocks mutating func text(_ at: UInt64) {
        var n = at == 0 ? 0 : UInt32(truncatingIfNeeded: castor_length(memory(at).assumingMemoryBound(to: CChar.self)))
        let mine = n
        withUnsafeMutablePointer(to: &n) { bytes(address($0), 4) }
        if direction == .load { reader.take(0, UInt64(n)) } else { bytes(at, UInt64(mine)) }
    }

    /// `bytes` bytes over an iovec array.
    @_noLocks mutating func vector(_ at: UInt64, count: UInt64, bytes length: UInt64) {
        var left = length
        var i: UInt64 = 0
        while i < count, left > 0 {
            let v = words(at &+ i &* 16)
            let n = min(v[1], left)
            bytes(v[0], n)
            left &-= n
            i &+= 1
        }
    }

    /// A received msghdr: name length, control length and flags, then name, data and control bytes.
    @_noLocks mutating func message(_ at: UInt64, nameRoom: UInt64, controlRoom: UInt64, bytes length: UInt64) {
        bytes(at &+ 8, 4)
        bytes(at &+ 40, 8)
        bytes(at &+ 48, 4)
        let m = words(at)
        bytes(m[0], min(nameRoom, m[1] & 0xffff_ffff))
        vector(m[2], count: m[3], bytes: length)
        let control = min(controlRoom, m[5])
        bytes(m[4], control)
        if m[4] != 0 && control >= 16 { descriptors(m[4], control) }
    }

    /// Descriptors that came with a message, and what kind of file each one is.
    @_noLocks private mutating func descriptors(_ at: UInt64, _ length: UInt64) {
        var offset: UInt64 = 0
        while offset &+ 16 <= length {
            let head = at &+ offset  // struct cmsghdr: length, level, type
            let n = words(head)[0]
            if n < 16 || offset &+ n > length { return }
            if halves(head)[2] == 1, halves(head)[3] == 1 {  // SOL_SOCKET, SCM_RIGHTS
                var i: UInt64 = 16
                while i &+ 4 <= n {
                    let fd = Int64(halves(head &+ i)[0])
                    var kind = direction == .store ? Descriptors.kind(ofReceived: UInt64(fd)) : DescriptorKind.ipc
                    withUnsafeMutablePointer(to: &kind) { bytes(address($0), 4) }
                    if direction != .measure { Descriptors.opened(fd, kind) }
                    i &+= 4
                }
            }
            offset &+= (n &+ 7) & ~7
        }
    }
}

/// Messages of one recvmmsg whose room for a name is kept; further ones are taken to have a sockaddr_storage's.
private let keptNames: UInt64 = 10

/// Lengths that the call overwrites are kept before it.
@inline(__always) @_noLocks func keepLengths(_ row: Row, _ f: Frame) {
    if row.pointee.kept != 0 { keep(row, f) }
}
@inline(never) @_noLocks private func keep(_ row: Row, _ f: Frame) {
    var left = UInt32(row.pointee.kept)
    while left != 0 {
        let i = left.trailingZeroBitCount
        left &= left &- 1
        let r = role(row, i)
        let a = argument(f, i)
        if r.role == CASTOR_ARG_OUT_SOCKLEN {
            let at = argument(f, Int(r.aux))
            scratch(f)[0] = at == 0 || a == 0 ? 0 : UInt64(halves(at)[0])
        } else if r.role == CASTOR_ARG_OUT_MSG, a != 0 {
            scratch(f)[0] = words(a)[1] & 0xffff_ffff
            scratch(f)[1] = words(a)[5]
        } else if r.role == CASTOR_ARG_OUT_MMSG, a != 0 {
            var k: UInt64 = 0
            while k < min(argument(f, Int(r.aux)) & 0xffff_ffff, keptNames) {
                scratch(f)[Int(k)] = words(a &+ k &* 64)[1] & 0xffff_ffff
                k &+= 1
            }
        }
    }
}

/// Bytes of an OUT argument. A result may be larger than the room given (MSG_TRUNC, size queries).
@inline(__always) @_noLocks func lengthOut(_ row: Row, _ f: Frame, _ i: Int, _ r: castor_argument, _ result: UInt64) -> UInt64 {
    let room = i < 5 && role(row, i &+ 1).role == CASTOR_ARG_VALUE ? argument(f, i &+ 1) & 0xffff_ffff_ffff : result
    return min(result, room) &* (r.size == 0 ? 1 : UInt64(r.size))
}

/// Walks over everything that the call put into memory.
@_noLocks func visitOutputs(_ row: Row, _ f: Frame, _ port: inout Port) {
    let result = f.pointee.result
    if result < 0 { visitFailed(f, &port) }
    if f.pointee.nr == UInt64(SYS_getgroups), f.pointee.a0 == 0 { return }  // only counts them
    var left = UInt32(row.pointee.stored)
    while left != 0 {
        let i = left.trailingZeroBitCount
        left &= left &- 1
        let r = role(row, i)
        let a = argument(f, i)
        if r.role == CASTOR_ARG_PATH {
            if result != Errno.badAddress { port.text(a) }
        } else if r.role == CASTOR_ARG_OUT_EINTR {
            if result == Errno.interrupted { port.bytes(a, UInt64(r.size)) }
        } else if result >= 0 {
            output(row, f, i, r, a, UInt64(result), &port)
        }
    }
}

@inline(__always) @_noLocks private func output(
    _ row: Row, _ f: Frame, _ i: Int, _ r: castor_argument, _ a: UInt64, _ result: UInt64, _ port: inout Port
) {
    let size = r.size == 0 ? 1 : UInt64(r.size)
    switch r.role {
    case CASTOR_ARG_OUT: port.bytes(a, lengthOut(row, f, i, r, result))
    case CASTOR_ARG_OUT_LEN, CASTOR_ARG_INOUT_LEN: port.bytes(a, argument(f, Int(r.aux)) &* size)
    case CASTOR_ARG_OUT_FIXED, CASTOR_ARG_INOUT_FIXED: port.bytes(a, UInt64(r.size))
    case CASTOR_ARG_OUT_IOV: port.vector(a, count: argument(f, Int(r.aux)), bytes: result)
    case CASTOR_ARG_OUT_MSG: port.message(a, nameRoom: scratch(f)[0], controlRoom: scratch(f)[1], bytes: result)
    case CASTOR_ARG_OUT_MMSG:
        var k: UInt64 = 0
        while k < result {
            let at = a &+ k &* 64
            port.bytes(at &+ 56, 4)
            port.message(
                at, nameRoom: k < keptNames ? scratch(f)[Int(k)] : 128, controlRoom: words(at)[5],
                bytes: words(at)[7] & 0xffff_ffff)
            k &+= 1
        }
    case CASTOR_ARG_IN_MMSG:
        var k: UInt64 = 0
        while k < result {
            port.bytes(a &+ k &* 64 &+ 56, 4)
            k &+= 1
        }
    case CASTOR_ARG_OUT_SOCKLEN:
        let at = argument(f, Int(r.aux))
        if at != 0 && a != 0 {
            port.bytes(at, 4)
            port.bytes(a, min(scratch(f)[0], UInt64(halves(at)[0])))
        }
    case CASTOR_ARG_FDSET: port.bytes(a, (argument(f, Int(r.aux)) &+ 63) / 64 &* 8)
    case CASTOR_ARG_SPECIAL: visitSpecial(f, i, &port)
    case CASTOR_ARG_IN_FIXED where givesEvent(f):
        if port.direction == .load { keepToken(f, a, &port.reader) } else { port.bytes(a, UInt64(r.size)) }
    default: break
    }
}
