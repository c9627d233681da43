/// Memory that several processes map for themselves: files mapped shared, memfds, POSIX and System V shared memory.
/// On replay each file or segment has a part of castor's own segment to itself, mapped once more wherever a process had
/// mapped it, so that what one writes the others see. Its content is logged when it is first mapped; from then on only
/// what the recorded processes write through mappings is followed.
import CTSXGate
import CTSXShim

private let mapTypeMask: UInt64 = 0xf
private let systemV: UInt64 = 1 << 63

/// Whether the flags of an mmap say MAP_SHARED or MAP_SHARED_VALIDATE.
@inline(__always) @_noLocks func isShared(_ flags: UInt64) -> Bool {
    flags & mapTypeMask == 1 || flags & mapTypeMask == 3
}

@_noLocks private func locked<T>(_ body: (UnsafeMutablePointer<castor_shared>) -> T) -> T {
    let word = castor_segment_shared_lock(segment)
    var spins = 0
    // A process that was killed while it held the lock does not come back.
    while castor_cas32(word, 0, 1) == 0, spins < 10_000_000 {
        castor_pause()
        spins &+= 1
    }
    defer { castor_store32(word, 0) }
    return body(castor_segment_shared(segment))
}

/// The place of an object in the segment's list; -1 when that is full.
@_noLocks private func place(_ identity: UInt64, _ list: UnsafeMutablePointer<castor_shared>) -> (Int, isNew: Bool) {
    var i = 0
    while i < Int(CASTOR_SHARED) {
        if list[i].identity == identity { return (i, false) }
        if list[i].identity == 0 {
            list[i].identity = identity
            return (i, true)
        }
        i &+= 1
    }
    return (-1, false)
}

// MARK: - Recording

/// What a mapping of `size` bytes of a file from `offset` on adds to the log; nil when it cannot be followed.
@_noLocks func sharedMapping(ofFile fd: UInt64, offset: UInt64, size: UInt64) -> castor_shared_map? {
    var status: InlineArray<32, UInt64> = .init(repeating: 0)  // struct statx
    return withUnsafeMutablePointer(to: &status) { p -> castor_shared_map? in
        let at = address(p)
        var empty: UInt8 = 0
        let result = withUnsafeMutablePointer(to: &empty) { kernel(SYS_statx, fd, address($0), 0x1000, 0xfff, at) }
        guard result == 0, halves(at)[7] & 0xf000 == 0x8000 else { return nil }  // stx_mode: a regular file
        let bytes = words(at)[5]
        // Inode numbers are used again: birth and generation tell files apart that have the same.
        var identity: (UInt64, UInt64, UInt64, UInt64, UInt64) = (
            words(at)[17], words(at)[4], words(at)[10], words(at)[11] & 0xffff_ffff, 0
        )
        let hash = withUnsafeMutablePointer(to: &identity) { i -> UInt64 in
            kernel(SYS_ioctl, fd, 0x8008_7601, address(i) &+ 32)  // FS_IOC_GETVERSION
            return castor_hash(i, 40)
        }
        let isWritable = kernel(SYS_fcntl, fd, 3) & 3 == 2
        return sharedMapping(hash & ~systemV | 1, offset, size, bytes, isWritable)
    }
}

@_noLocks private func sharedMapping(
    _ identity: UInt64, _ offset: UInt64, _ size: UInt64, _ bytes: UInt64, _ isWritable: Bool
) -> castor_shared_map? {
    let mappedEnd = offset &+ (size &+ 4095) & ~4095
    if mappedEnd > CASTOR_SHARED_BYTES { return nil }
    var from = offset
    var end = min(mappedEnd, bytes)
    let isListed = locked { list -> Bool in
        let (i, isNew) = place(identity, list)
        if i < 0 { return false }
        if isNew { (list[i].low, list[i].high) = (0, 0) }
        let (low, high) = (list[i].low, list[i].high)
        if low < high {
            if from >= low && from < high {
                from = high
            } else if from < low && mappedEnd > low && mappedEnd <= high {
                end = min(end, low)
            }
        }
        if isWritable {
            if low >= high {
                (list[i].low, list[i].high) = (offset, mappedEnd)
            } else if offset <= high && mappedEnd >= low {
                (list[i].low, list[i].high) = (min(low, offset), max(high, mappedEnd))
            }
        }
        return true
    }
    if !isListed { return nil }
    return castor_shared_map(identity: identity, from: from, length: end > from ? end &- from : 0, size: size)
}

/// A mapped file was written to by a call: its content is logged again when it is next mapped.
@inline(never) @_noLocks func forgetSharedContent() {
    locked { list in
        var i = 0
        while i < Int(CASTOR_SHARED) {
            list[i].high = list[i].low
            i &+= 1
        }
    }
}

/// What an shmat adds to the log.
@_noLocks func sharedMapping(ofSegment id: UInt64) -> castor_shared_map? {
    var status: InlineArray<14, UInt64> = .init(repeating: 0)  // struct shmid64_ds: shm_segsz at 48
    let size = withUnsafeMutablePointer(to: &status) { p -> UInt64 in
        let at = address(p)
        return kernel(SYS_shmctl, id, 2, at) < 0 ? 0 : words(at)[6]
    }
    return size == 0 ? nil : sharedMapping(systemV | id & 0xffff_ffff, 0, size, size, true)
}

// MARK: - Replay

/// Maps what `map` describes to `at`; false where that is not possible.
@_noLocks func mapPart(
    _ map: castor_shared_map, at: UInt64, offset: UInt64, protection: UInt64, _ reader: inout PayloadReader
) -> Bool {
    let (index, _) = locked { place(map.identity, $0) }
    let part = sharedPart(index)
    if index < 0 || part == 0 { return false }
    // A resize of nothing maps the same pages once more.
    let result = kernel(SYS_mremap, part &+ offset, 0, (map.size &+ 4095) & ~4095, 3, at)
    if result != Int64(at) { return false }
    reader.take(at &+ map.from &- offset, map.length)
    kernel(SYS_mprotect, at, map.size, protection)
    return true
}

/// Where the pages of an object lie in the segment, which castor makes larger for a replay.
@_noLocks private func sharedPart(_ index: Int) -> UInt64 {
    let all = CASTOR_SHARED_BYTES &* UInt64(CASTOR_SHARED)
    if segment.pointee.bytes < all { return 0 }
    return address(segment) &+ segment.pointee.bytes &- all &+ CASTOR_SHARED_BYTES &* UInt64(index)
}

/// System V memory that is attached in this process.
@_noLocks func attached(_ at: UInt64, _ size: UInt64) {
    let list = castor_process_attached(process)
    var i = 0
    while i < 64 {
        if list[i] == 0 || list[i] == at {
            (list[i], list[i &+ 1]) = (at, size)
            return
        }
        i &+= 2
    }
}
@_noLocks func detach(_ at: UInt64) {
    let list = castor_process_attached(process)
    var i = 0
    while i < 64 {
        if list[i] == at {
            kernel(SYS_munmap, at, list[i &+ 1])
            list[i] = 0
        }
        i &+= 2
    }
}
