/// The address space: replay puts every mapping where it was. Object files are mapped again from their place; the
/// content of other files is in the log.
import CTSXGate
import CTSXShim

private let protRead: UInt64 = 1
private let protWrite: UInt64 = 2
private let protExecute: UInt64 = 4
private let mapFixed: UInt64 = 0x10
private let mapAnonymous: UInt64 = 0x20
private let mapNoReplace: UInt64 = 0x10_0000

/// A recorded mapping of a file: what goes into the event's payload.
struct Mapping {
    var flags: UInt32 = 0
    var length: UInt64 = 0
    private var from: UInt64 = 0
    private var shared = castor_shared_map()

    @inline(__always) @_noLocks init() {}

    @inline(never) @_noLocks init(attaching f: Frame) {
        process.pointee.unowned = 1
        guard f.pointee.result > 0, let map = sharedMapping(ofSegment: f.pointee.a0) else { return }
        share(map, UInt64(f.pointee.result))
    }

    @_noLocks private mutating func share(_ map: castor_shared_map, _ at: UInt64) {
        flags = CASTOR_MAP_SHARED
        shared = map
        from = at
        length = UInt64(MemoryLayout<castor_shared_map>.size) &+ map.length
    }

    /// Not so what is only read and lies in a file of a disk, as the C library's tables do.
    @_noLocks private func othersMayWrite(_ f: Frame) -> Bool {
        if f.pointee.a3 & mapAnonymous != 0 || f.pointee.a2 & protWrite != 0 { return true }
        var status: InlineArray<15, UInt64> = .init(repeating: 0)  // struct statfs: f_type first
        return withUnsafeMutablePointer(to: &status) { p in
            kernel(SYS_fstatfs, f.pointee.a4 & 0xffff_ffff, address(p)) != 0 || words(address(p))[0] == 0x0102_1994  // TMPFS_MAGIC
        }
    }

    /// Object files that the loader maps, or that are to run, are mapped again from their place; those that a linker or a
    /// debugger reads are data like any other.
    @inline(__always) @_noLocks private func isLoaded(_ f: Frame) -> Bool {
        f.pointee.a2 & protExecute != 0
            || (f.pointee.site >= process.pointee.loader_start && f.pointee.site < process.pointee.loader_end)
    }

    @inline(never) @_noLocks init(recording f: Frame) {
        if isShared(f.pointee.a3), othersMayWrite(f) { process.pointee.unowned = 1 }
        guard f.pointee.result > 0, f.pointee.a3 & mapAnonymous == 0 else { return }
        let fd = f.pointee.a4 & 0xffff_ffff
        var magic: UInt32 = 0
        let got = withUnsafeMutablePointer(to: &magic) { kernel(SYS_pread64, fd, address($0), 4, 0) }
        if got == 4, magic == 0x464c_457f, isLoaded(f) {
            flags = CASTOR_MAP_BINARY
            // The path goes through the ring from a static place: mmap of libraries is serialised by the loader.
            from = fd
            length = 4096
        } else if isShared(f.pointee.a3), f.pointee.a2 & protRead != 0,
            let map = sharedMapping(ofFile: fd, offset: f.pointee.a5, size: f.pointee.a1)
        {
            share(map, UInt64(f.pointee.result) &+ map.from &- f.pointee.a5)
            let word = castor_descriptor(fd)
            if word.pointee & 15 == DescriptorKind.plain { word.pointee |= DescriptorKind.mapped }
        } else if f.pointee.a2 & protRead != 0 {
            flags = CASTOR_MAP_CONTENT
            from = UInt64(f.pointee.result)
            length = min(f.pointee.a1, fileBytes(fd, beyond: f.pointee.a5))
        }
    }

    @_noLocks func store(_ writer: inout PayloadWriter) {
        if flags == CASTOR_MAP_CONTENT { writer.put(from, length) }
        if flags == CASTOR_MAP_SHARED {
            var map = shared
            withUnsafeMutablePointer(to: &map) { writer.put(address($0), UInt64(MemoryLayout<castor_shared_map>.size)) }
            writer.put(from, shared.length)
        }
        if flags == CASTOR_MAP_BINARY {
            withPath(of: from) { writer.put(address($0), 4096) }
        }
    }
}

