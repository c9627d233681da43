/// Replay of another build than the recorded one (`castor replay --exe`). The order of events and what the program reads
/// come from the log as ever; this file decides what is let through although the log has it otherwise, and all else is a
/// divergence as ever:
///
/// - memory: the agent feeds no event of the allocator and none of the address space (LenientLog.swift); such calls are
///   made as they come;
/// - addresses: objects, handlers, routines and pointers among the arguments are not compared;
/// - the standard output and error: text may be there in addition, may be missing or different;
/// - what else is sent may differ in content, not in length: counted, and told at the end;
/// - a sanitizer's runtime: its own calls are no events.
import CTSXGate
import CTSXShim

@inline(__always) var isLenient: Bool { segment.pointee.options & CASTOR_OPT_LENIENT != 0 }
private var lenient: UnsafeMutablePointer<castor_lenient> { castor_segment_lenient(segment) }

/// The address of the log's counterpart is not known: any will do.
@inline(__always) @_noLocks func isOther(_ recorded: UInt64, _ actual: UInt64) -> Bool {
    recorded != actual && !isLenient
}

// MARK: - Calls that are made without looking at the log

/// What the gate is to do with such a call; nil: the log decides.
@inline(never) @_noLocks func lenientCall(_ me: Thread, _ f: Frame, _ row: Row) -> Int32? {
    if castor_is_sanitizers(f.pointee.site) != 0 { return sanitizersCall(me, f) }
    if row.pointee.object == CASTOR_OBJ_MEMORY { return memoryCall(me, f, row) }
    if let action = statusCall(me, f) { return action }
    let isFree = isDrawing(f) || (process.pointee.sanitizers != 0 && isQuestion(f))
    return isFree && !isNext(me, f) ? CASTOR_PASS : nil
}

/// The runtime of a sanitizer, which makes its calls itself. What it forks is no process of the recording.
@_noLocks private func sanitizersCall(_ me: Thread, _ f: Frame) -> Int32 {
    switch Int32(truncatingIfNeeded: f.pointee.nr) {
    case SYS_exit_group:
        castor_store32(castor_lenient_ended(lenient), 256 | UInt32(truncatingIfNeeded: f.pointee.a0 & 255))
        return CASTOR_PASS
    case SYS_fork:
        f.pointee.result = kernel(SYS_fork)
        if f.pointee.result == 0 { me.pointee.ring = nil }
        return CASTOR_DONE
    default: return pass(me, f)
    }
}

@_noLocks private func memoryCall(_ me: Thread, _ f: Frame, _ row: Row) -> Int32? {
    let anonymous: UInt64 = 0x20
    let readable: UInt64 = 1
    switch Int32(truncatingIfNeeded: f.pointee.nr) {
    case SYS_shmat, SYS_shmdt: return nil
    case SYS_mmap:
        if f.pointee.a3 & anonymous != 0 { return isNext(me, f) && failed(me, f, row) ? nil : CASTOR_PASS }
        if isNext(me, f) { return nil }  // the content of a file
        if f.pointee.a2 & readable != 0 { return nil }  // a divergence: the log has no content for it
        f.pointee.result = kernel(
            SYS_mmap, f.pointee.a0, f.pointee.a1, f.pointee.a2, f.pointee.a3 | anonymous, UInt64.max, 0)
        return CASTOR_DONE
    default: return CASTOR_PASS
    }
}

