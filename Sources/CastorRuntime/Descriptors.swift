/// The descriptor table: which open file description each descriptor names, so that both ends of a pipe and every
/// duplicate share one order, and so that replay knows which writes to show again.
import CTSXGate
import CTSXShim

enum DescriptorKind {
    static let plain: UInt32 = 0
    /// Connects threads or processes of the recording: pipe, socketpair, eventfd, epoll…
    static let ipc: UInt32 = 1
    static let standardOutput: UInt32 = 2
    static let standardError: UInt32 = 3
    /// A file of which there is a shared mapping.
    static let mapped: UInt32 = 4
    /// A socket that leads out of the recording.
    static let network: UInt32 = 5
    /// Nothing any more, but the object that was closed: the next one to get the number comes after its close.
    static let closed = CASTOR_DESCRIPTOR_CLOSED
    static let closedIPC = CASTOR_DESCRIPTOR_CLOSED &+ 1

    @inline(__always) @_noLocks static func isStandard(_ kind: UInt32) -> Bool {
        kind == standardOutput || kind == standardError
    }
}

enum Descriptors {
    @_noLocks static func start() {
        process.pointee.next_object = standardObject(DescriptorKind.standardError) &+ 1
        opened(1, DescriptorKind.standardOutput)
        opened(2, DescriptorKind.standardError)
    }

    @inline(__always) @_noLocks static func kind(_ fd: UInt64) -> UInt32 {
        castor_descriptor(fd & 0xffff_ffff).pointee & 15
    }

    @inline(__always) @_noLocks static func shard(_ fd: UInt64) -> UInt32 {
        let word = castor_descriptor(fd & 0xffff_ffff).pointee
        if word & 15 == DescriptorKind.ipc || word & 15 == DescriptorKind.closedIPC { return CASTOR_SHARD_IPC }
        return CastorRuntime.shard(ofObject: word >> 4)
    }

    @inline(__always) @_noLocks static func closed(_ fd: UInt64) {
        let word = castor_descriptor(fd)
        let isIPC = word.pointee & 15 == DescriptorKind.ipc
        word.pointee = word.pointee & ~15 | (isIPC ? DescriptorKind.closedIPC : DescriptorKind.closed)
    }

    @_noLocks static func opened(_ fd: Int64, _ kind: UInt32) {
        if fd < 0 { return }
        let isStandard = DescriptorKind.isStandard(kind)
        let object =
            isStandard ? standardObject(kind) : castor_fetch_add32(castor_process_next_object(process), 1)
        castor_descriptor(UInt64(fd)).pointee = object << 4 | kind
    }

    /// A standard stream is one object in all processes, by whatever way a descriptor of it came.
    @inline(__always) @_noLocks private static func standardObject(_ kind: UInt32) -> UInt32 { kind &- 1 }

    @_noLocks static func pair(_ at: UInt64) {
        let fds = halves(at)
        opened(Int64(fds[0]), DescriptorKind.ipc)
        castor_descriptor(UInt64(fds[1])).pointee = castor_descriptor(UInt64(fds[0])).pointee
    }

    /// The kind of a descriptor that another process gave to this one.
    @_noLocks static func kind(ofReceived fd: UInt64) -> UInt32 {
        var standard: UInt64 = 1
        while standard <= 2 {
            let own = UInt64(process.pointee.pid)
            if DescriptorKind.isStandard(kind(standard)), kernel(SYS_kcmp, own, own, 0, fd, standard) == 0 {
                return kind(standard)
            }
            standard &+= 1
        }
        return DescriptorKind.ipc
    }

    /// Opened by a name of one of the process's own descriptors, /dev/stdout above all: the same file.
    @_noLocks private static func word(named path: UInt64) -> UInt32 {
        if equal(path, "/dev/stdout", 12) { return castor_descriptor(1).pointee }
        if equal(path, "/dev/stderr", 12) { return castor_descriptor(2).pointee }
        var digit: UInt64 = 0
        if equal(path, "/dev/fd/", 8) { digit = path &+ 8 }
        if equal(path, "/proc/self/fd/", 14) { digit = path &+ 14 }
        if digit == 0 { return 0 }
        let text = memory(digit).assumingMemoryBound(to: UInt8.self)
        return text[0] >= 48 && text[0] <= 57 && text[1] == 0 ? castor_descriptor(UInt64(text[0] &- 48)).pointee : 0
    }
    @_noLocks private static func equal(_ at: UInt64, _ text: StaticString, _ length: Int) -> Bool {
        let bytes = memory(at).assumingMemoryBound(to: UInt8.self)
        var i = 0
        while i < length {
            if bytes[i] != text.utf8Start[i] { return false }
            i &+= 1
        }
        return true
    }

    // MARK: - Order of the standard streams

    // A version is taken before a write starts, and two threads may reach the kernel the other way round. What replay
    // shows again must come in the order in which it came out, so these two streams are written one at a time.