/// Bytes of the file behind `fd` from `offset` on.
@_noLocks private func fileBytes(_ fd: UInt64, beyond offset: UInt64) -> UInt64 {
    var status: InlineArray<18, UInt64> = .init(repeating: 0)  // struct stat: st_size at 48
    let size = withUnsafeMutablePointer(to: &status) { p -> UInt64 in
        let at = address(p)
        return kernel(SYS_fstat, fd, at) < 0 ? 0 : words(at)[6]
    }
    return size > offset ? size &- offset : 0
}

/// The path of an open file, NUL-terminated in 4096 bytes.
@_noLocks private func withPath(of fd: UInt64, _ body: (UnsafeMutableRawPointer) -> Void) {
    var text: InlineArray<528, UInt64> = .init(repeating: 0)  // "/proc/self/fd/N" in the last 16 words
    withUnsafeMutablePointer(to: &text) { p in
        let at = address(p)
        let link = memory(at &+ 4096).assumingMemoryBound(to: UInt8.self)
        castor_copy(link, StaticString("/proc/self/fd/").utf8Start, 14)
        var n = 14
        var divisor: UInt64 = 1_000_000
        while divisor > 0 {
            if fd >= divisor || divisor == 1 {
                link[n] = UInt8(truncatingIfNeeded: 48 &+ fd / divisor % 10)
                n &+= 1
            }
            divisor /= 10
        }
        link[n] = 0
        kernel(SYS_readlink, at &+ 4096, at, 4095)
        body(memory(at))
    }
}

/// A mapping that may be executed is rewritten before it runs, as far as the file behind it goes: the loader maps the
/// whole span of a library at first, and what lies beyond its end cannot be touched.
@_noLocks func mapped(_ f: Frame, file fd: UInt64) {
    if f.pointee.result > 0, f.pointee.a2 & protExecute != 0, f.pointee.a3 & mapAnonymous == 0 {
        let at = UInt64(f.pointee.result)
        castor_patch(at, at &+ min(f.pointee.a1, fileBytes(fd, beyond: f.pointee.a5)))
    }
}

/// mmap, mremap and brk on replay: at the recorded address, or the address space has left the recording.
@_noLocks func replayMapping(_ me: Thread, _ f: Frame, _ entry: castor_entry) {
    let ring = me.pointee.ring.unsafelyUnwrapped
    var result = entry.result
    switch Int32(truncatingIfNeeded: f.pointee.nr) {
    case SYS_brk: result = kernel(SYS_brk, f.pointee.a0)
    case SYS_mremap where result > 0:
        if result == Int64(f.pointee.a0) {
            result = kernel(SYS_mremap, f.pointee.a0, f.pointee.a1, f.pointee.a2, f.pointee.a3, f.pointee.a4)
        } else {
            result = kernel(SYS_mremap, f.pointee.a0, f.pointee.a1, f.pointee.a2, f.pointee.a3 | 3, UInt64(result))
        }
    case SYS_mmap where result > 0:
        if entry.flags & CASTOR_MAP_CONTENT != 0 {
            mapContent(ring, f, entry)
            return
        }
        if entry.flags & CASTOR_MAP_SHARED != 0 {
            mapShared(ring, f, entry)
            return
        }
        result = entry.flags & CASTOR_MAP_BINARY != 0 ? mapBinary(me, ring, f, entry) : mapAnywhere(f, entry)
    case SYS_shmat where result > 0:
        if entry.flags & CASTOR_MAP_SHARED != 0 {
            mapShared(ring, f, entry)
            return
        }
    case SYS_shmdt where result == 0: detach(f.pointee.a0)
    default: break
    }
    if isLenient {
        f.pointee.result = result
    } else if result != entry.result {
        var actual = attempt(CASTOR_EV_SYSCALL, entry.nr, entry.object, entry.hash, entry.value)
        actual.result = result
        diverge(CASTOR_DIVERGENCE_ARGUMENT, me, expected: entry, actual: actual, frame: f, "address of the mapping")
    }
    finishEvent(me, ring, entry)
}

@_noLocks private func fixed(_ flags: UInt64) -> UInt64 { (flags | mapFixed) & ~mapNoReplace }

/// Where the recording had it; in another build where the kernel finds room.
@_noLocks private func place(_ f: Frame, _ entry: castor_entry, _ size: UInt64) -> UInt64 {
    if !isLenient { return UInt64(entry.result) }
    let isSegment = f.pointee.nr == UInt64(SYS_shmat)
    let wanted = isSegment ? f.pointee.a1 : f.pointee.a0
    let privately: UInt64 = 2
    if !isSegment, f.pointee.a3 & mapFixed != 0 {
        f.pointee.result = Int64(f.pointee.a0)
    } else {
        f.pointee.result = kernel(SYS_mmap, wanted, size, 0, privately | mapAnonymous, UInt64.max, 0)
    }
    return UInt64(bitPattern: f.pointee.result)
}