/// ThreadSanitizer's stat, lstat and fstat make the calls of these names; libc makes newfstatat of all of them.
@_noLocks private func statusCall(_ me: Thread, _ f: Frame) -> Int32? {
    let currentDirectory = UInt64(bitPattern: -100)
    let nofollow: UInt64 = 0x100
    let ofDescriptor: UInt64 = 0x1000
    let nr = Int32(truncatingIfNeeded: f.pointee.nr)
    guard nr == SYS_stat || nr == SYS_lstat || nr == SYS_fstat, !nextIsSignal(me),
        case let e = nextEntry(me, CASTOR_EV_SYSCALL, UInt16(SYS_newfstatat)), e.pointee.kind == CASTOR_EV_SYSCALL,
        Int32(e.pointee.nr) == SYS_newfstatat
    else { return nil }
    let (a0, a1, a2, a3) = (f.pointee.a0, f.pointee.a1, f.pointee.a2, f.pointee.a3)
    var empty: UInt64 = 0
    return withUnsafeMutablePointer(to: &empty) { p in
        f.pointee.nr = UInt64(SYS_newfstatat)
        f.pointee.flags = 0
        f.pointee.a2 = a1
        if nr == SYS_fstat {
            (f.pointee.a1, f.pointee.a3) = (address(p), ofDescriptor)
        } else {
            (f.pointee.a0, f.pointee.a1) = (currentDirectory, a0)
            f.pointee.a3 = nr == SYS_lstat ? nofollow : 0
        }
        let action = replayInstead(me, f)
        f.pointee.nr = UInt64(nr)
        (f.pointee.a0, f.pointee.a1, f.pointee.a2, f.pointee.a3) = (a0, a1, a2, a3)
        return action
    }
}

/// Whether the log goes on with this very mapping, which failed.
@_noLocks private func failed(_ me: Thread, _ f: Frame, _ row: Row) -> Bool {
    let e = me.pointee.ring.unsafelyUnwrapped.peek()
    let inputs = Inputs(row, f, result: -1)
    return e.pointee.result < 0 && inputs.hash == e.pointee.hash && inputs.value == e.pointee.value
}

/// What the C library asks about this process on a sanitizer's behalf, changing nothing: the processors
/// (pthread_getattr_np), limits, whether there is a terminal.
@_noLocks private func isQuestion(_ f: Frame) -> Bool {
    let getTerminal: UInt64 = 0x5401
    switch Int32(truncatingIfNeeded: f.pointee.nr) {
    case SYS_sched_getaffinity: return true
    case SYS_prlimit64: return f.pointee.a2 == 0
    case SYS_ioctl: return f.pointee.a1 == getTerminal
    default: return false
    }
}
@_noLocks private func isNext(_ me: Thread, _ f: Frame) -> Bool {
    let e = me.pointee.ring.unsafelyUnwrapped.peek()
    return e.pointee.kind == CASTOR_EV_SYSCALL && UInt64(e.pointee.nr) == f.pointee.nr
}

// MARK: - The standard output and error

/// What a FILE's lock or a write is about: 0 or 1 for the standard output or error, nil for something else.
@_noLocks private func standard(_ stream: UInt64, _ streams: UnsafeMutablePointer<UInt64>) -> Int? {
    if stream == 0 { return nil }
    return streams[0] == stream ? 0 : streams[1] == stream ? 1 : nil
}
@_noLocks private func recordedStream(_ e: Entry) -> Int? {
    guard e.pointee.kind == CASTOR_EV_SYMBOL, e.pointee.nr == CASTOR_SYM_stdio else { return nil }
    return standard(e.pointee.object, castor_lenient_streams(lenient))
}
@_noLocks private func isOutput(_ row: Row, _ fd: UInt64) -> Bool {
    row.pointee.replay == CASTOR_REPLAY_OUTPUT && DescriptorKind.isStandard(Descriptors.kind(fd))
}
@_noLocks private func isRecordedOutput(_ e: Entry) -> Bool {
    e.pointee.kind == CASTOR_EV_SYSCALL && e.pointee.flags & CASTOR_STARTED == 0
        && isOutput(castor_syscall_row_at(UInt64(e.pointee.nr)), e.pointee.object)
}

/// Passes over what was recorded where the program does something else, and nothing comes of it: a write to a standard
/// stream, or the lock of one; a look at a routine that has run once (how many exceptions land where is the compiler's
/// choice, and each looks); random bits for a name.
@inline(never) @_noLocks func passesOutput(_ me: Thread, _ e: Entry) -> Bool {
    let isWrite = isRecordedOutput(e)
    guard isWrite || recordedStream(e) != nil || isCall(e, CASTOR_SYM_pthread_once) || isDrawn(e) else { return false }
    let ring = me.pointee.ring.unsafelyUnwrapped
    let entry = e.pointee
    waitTurn(ring, entry)
    finishEvent(me, ring, entry)
    passTurn(entry.shard)
    if isWrite { _ = castor_fetch_add32(castor_lenient_passed(lenient), 1) }
    return true
}

