/// Executing another program: it gets a stream of its own, and the runtime in it finds the segment by the environment
/// (exec.c). What cannot be recorded runs unrecorded, and is named.
import CTSXGate
import CTSXShim

private let currentDirectory: Int32 = -100

@inline(__always) @_noLocks private func isAt(_ f: Frame) -> Bool { f.pointee.nr == UInt64(SYS_execveat) }
@inline(__always) @_noLocks private func argv(_ f: Frame) -> UInt64 { isAt(f) ? f.pointee.a2 : f.pointee.a1 }
@inline(__always) @_noLocks private func envp(_ f: Frame) -> UInt64 { isAt(f) ? f.pointee.a3 : f.pointee.a2 }
@inline(__always) @_noLocks private func path(_ f: Frame) -> UInt64 { isAt(f) ? f.pointee.a1 : f.pointee.a0 }

/// Of everything that goes into the new program.
@_noLocks private func hash(_ f: Frame) -> UInt64 {
    var h: UInt64 = 0
    if path(f) != 0 { h = castor_hash(memory(path(f)), castor_length(text(path(f)))) }
    return hash(list: envp(f), hash(list: argv(f), h))
}
@_noLocks private func hash(list: UInt64, _ seed: UInt64) -> UInt64 {
    var h = seed
    var i = 0
    while list != 0, case let word = words(list)[i], word != 0 {
        h = castor_hash_seeded(memory(word), castor_length(text(word)), h)
        i &+= 1
    }
    return h
}
@inline(__always) @_noLocks private func text(_ a: UInt64) -> UnsafePointer<CChar> {
    UnsafePointer(memory(a).assumingMemoryBound(to: CChar.self))
}

// MARK: - Recording

@_noLocks func recordExec(_ me: Thread, _ f: Frame) -> Int32 {
    guard path(f) != 0, let x = castor_exec_area(me.pointee.stream) else { return CASTOR_EXECUTE }
    castor_exec_examine(
        x, isAt(f) ? Int32(truncatingIfNeeded: f.pointee.a0) : currentDirectory, text(path(f)),
        isAt(f) ? f.pointee.a4 : 0)
    if x.pointee.verdict == CASTOR_IMAGE_FAILS { return CASTOR_EXECUTE }
    leaveCrowd(me)
    let isRecorded = x.pointee.verdict == CASTOR_IMAGE_RECORDED
    if !isRecorded { sayUnrecorded(x) }
    let stream = isRecorded ? castor_fetch_add32(castor_segment_next_stream(segment), 1) : 0
    publish(me, f, x, stream, isRecorded ? 0 : CASTOR_UNRECORDED)
    if isRecorded {
        kernel(SYS_fcntl, UInt64(process.pointee.segment_fd), 2, 0)  // F_SETFD: not closed on exec
        edit(
            f, isAt(f) ? 3 : 2,
            castor_exec_environment(
                x, envp(f), stream, me.pointee.stream, UInt32(me.pointee.borrowing)))
    }
    return CASTOR_EXECUTE
}

@_noLocks private func publish(
    _ me: Thread, _ f: Frame, _ x: UnsafeMutablePointer<castor_exec>, _ stream: UInt32, _ flags: UInt32
) {
    let ring = me.pointee.ring.unsafelyUnwrapped
    let own = castor_length(castor_exec_path(x)) &+ 1
    let name = castor_length(castor_exec_name(x)) &+ 1
    let e = ring.next
    e.pointee = attempt(CASTOR_EV_EXEC, UInt16(truncatingIfNeeded: f.pointee.nr), 0, hash(f), UInt64(stream))
    e.pointee.shard = f.pointee.shard
    e.pointee.version = f.pointee.version
    e.pointee.stamp = castor_rdtsc()
    e.pointee.flags = flags
    e.pointee.payload = UInt32(truncatingIfNeeded: own &+ name &+ UInt64(x.pointee.words_length))
    f.pointee.shard = CASTOR_NO_SHARD
    var writer = PayloadWriter(ring)
    writer.put(address(castor_exec_path(x)), own)
    writer.put(address(castor_exec_name(x)), name)
    writer.put(address(castor_exec_words(x)), UInt64(x.pointee.words_length))
    writer.finish()
}

/// It failed: this program goes on.
@_noLocks func execFailed(_ me: Thread) {
    kernel(SYS_fcntl, UInt64(process.pointee.segment_fd), 2, 1)
    castor_exec_done(me.pointee.stream)
}

