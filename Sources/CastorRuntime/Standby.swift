/// A standby: the replay of a log that is still being written, by a process that will go on where it ends.
///
/// While it replays, calls that leave something with the kernel are made again (castor_standby.def), so that descriptors, files and
/// timers are there when they are needed. Going live needs no second start: when every event that will come has been done, the
/// agent sets `live`, and each thread finds CASTOR_EV_LIVE where its next event would be. From then on it records: its ring,
/// its stream and the versions of shards go on as they are.
import CTSXGate
import CTSXShim

@inline(__always) var isStandby: Bool { segment.pointee.options & CASTOR_OPT_STANDBY != 0 }

/// Whether the thread's next event is to be replayed: `castor_replays`, for Swift. Signals that come before it are delivered.
@inline(__always) @_noLocks func replays(_ me: Thread) -> Bool { isReplaying && stillReplays() }
@inline(never) @_noLocks private func stillReplays() -> Bool { !isStandby || castor_goes_live() == 0 }

@c @implementation @_noLocks
func castor_goes_live() -> Int32 {
    let me = castor_me()
    while case let e = nextEntry(me), e.pointee.kind != CASTOR_EV_LIVE {
        // What waits for another thread's event is waited for here, where nothing of it has been done: that event may never come.
        if awaitTurn(me.pointee.ring.unsafelyUnwrapped, e.pointee) { return 0 }
    }
    beginOwning(me)
    me.pointee.disturbed = Disturbance.ofNewThread()
    if castor_exchange32(castor_process_went_live(process), 1) == 0 { keepChildren() }
    castor_mode_set(CASTOR_MODE_RECORD)
    return 1
}

/// What becomes of children that end is the program's choice from now on.
@_noLocks private func keepChildren() {
    var action = castor_action()
    withUnsafeMutablePointer(to: &action) { p in
        kernel(SYS_rt_sigaction, childSignal, 0, address(p), 8)
        p.pointee.flags = p.pointee.flags & ~flagDiscardChildren | castor_action_at(childSignal).pointee.flags & flagDiscardChildren
        kernel(SYS_rt_sigaction, childSignal, address(p), 0, 8)
    }
}

// MARK: - Calls that are made again

/// After the call was replayed and before its turn is passed on: what the kernel must hold of it. The descriptor table is still
/// as it was before the call.
@inline(never) @_noLocks func makeAgain(_ me: Thread, _ f: Frame, _ row: Row, _ entry: castor_entry) {
    let isPending = f.pointee.nr == UInt64(SYS_connect) && entry.result == inProgress
    if entry.result < 0, !isPending { return }
    switch castor_again(f.pointee.nr) {
    case CASTOR_AGAIN_SAME: demand(repeated(f), me, f, entry)
    case CASTOR_AGAIN_TRIES: attemptAgain(f)
    case CASTOR_AGAIN_OPENS: open(me, f, row, entry)
    case CASTOR_AGAIN_PAIR: openPair(me, f, row, entry)
    case CASTOR_AGAIN_READS: if isWithin(f.pointee.a0) { readAgain(me, f, row, entry) } else { Connections.countAgain(f) }
    case CASTOR_AGAIN_WRITES:
        if !isWithin(f.pointee.a0) { return Connections.countAgain(f) }
        let kind = Descriptors.kind(f.pointee.a0)
        if isWithin(f.pointee.a0), !DescriptorKind.isStandard(kind) { demand(repeated(f), me, f, entry) }
    case CASTOR_AGAIN_MOVES:
        if !isWithin(f.pointee.a0) { Connections.countAgain(f) }
        if f.pointee.a2 == 0 { kernel(SYS_lseek, f.pointee.a1, UInt64(entry.result), 1) }
    case CASTOR_AGAIN_RANGE: closeRange(f)
    case CASTOR_AGAIN_REAPS: Identities.reap(f, entry)
    case CASTOR_AGAIN_ACCEPTS: holdPlace(me, f, entry)
    default: break
    }
}

private let inProgress: Int64 = -115

/// What leads out of the recording is not touched before the standby is live.
@inline(__always) @_noLocks private func isWithin(_ fd: UInt64) -> Bool { Descriptors.kind(fd) != DescriptorKind.network }

@inline(__always) @_noLocks private func repeated(_ f: Frame) -> Int64 { Identities.repeated(f) }