/// The recorded counterpart of a write; nil when there is none, and it has been made.
@inline(never) @_noLocks func lenientWrite(_ me: Thread, _ f: Frame, _ row: Row, _ first: Entry) -> Entry? {
    var e = first
    if !isOutput(row, f.pointee.a0) {
        while isRecordedOutput(e), passesOutput(me, e) {
            e = nextEntry(me, CASTOR_EV_SYSCALL, UInt16(truncatingIfNeeded: f.pointee.nr))
        }
        return e
    }
    if isRecordedOutput(e), UInt64(e.pointee.nr) == f.pointee.nr,
        Descriptors.kind(e.pointee.object) == Descriptors.kind(f.pointee.a0)
    {
        return e
    }
    if e.pointee.kind == CASTOR_EV_SYSCALL, UInt64(e.pointee.nr) == f.pointee.nr, e.pointee.flags & CASTOR_STARTED != 0
    {
        return e
    }
    f.pointee.result = Int64(asked(f, row))
    showOutput(f, row)
    _ = castor_fetch_add32(castor_lenient_added(lenient), 1)
    return nil
}

/// Bytes that a write is to send.
@_noLocks private func asked(_ f: Frame, _ row: Row) -> UInt64 {
    if row.pointee.args.1.role == CASTOR_ARG_IN { return f.pointee.a2 }
    var sum: UInt64 = 0
    var i: UInt64 = 0
    while i < f.pointee.a2 {
        sum &+= words(f.pointee.a1 &+ i &* 16)[1]
        i &+= 1
    }
    return sum
}

/// What a write returns: as in the recording, but all of a text that is longer now.
@_noLocks func lenientResult(_ f: Frame, _ row: Row, _ entry: castor_entry) -> Int64 {
    guard entry.result >= 0, isOutput(row, f.pointee.a0) else { return entry.result }
    let isWhole = row.pointee.args.1.role != CASTOR_ARG_IN || UInt64(entry.result) == entry.value
    return isWhole ? Int64(asked(f, row)) : min(entry.result, Int64(asked(f, row)))
}
@inline(__always) @_noLocks func isMute() -> Bool { lenient.pointee.is_mute != 0 }

@inline(__always) @_noLocks private func isCall(_ e: Entry, _ id: UInt16) -> Bool {
    e.pointee.kind == CASTOR_EV_SYMBOL && e.pointee.nr == id
}
/// The recorded counterpart of a call on a stream; nil when there is none.
@inline(never) @_noLocks func lenientSymbol(_ me: Thread, _ id: UInt16, _ object: UInt64, _ first: Entry) -> Entry? {
    var e = first
    if id == CASTOR_SYM_stdio, let stream = standard(object, castor_process_streams(process)) {
        if lenient.pointee.streams.0 == 0 { return e }
        return isCall(e, id) && recordedStream(e) == stream ? e : nil
    }
    while isCall(e, id), recordedStream(e) != nil, passesOutput(me, e) { e = nextEntry(me, CASTOR_EV_SYMBOL, id) }
    if isCall(e, id) { return e }
    // A sanitizer asks for the loaded files when it describes a place in the program.
    return id == CASTOR_SYM_pthread_once || (id == CASTOR_SYM_loader && process.pointee.sanitizers != 0) ? nil : e
}

// MARK: - Arguments

/// Whether a call that is not quite the recorded one is another one.
@inline(never) @_noLocks func differsLeniently(
    _ me: Thread, _ f: Frame, _ row: Row, _ entry: castor_entry, _ inputs: Inputs
) -> Bool {
    if row.pointee.replay == CASTOR_REPLAY_OUTPUT, isOutput(row, f.pointee.a0) { return false }
    switch Int32(truncatingIfNeeded: f.pointee.nr) {
    case SYS_rt_sigaction: return inputs.object != entry.object  // the signal
    case SYS_futex: return inputs.hash != entry.hash  // the operation
    case SYS_mmap: return inputs.hash != entry.hash && entry.result >= 0  // the length
    case SYS_prctl: return inputs.object != entry.object
    case SYS_shmat, SYS_shmdt, SYS_set_tid_address, SYS_set_robust_list: return false
    case 449, 454, 455, 456: return false  // futex_waitv, futex_wake, futex_wait, futex_requeue: on addresses
    default: break
    }
    if row.pointee.replay == CASTOR_REPLAY_THREAD { return inputs.object != entry.object }
    if inputs.object != entry.object || inputs.value != entry.value { return true }
    if takesName(me, f, row, entry) { return false }
    if !sendsContent(row) { return inputs.hash != entry.hash }
    _ = castor_fetch_add32(castor_lenient_contents(lenient), 1)
    return false
}