@_noLocks private func mapAnywhere(_ f: Frame, _ entry: castor_entry) -> Int64 {
    kernel(
        SYS_mmap, UInt64(entry.result), f.pointee.a1, f.pointee.a2, fixed(f.pointee.a3) | mapAnonymous, UInt64.max, 0)
}

@_noLocks private func mapContent(_ ring: Ring, _ f: Frame, _ entry: castor_entry) {
    let at = place(f, entry, f.pointee.a1)
    kernel(SYS_mmap, at, f.pointee.a1, protRead | protWrite, fixed(f.pointee.a3) | mapAnonymous, UInt64.max, 0)
    var reader = PayloadReader(ring, entry)
    reader.take(at, UInt64(entry.payload))
    reader.finish()
    kernel(SYS_mprotect, at, f.pointee.a1, f.pointee.a2)
}

/// A shared mapping of a file, or System V memory attached.
@_noLocks private func mapShared(_ ring: Ring, _ f: Frame, _ entry: castor_entry) {
    var reader = PayloadReader(ring, entry)
    var map = castor_shared_map()
    withUnsafeMutablePointer(to: &map) { reader.take(address($0), UInt64(MemoryLayout<castor_shared_map>.size)) }
    let at = place(f, entry, map.size)
    let isSegment = f.pointee.nr == UInt64(SYS_shmat)
    let readOnly: UInt64 = 0o10000
    let executable: UInt64 = 0o100000
    let write = f.pointee.a2 & readOnly == 0 ? protWrite : 0
    let execute = f.pointee.a2 & executable == 0 ? 0 : protExecute
    let protection = isSegment ? protRead | write | execute : f.pointee.a2
    let offset = isSegment ? 0 : f.pointee.a5
    let isMapped = mapPart(
        map, at: at, offset: offset, protection: protection, &reader)
    if !isMapped {
        kernel(SYS_mmap, at, map.size, protRead | protWrite, 1 | mapFixed | mapAnonymous, UInt64.max, 0)
        reader.take(at &+ map.from &- offset, map.length)
        kernel(SYS_mprotect, at, map.size, protection)
    }
    reader.finish()
    if isTotal { passTotal() }
    if isSegment { attached(at, map.size) }
}

@_noLocks private func mapBinary(_ me: Thread, _ ring: Ring, _ f: Frame, _ entry: castor_entry) -> Int64 {
    var path: InlineArray<512, UInt64> = .init(repeating: 0)
    return withUnsafeMutablePointer(to: &path) { p in
        let at = address(p)
        // A copy: the ring's lines stay, for the payload is given back with the entry.
        peekPayload(ring, at, 4096)
        let fd = kernel(SYS_open, at, 0x80000, 0)
        if fd < 0 {
            say("castor: cannot open a recorded library: ", memory(at).assumingMemoryBound(to: CChar.self))
            diverge(
                CASTOR_DIVERGENCE_BINARY, me, expected: entry, actual: attempt(CASTOR_EV_SYSCALL, entry.nr), frame: f,
                "a library that the recorded program loaded is missing")
        }
        let r =
            isLenient
            ? kernel(SYS_mmap, f.pointee.a0, f.pointee.a1, f.pointee.a2, f.pointee.a3, UInt64(fd), f.pointee.a5)
            : kernel(
                SYS_mmap, UInt64(entry.result), f.pointee.a1, f.pointee.a2, fixed(f.pointee.a3), UInt64(fd),
                f.pointee.a5)
        if isLenient { f.pointee.result = r }
        if r == f.pointee.result { mapped(f, file: UInt64(fd)) }
        kernel(SYS_close, UInt64(fd))
        return r
    }
}

/// Copies `length` bytes that follow the current entry, without consuming them. They must fit half the ring.
@_noLocks private func peekPayload(_ ring: Ring, _ to: UInt64, _ length: UInt64) {
    var i: UInt64 = 0
    while i < castor_lines(length) {
        let line = ring.pointee.head &+ 1 &+ i
        ring.waitForFeed(line)
        castor_copy(memory(to &+ i &* 64), castor_slot(ring, line), 64)
        i &+= 1
    }
}