/// The call must succeed as it did: else the standby's files are not the primary's.
@_noLocks private func demand(_ result: Int64, _ me: Thread, _ f: Frame, _ entry: castor_entry) {
    if result >= 0 { return }
    if f.pointee.nr == UInt64(SYS_close), result == Errno.badDescriptor { return }  // inherited, on the primary
    if f.pointee.nr == UInt64(SYS_bind), result == -99, bindAnyway(f) { return }  // EADDRNOTAVAIL
    if f.pointee.nr == UInt64(SYS_epoll_ctl), f.pointee.a1 == 2 { return }  // the kernel has forgotten it with the file
    var actual = attempt(CASTOR_EV_SYSCALL, entry.nr, entry.object, entry.hash, entry.value)
    actual.result = result
    diverge(CASTOR_DIVERGENCE_ARGUMENT, me, expected: entry, actual: actual, frame: f, "result on the standby")
}

@_noLocks private func closeRange(_ f: Frame) {
    let (first, last) = (f.pointee.a0 & 0xffff_ffff, f.pointee.a1 & 0xffff_ffff)
    let ours = UInt64(UInt32(bitPattern: process.pointee.segment_fd))
    if first < ours { kernel(SYS_close_range, first, min(last, ours &- 1), f.pointee.a2) }
    if last > ours { kernel(SYS_close_range, max(first, ours &+ 1), last, f.pointee.a2) }
}

/// The address is the primary's until it is dead: IP_FREEBIND.
@_noLocks private func bindAnyway(_ f: Frame) -> Bool {
    var one: UInt32 = 1
    withUnsafeMutablePointer(to: &one) { _ = kernel(SYS_setsockopt, f.pointee.a0, 0, 15, address($0), 4) }
    return repeated(f) >= 0
}

/// Options, advice, connections: of a stream that is yet to be rebuilt the kernel takes only some.
@_noLocks private func attemptAgain(_ f: Frame) {
    switch Int32(truncatingIfNeeded: f.pointee.nr) {
    case SYS_connect:
        // A datagram socket only notes the address; a stream would call out.
        if !isWithin(f.pointee.a0), isStream(f.pointee.a0) { return }
    case SYS_shutdown: if !isWithin(f.pointee.a0) { return }
    case SYS_ioctl: if !setsFlags(f.pointee.a1) { return }
    case SYS_prctl: if !setsProcess(f.pointee.a0) { return }
    case SYS_prlimit64: if f.pointee.a2 == 0 { return }
    default: break
    }
    _ = repeated(f)
}

/// FIONBIO, FIOASYNC, FIOCLEX, FIONCLEX
@inline(__always) @_noLocks private func setsFlags(_ request: UInt64) -> Bool {
    let request = request & 0xffff_ffff
    return request == 0x5421 || request == 0x5452 || request == 0x5451 || request == 0x5450
}

/// PR_SET_PDEATHSIG, DUMPABLE, KEEPCAPS, NAME, PR_CAPBSET_DROP, PR_SET_SECUREBITS, TIMERSLACK, CHILD_SUBREAPER, NO_NEW_PRIVS,
/// PR_CAP_AMBIENT: what the process is and may do. Others, of memory above all, are for the replay to decide.
@inline(__always) @_noLocks private func setsProcess(_ option: UInt64) -> Bool {
    switch option & 0xffff_ffff {
    case 1, 4, 8, 15, 24, 28, 29, 36, 38, 47: true
    default: false
    }
}

@_noLocks func isStream(_ fd: UInt64) -> Bool {
    var type: UInt32 = 0
    var length: UInt32 = 4
    return withUnsafeMutablePointer(to: &type) { t in
        withUnsafeMutablePointer(to: &length) { l in
            kernel(SYS_getsockopt, fd, 1, 3, address(t), address(l)) >= 0 && t.pointee == 1
        }
    }
}

@_noLocks private func open(_ me: Thread, _ f: Frame, _ row: Row, _ entry: castor_entry) {
    var made = repeated(f)
    if f.pointee.nr == UInt64(SYS_fcntl), f.pointee.a1 != 0, f.pointee.a1 != 1030 {
        return  // F_SETFL and its like; F_DUPFD and F_DUPFD_CLOEXEC go on
    }
    // A file that the recorded call made anew may be there: the standby's copy was taken later.
    if made == -17, f.pointee.nr == UInt64(SYS_openat), f.pointee.a2 & 0o200 != 0 {
        made = kernel(SYS_openat, f.pointee.a0, f.pointee.a1, f.pointee.a2 & ~0o200, f.pointee.a3)
    }
    demand(made, me, f, entry)
    place(made, at: entry.result)
}

/// Gives a descriptor the number that it had in the recording.
@_noLocks private func place(_ made: Int64, at number: Int64) {
    if made < 0 || made == number { return }
    let flags = kernel(SYS_fcntl, UInt64(made), 1)  // F_GETFD
    kernel(SYS_dup3, UInt64(made), UInt64(number), flags & 1 != 0 ? 0o2000000 : 0)
    kernel(SYS_close, UInt64(made))
}