@inline(never) @_noLocks private func sayUnrecorded(_ x: UnsafeMutablePointer<castor_exec>) {
    let path = castor_exec_path(x)
    let hash = castor_hash(path, castor_length(path)) | 1
    let said = castor_segment_said(segment)
    var i = 0
    while i < 32 {
        if said[i] == hash { return }
        if said[i] == 0 { break }
        i &+= 1
    }
    said[min(i, 31)] = hash
    say("castor: not recorded: ", path)
    if let reason = x.pointee.reason {
        say("castor:   ", reason)
    }
}

// MARK: - Replay

/// The recorded program executed another one here, or tried to. nil: it failed, and the next event says how.
@_noLocks func replayExec(_ me: Thread, _ f: Frame, _ entry: castor_entry) -> Int32? {
    let ring = me.pointee.ring.unsafelyUnwrapped
    if hash(f) != entry.hash {
        diverge(
            CASTOR_DIVERGENCE_ARGUMENT, me, expected: entry,
            actual: attempt(CASTOR_EV_EXEC, UInt16(truncatingIfNeeded: f.pointee.nr), 0, hash(f)), frame: f,
            "path, arguments or environment of the program")
    }
    waitTurn(ring, entry)
    guard let x = castor_exec_area(me.pointee.stream) else { return nil }
    var reader = PayloadReader(ring, entry)
    takeText(&reader, castor_exec_path(x))
    takeText(&reader, castor_exec_name(x))
    x.pointee.words_length = UInt32(truncatingIfNeeded: reader.left)
    reader.take(address(castor_exec_words(x)), reader.left)
    reader.finish()
    passTurn(entry.shard)
    if isTotal { passTotal() }
    // The log of a dead primary may end here: then it is executed now.
    let next = ring.peek().pointee.kind
    if next != CASTOR_EV_END && next != CASTOR_EV_LIVE {
        castor_exec_done(me.pointee.stream)
        return nil
    }
    if next == CASTOR_EV_LIVE, entry.flags & CASTOR_UNRECORDED != 0 {
        kernel(Int32(truncatingIfNeeded: f.pointee.nr), f.pointee.a0, f.pointee.a1, f.pointee.a2, f.pointee.a3, f.pointee.a4)
        return nil
    }
    if entry.flags & CASTOR_UNRECORDED != 0 {
        if isMainProcess { waitForOthers(me) }
        park(me)
    }
    if next != CASTOR_EV_LIVE, castor_load32(liveWord) > 1 { waitForOthers(me) }
    execute(me, f, x, entry)
    return CASTOR_DONE
}

@_noLocks private func takeText(_ reader: inout PayloadReader, _ to: UnsafeMutablePointer<CChar>) {
    var at = to
    while reader.left > 0 {
        reader.take(address(at), 1)
        if at.pointee == 0 { return }
        at += 1
    }
}

@_noLocks private func execute(
    _ me: Thread, _ f: Frame, _ x: UnsafeMutablePointer<castor_exec>, _ entry: castor_entry
) {
    let ring = me.pointee.ring.unsafelyUnwrapped
    let environment = castor_exec_environment(
        x, envp(f), UInt32(truncatingIfNeeded: entry.value), me.pointee.stream, UInt32(me.pointee.borrowing))
    kernel(SYS_fcntl, UInt64(process.pointee.segment_fd), 2, 0)
    let result = castor_exec_again(x, argv(f), environment, UInt32(truncatingIfNeeded: entry.value))
    say("castor: cannot execute a recorded program again: ", castor_exec_path(x))
    var actual = attempt(CASTOR_EV_EXEC, entry.nr)
    actual.result = result
    ring.pointee.waiting = CASTOR_RUNNING
    diverge(CASTOR_DIVERGENCE_BINARY, me, expected: entry, actual: actual, frame: f, "the program cannot be executed")
}

/// The stack's limit decides where the kernel puts things in programs that are executed later: it is set again, as far as
/// this machine lets it.
@_noLocks func limitStack(_ f: Frame) {
    let isForAny = f.pointee.nr == UInt64(SYS_prlimit64)
    let new = isForAny ? f.pointee.a2 : f.pointee.a1
    guard f.pointee.result == 0, new != 0, !isForAny || f.pointee.a0 == 0,
        (isForAny ? f.pointee.a1 : f.pointee.a0) & 0xffff_ffff == 3
    else { return }
    kernel(SYS_setrlimit, 3, new)
}
