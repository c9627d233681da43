/// The short way, while recording, of the calls that servers make most (rows that are `usual`). It makes the same events as the
/// general way in Syscalls.swift; whatever it cannot do at once it leaves to that one, before it has changed anything.
import CTSXGate
import CTSXShim

/// What `record` does, where nothing is in the way: no signal waits, nobody forks, the ring has room, and the bytes do not go
/// to a standard stream, whose writes have an order of their own.
@inline(__always) @_noLocks func recordUsual(_ me: Thread, _ f: Frame, _ row: Row) -> Bool {
    guard isRecording, let ring = me.pointee.ring, castor_is_undisturbed(me) != 0, ring.pointee.forks == process.pointee.forks
    else { return false }
    ring.leaveLine()
    if ring.pointee.tail &- ring.pointee.cached_head > ring.pointee.mask { return false }
    if row.pointee.args.0.role == CASTOR_ARG_FD {
        if f.pointee.a0 & 0xffff_ffff == UInt64(UInt32(bitPattern: process.pointee.segment_fd)) { return false }
        if DescriptorKind.isStandard(Descriptors.kind(f.pointee.a0)), row.pointee.replay == CASTOR_REPLAY_OUTPUT { return false }
    }
    f.pointee.flags = Mark.usual
    if row.pointee.order == CASTOR_ORDER_BEFORE {
        f.pointee.shard = shard(row, f)
        f.pointee.version = takeVersion(f.pointee.shard)
    }
    let e = ring.next
    e.pointee = attempt(CASTOR_EV_SYSCALL, UInt16(truncatingIfNeeded: f.pointee.nr), f.pointee.a0)
    e.pointee.shard = f.pointee.shard
    e.pointee.version = f.pointee.version
    e.pointee.flags = CASTOR_STARTED
    ring.pointee.pending = UInt32(truncatingIfNeeded: ring.pointee.tail) &+ 1
    keepLengths(row, f)
    me.pointee.frame = f
    ring.pointee.waiting = CASTOR_IN_CALL
    return true
}

/// What `recordReturn` does, where the event lies in one piece in the ring, nobody has forked since the call began, and what
/// was written is not mapped anywhere.
@inline(__always) @_noLocks func recordUsualReturn(_ me: Thread, _ f: Frame) -> Bool {
    guard isRecording, let ring = me.pointee.ring else { return false }
    ring.resume()
    ring.publishCounted()
    if ring.pointee.forks != castor_load32(forksWord) { return false }
    let row = castor_syscall_row_at(f.pointee.nr)
    if row.pointee.object == CASTOR_OBJ_FD0, Descriptors.kind(f.pointee.a0) == DescriptorKind.mapped { return false }
    var stored = row.pointee.stored
    var path: UInt64 = 0
    var pathLength: UInt64 = 0
    var from: UInt64 = 0
    var length: UInt64 = 0
    if stored != 0, role(row, stored.trailingZeroBitCount).role == CASTOR_ARG_PATH {
        path = argument(f, stored.trailingZeroBitCount)
        if path == 0 || f.pointee.result < 0 { return false }
        pathLength = castor_length(memory(path).assumingMemoryBound(to: CChar.self))
        stored &= stored &- 1
    }
    if stored != 0, f.pointee.result >= 0 {
        let i = stored.trailingZeroBitCount
        let r = role(row, i)
        guard stored == 1 << UInt8(truncatingIfNeeded: i) else { return false }
        from = argument(f, i)
        switch r.role {
        case CASTOR_ARG_OUT: length = lengthOut(row, f, i, r, UInt64(f.pointee.result))
        case CASTOR_ARG_OUT_FIXED, CASTOR_ARG_INOUT_FIXED: length = UInt64(r.size)
        default: return false
        }
        if from == 0 { length = 0 }
    }
    let payload = path == 0 ? length : 4 &+ pathLength &+ length
    ring.leaveLine()
    let tail = ring.pointee.tail
    let end = tail &+ 1 &+ castor_lines(payload)
    if end &- ring.pointee.cached_head > ring.capacity || (tail & ring.pointee.mask) &+ (end &- tail) > ring.capacity {
        return false
    }
    if row.pointee.order == CASTOR_ORDER_AFTER {
        f.pointee.shard = shard(row, f)
        f.pointee.version = takeVersion(f.pointee.shard)
    }
    let inputs = Inputs(usual: row, f, result: f.pointee.result)
    let e = castor_slot(ring, tail)
    e.pointee.kind = CASTOR_EV_SYSCALL
    e.pointee.nr = UInt16(truncatingIfNeeded: f.pointee.nr)
    e.pointee.shard = f.pointee.shard
    e.pointee.version = f.pointee.version
    e.pointee.stamp = hintOfTime(ring)
    e.pointee.result = f.pointee.result
    e.pointee.object = inputs.object
    e.pointee.hash = inputs.hash
    e.pointee.value = inputs.value
    e.pointee.payload = UInt32(truncatingIfNeeded: payload)
    e.pointee.flags = 0
    var to = address(castor_slot(ring, tail &+ 1))
    if path != 0 {  // as Port.text
        halves(to)[0] = UInt32(truncatingIfNeeded: pathLength)
        castor_copy(memory(to &+ 4), memory(path), pathLength)
        to &+= 4 &+ pathLength
    }
    if length > 0 { castor_copy(memory(to), memory(from), length) }
    ring.pointee.events &+= 1
    ring.publish(upTo: end)
    return true
}