    @inline(never) @_noLocks static func enterOutput(_ me: Thread, _ kind: UInt32) {
        let index = Int(kind &- standardOutputKind)
        let word = castor_segment_writing(segment) + index
        while castor_cas32(word, 0, me.pointee.tid) == 0 {
            let holder = castor_load32(word)
            if holder == 0 { continue }
            sleepOn(address(word), holder, milliseconds: 100)
            // A holder that was killed in its write does not come back.
            if kernel(SYS_tkill, UInt64(holder), 0) == Errno.noSuchProcess { _ = castor_cas32(word, holder, 0) }
        }
        me.pointee.writing = UInt8(index &+ 1)
    }
    @inline(never) @_noLocks static func leaveOutput(_ me: Thread) {
        let word = castor_segment_writing(segment) + Int(me.pointee.writing &- 1)
        me.pointee.writing = 0
        castor_store32(word, 0)
        wakeAll(address(word))
    }
    private static var standardOutputKind: UInt32 { DescriptorKind.standardOutput }

    // MARK: - Reuse of numbers

    // Whoever gets a number from the kernel comes after its close by another thread, and so does what he finds in a table
    // of the program that has the number as its index. The event that says so stands before the call's own.

    @inline(__always) @_noLocks static func recordReuse(_ me: Thread, _ row: Row, _ f: Frame) {
        if f.pointee.result < 0 { return }
        switch row.pointee.descriptors {
        case CASTOR_FD_OPENS, CASTOR_FD_OPENS_IPC, CASTOR_FD_DUPS: follow(me, f, UInt64(f.pointee.result))
        case CASTOR_FD_FCNTL where f.pointee.a1 == 0 || f.pointee.a1 == 1030: follow(me, f, UInt64(f.pointee.result))
        case CASTOR_FD_PAIR0, CASTOR_FD_PAIR3:
            let fds = halves(row.pointee.descriptors == CASTOR_FD_PAIR0 ? f.pointee.a0 : f.pointee.a3)
            follow(me, f, UInt64(fds[0]))
            follow(me, f, UInt64(fds[1]))
        default: break
        }
    }
    @_noLocks private static func follow(_ me: Thread, _ f: Frame, _ fd: UInt64) {
        let kind = kind(fd)
        guard kind == DescriptorKind.closed || kind == DescriptorKind.closedIPC, let ring = me.pointee.ring else { return }
        recordBegin(me, f)  // the call's own place may be one from before it started
        guard ring.hasRoom() else { return }
        ring.next.pointee = attempt(CASTOR_EV_SYSCALL_BEGIN, UInt16(truncatingIfNeeded: f.pointee.nr), fd)
        ring.next.pointee.shard = shard(fd)
        ring.next.pointee.version = takeVersion(shard(fd))
        ring.next.pointee.stamp = castor_rdtsc()
        ring.publishEvent()
    }

    /// A socket of the Internet's families or of a local name, or a connection that one of them accepted.
    @inline(__always) @_noLocks private static func isNetwork(_ f: Frame) -> Bool {
        switch Int32(truncatingIfNeeded: f.pointee.nr) {
        case SYS_socket: return f.pointee.a0 == 1 || f.pointee.a0 == 2 || f.pointee.a0 == 10
        case SYS_accept, SYS_accept4: return true
        default: return false
        }
    }

    /// Applies a call's effect on the table, the same way while recording and on replay.
    @_noLocks static func apply(_ row: Row, _ f: Frame) {
        let result = f.pointee.result
        if result < 0 { return }
        if f.pointee.nr == UInt64(SYS_close_range), f.pointee.a2 & 4 == 0 {  // without CLOSE_RANGE_CLOEXEC
            var fd = f.pointee.a0 & 0xffff_ffff
            while fd <= min(f.pointee.a1 & 0xffff_ffff, UInt64(CASTOR_DESCRIPTORS) &- 1) {
                closed(fd)
                fd &+= 1
            }
        }
        switch row.pointee.descriptors {
        case CASTOR_FD_OPENS:
            opened(result, isNetwork(f) ? DescriptorKind.network : DescriptorKind.plain)
            var path: UInt64 = 0
            if f.pointee.nr == UInt64(SYS_open) { path = f.pointee.a0 }
            if f.pointee.nr == UInt64(SYS_openat) { path = f.pointee.a1 }
            if path != 0, case let same = word(named: path), DescriptorKind.isStandard(same & 15) {
                castor_descriptor(UInt64(result)).pointee = same
            }
        case CASTOR_FD_OPENS_IPC: opened(result, DescriptorKind.ipc)
        case CASTOR_FD_PAIR0: pair(f.pointee.a0)
        case CASTOR_FD_PAIR3: pair(f.pointee.a3)
        case CASTOR_FD_DUPS:
            castor_descriptor(UInt64(result)).pointee = castor_descriptor(f.pointee.a0 & 0xffff_ffff).pointee
        case CASTOR_FD_FCNTL where f.pointee.a1 == 0 || f.pointee.a1 == 1030:  // F_DUPFD, F_DUPFD_CLOEXEC
            castor_descriptor(UInt64(result)).pointee = castor_descriptor(f.pointee.a0 & 0xffff_ffff).pointee
        case CASTOR_FD_CLOSES: closed(f.pointee.a0 & 0xffff_ffff)
        default: break
        }
    }
}

@inline(__always) @_noLocks func shard(ofObject object: UInt32) -> UInt32 {
    CASTOR_SHARD_FIRST &+ object % (CASTOR_SHARD_ATOMICS &- CASTOR_SHARD_FIRST)
}