@_noLocks private func openPair(_ me: Thread, _ f: Frame, _ row: Row, _ entry: castor_entry) {
    let isSockets = f.pointee.nr == UInt64(SYS_socketpair)
    let wanted = halves(isSockets ? f.pointee.a3 : f.pointee.a0)
    var made: (UInt32, UInt32) = (0, 0)
    let result = withUnsafeMutablePointer(to: &made) { p in
        isSockets
            ? kernel(SYS_socketpair, f.pointee.a0, f.pointee.a1, f.pointee.a2, address(p))
            : kernel(SYS_pipe2, address(p), f.pointee.nr == UInt64(SYS_pipe2) ? f.pointee.a1 : 0)
    }
    demand(result, me, f, entry)
    // One number may be the other's: out of the way first.
    let first = kernel(SYS_fcntl, UInt64(made.0), 1030, 10_000)  // F_DUPFD_CLOEXEC
    kernel(SYS_close, UInt64(made.0))
    place(Int64(made.1), at: Int64(wanted[1]))
    let isKept = kernel(SYS_fcntl, UInt64(wanted[1]), 1) & 1 == 0
    kernel(SYS_dup3, UInt64(bitPattern: first), UInt64(wanted[0]), isKept ? 0 : 0o2000000)
    kernel(SYS_close, UInt64(bitPattern: first))
}

/// The program has what the log says; the kernel's object moves on by as much.
@_noLocks private func readAgain(_ me: Thread, _ f: Frame, _ row: Row, _ entry: castor_entry) {
    if entry.result == 0 { return }
    let nr = Int32(truncatingIfNeeded: f.pointee.nr)
    if nr == SYS_getdents || nr == SYS_getdents64 {
        return skipEntries(f, entry)
    }
    if Descriptors.kind(f.pointee.a0) != DescriptorKind.ipc,
        kernel(SYS_lseek, f.pointee.a0, UInt64(bitPattern: entry.result), 1) >= 0
    {
        return
    }
    discard(f.pointee.a0, UInt64(entry.result), isMessage: nr == SYS_recvfrom || nr == SYS_recvmsg)
}

/// What was read of a directory ends with an entry that has the offset of the next one (struct linux_dirent64: at 8).
@_noLocks private func skipEntries(_ f: Frame, _ entry: castor_entry) {
    var at = f.pointee.a1
    let end = at &+ UInt64(entry.result)
    var next: UInt64 = 0
    while at &+ 18 <= end {
        next = words(at)[1]
        at &+= UInt64(halves(at &+ 16)[0] & 0xffff)
    }
    kernel(SYS_lseek, f.pointee.a0, next, 0)
}

/// Takes bytes out of a pipe, a counter, a timer or a local socket, as far as they are there.
@_noLocks private func discard(_ fd: UInt64, _ length: UInt64, isMessage: Bool) {
    var buffer: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0)
    var left = length
    withUnsafeMutablePointer(to: &buffer) { b in
        while left > 0 {
            var wait: (UInt32, UInt32) = (UInt32(truncatingIfNeeded: fd), 1)  // struct pollfd: POLLIN
            if withUnsafeMutablePointer(to: &wait, { kernel(SYS_poll, address($0), 1, 0) }) <= 0 { return }
            let n =
                isMessage
                ? kernel(SYS_recvfrom, fd, address(b), min(left, 64), 0x40)  // MSG_DONTWAIT
                : kernel(SYS_read, fd, address(b), min(left, 64))
            if n <= 0 { return }
            left = isMessage ? left &- min(left, UInt64(n)) : left &- UInt64(n)
        }
    }
}

/// A connection that the primary accepted: a socket that is not connected has its number, with the flags that it had, until
/// it is rebuilt.
@_noLocks private func holdPlace(_ me: Thread, _ f: Frame, _ entry: castor_entry) {
    var domain: UInt32 = 2
    var length: UInt32 = 4
    withUnsafeMutablePointer(to: &domain) { d in
        withUnsafeMutablePointer(to: &length) { l in
            _ = kernel(SYS_getsockopt, f.pointee.a0, 1, 39, address(d), address(l))  // SO_DOMAIN
        }
    }
    let flags = f.pointee.nr == UInt64(SYS_accept4) ? f.pointee.a3 : 0
    let made = kernel(SYS_socket, UInt64(domain), 1 | flags, 0)
    demand(made, me, f, entry)
    place(made, at: entry.result)
}