/// Whether what is hashed are bytes that the program made, not a name or a plain argument.
@_noLocks private func sendsContent(_ row: Row) -> Bool {
    var i = 0
    var sends = false
    while i < Int(row.pointee.count) {
        let r = role(row, i).role
        if r == CASTOR_ARG_PATH || (i == 1 && r == CASTOR_ARG_VALUE) { return false }
        if r >= CASTOR_ARG_IN && r <= CASTOR_ARG_IN_MMSG { sends = true }
        i &+= 1
    }
    return sends
}

// MARK: - Names of temporary files

// The C library draws them from the time, and from where its stack is. The program gets the recorded name.

private let nameBytes: UInt64 = 6
private let pathBytes: UInt64 = 4096

/// Eight random bytes, not waited for: libc's, when the time was no good.
@_noLocks private func isDrawing(_ f: Frame) -> Bool {
    f.pointee.nr == UInt64(SYS_getrandom) && f.pointee.a1 == 8 && f.pointee.a2 == 1
}
@_noLocks private func isDrawn(_ e: Entry) -> Bool {
    e.pointee.kind == CASTOR_EV_SYSCALL && Int32(e.pointee.nr) == SYS_getrandom && e.pointee.hash == 8
        && e.pointee.value == 1
}

/// Whether the call makes a file or directory whose name is the recorded one but for six bytes, which it then is.
@_noLocks private func takesName(_ me: Thread, _ f: Frame, _ row: Row, _ entry: castor_entry) -> Bool {
    let exclusively: UInt64 = 0o300  // O_CREAT | O_EXCL
    let path: UInt64
    switch Int32(truncatingIfNeeded: f.pointee.nr) {
    case SYS_open where f.pointee.a1 & exclusively == exclusively: path = f.pointee.a0
    case SYS_openat where f.pointee.a2 & exclusively == exclusively: path = f.pointee.a1
    case SYS_mkdir: path = f.pointee.a0
    default: return false
    }
    let ring = me.pointee.ring.unsafelyUnwrapped
    var length: UInt32 = 0
    var recorded: InlineArray<512, UInt64> = .init(repeating: 0)
    var reader = PayloadReader(ring, entry)  // the entry is read again afterwards
    withUnsafeMutablePointer(to: &length) { reader.take(address($0), 4) }
    let actual = memory(path).assumingMemoryBound(to: UInt8.self)
    guard UInt64(length) < pathBytes, UInt64(length) == castor_length(memory(path).assumingMemoryBound(to: CChar.self))
    else { return false }
    return withUnsafeMutablePointer(to: &recorded) { p in
        reader.take(address(p), UInt64(length))
        let name = UnsafeMutableRawPointer(p).assumingMemoryBound(to: UInt8.self)
        var first = 0
        while first < Int(length), name[first] == actual[first] { first &+= 1 }
        var last = Int(length)
        while last > first, name[last &- 1] == actual[last &- 1] { last &-= 1 }
        if last &- first > Int(nameBytes) { return false }
        castor_copy(actual + first, name + first, UInt64(last &- first))
        return true
    }
}

// MARK: - Values of the compiler plane

/// A logged value that is an address is another one here: the memory has it.
@_noLocks func lenientValue(_ nr: UInt16, _ object: UInt64, _ value: UnsafeMutablePointer<UInt64>) {
    let lowest: UInt64 = 0x10000
    if nr & 7 < 3 || value[0] < lowest || value[0] >> 47 != 0 { return }
    value[0] = castor_load(words(object))
    if nr & 7 == 4 { value[1] = words(object)[1] }
}
