/// TCP connections of a program with a standby: what they are rebuilt from, and how far each direction is.
///
/// The kernel of the primary must not acknowledge what no standby has, so the agent tells its egress gate how much the program has
/// read; a standby goes on where the program was, and sends again what the other side may not have. Both sides count here, beside
/// the events that say so.
import CTSXGate
import CTSXShim

typealias Connection = UnsafeMutablePointer<castor_connection>

enum Connections {
    // MARK: - The table

    /// The connection behind a descriptor, also one that has just been closed.
    @_noLocks static func find(_ fd: UInt64) -> Connection? {
        let object = castor_descriptor(fd & 0xffff_ffff).pointee >> 4
        var i: UInt32 = 0
        while i < CASTOR_CONNECTION_REACH {
            let c = at(object &+ i)
            let state = castor_load32(castor_connection_state(c))
            if state == CASTOR_CONNECTION_FREE { return nil }
            let isOne = isLive(c) || state == CASTOR_CONNECTION_CLOSED
            if isOne, c.pointee.object == object,
                c.pointee.pid == process.pointee.pid
            {
                return c
            }
            i &+= 1
        }
        return nil
    }

    @inline(__always) @_noLocks static func at(_ index: UInt32) -> Connection {
        castor_connection_at(segment, index & (CASTOR_CONNECTIONS &- 1))
    }

    @inline(__always) @_noLocks static func index(_ c: Connection) -> UInt32 {
        UInt32(truncatingIfNeeded: c - castor_connection_at(segment, 0))
    }

    /// A place for a connection: a free one, else one whose connection has been closed.
    @_noLocks private static func claim(_ object: UInt32) -> Connection? {
        claim(object, CASTOR_CONNECTION_FREE) ?? claim(object, CASTOR_CONNECTION_GONE) ?? claim(object, CASTOR_CONNECTION_CLOSED)
    }
    @_noLocks private static func claim(_ object: UInt32, _ state: UInt32) -> Connection? {
        var i: UInt32 = 0
        while i < CASTOR_CONNECTION_REACH {
            let c = at(object &+ i)
            // What a closed one has sent may still be held.
            let isFree = state != CASTOR_CONNECTION_CLOSED || castor_load32(castor_connection_is_held(c)) == 0
            if isFree, castor_cas32(castor_connection_state(c), state, CASTOR_CONNECTION_CLAIMED) != 0 { return c }
            i &+= 1
        }
        return nil
    }

    /// The agent is to look at it.
    @_noLocks private static func changed(_ c: Connection) {
        let index = index(c)
        _ = castor_fetch_or32(castor_connections_changed(segment) + Int(index / 32), 1 << (index % 32))
        if isRecording { wakeAgent() }
    }

    // MARK: - Beginnings and ends

    /// Room in the frame of an accept for the description of what it gave.
    @inline(__always) @_noLocks static func description(_ f: Frame) -> UnsafeMutablePointer<castor_tcp> {
        memory(address(scratch(f) + 2)).assumingMemoryBound(to: castor_tcp.self)
    }

    /// Reads a new connection's description out of the kernel; false when it is none, or nobody may.
    @inline(never) @_noLocks static func readOut(_ f: Frame) -> Bool {
        let fd = UInt64(bitPattern: f.pointee.result)
        guard f.pointee.result >= 0, option(fd, 1, 38) == 6 else { return false }  // SO_PROTOCOL: TCP
        let family = option(fd, 1, 39)  // SO_DOMAIN
        guard family == 2 || family == 10 else { return false }
        let d = description(f)
        castor_zero(d, UInt64(MemoryLayout<castor_tcp>.size))
        d.pointee.family = UInt8(truncatingIfNeeded: family)
        guard names(fd, family, SYS_getsockname, address(d) &+ 8, address(d) &+ 4),
            names(fd, family, SYS_getpeername, address(d) &+ 24, address(d) &+ 6)
        else { return false }
        let isReused = option(fd, 1, 2)  // SO_REUSEADDR, which leaving repair mode clears
        // Before the program has the descriptor: later the mode would be in other threads' way.
        guard set(fd, 6, TCP.repair, 1) == 0 else {
            let isThere = askAgent(fd, d)
            if isReused == 1 { _ = set(fd, 1, 2, 1) }
            return isThere
        }
        var state: UInt8
        repeat {
            state = readOptions(fd, d)
            readSequences(fd, d)
        } while state != readOptions(fd, d)
        if state == TCP.closeWait { d.pointee.received &-= 1 }  // a FIN has come, which has a number, too
        _ = set(fd, 6, TCP.repairQueue, 0)
        _ = set(fd, 6, TCP.repair, -1)  // without a window probe
        if isReused == 1 { _ = set(fd, 1, 2, 1) }
        return true
    }

    /// A program that has given its rights up has its agent do it, who has the socket for a moment.
    @_noLocks private static func askAgent(_ fd: UInt64, _ d: UnsafeMutablePointer<castor_tcp>) -> Bool {
        guard castor_load32(castor_segment_committing(segment)) != 0, let c = claim(UInt32(truncatingIfNeeded: fd)) else { return false }
        c.pointee.pid = process.pointee.pid
        c.pointee.descriptor = UInt32(truncatingIfNeeded: fd)
        c.pointee.cookie = cookie(fd)
        c.pointee.may_end = 0
        castor_store32(castor_connection_state(c), CASTOR_CONNECTION_ASKED)
        let answer = castor_connection_may_end(c)
        while case let seen = castor_load32(answer), seen < CASTOR_READ_OUT, castor_load32(castor_segment_committing(segment)) != 0 {
            changed(c)
            failStop()
            sleepOn(address(answer), seen, milliseconds: 50)
        }
        let isThere = castor_load32(answer) == CASTOR_READ_OUT
        if isThere { d.pointee = c.pointee.tcp }
        castor_store32(castor_connection_state(c), CASTOR_CONNECTION_GONE)
        if !isThere { tellOnce(1, "castor: without CAP_NET_ADMIN a standby cannot go on with TCP connections") }
        return isThere
    }

    /// Before a call that connects.
    @inline(never) @_noLocks static func makes(_ f: Frame) {
        let family = f.pointee.a1 == 0 ? 0 : halves(f.pointee.a1)[0] & 0xffff
        if family == 2 || family == 10, isStream(f.pointee.a0) { tellOnce(2, "castor: TCP connections that the program makes to others end when a standby takes over") }
    }

    @_noLocks private static func tellOnce(_ bit: UInt32, _ text: StaticString) {
        if castor_fetch_or32(castor_segment_lost(segment), bit) & bit == 0 { say(text) }
    }

    /// A new connection is in the table from now on.
    @inline(never) @_noLocks static func open(_ f: Frame) {
        let fd = UInt64(bitPattern: f.pointee.result)
        guard let c = enter(fd) else { return say("castor: too many TCP connections: a standby cannot go on with all") }
        c.pointee.tcp = description(f).pointee
        castor_store32(castor_connection_state(c), CASTOR_CONNECTION_OPEN)
        changed(c)
    }

    /// After a call that has made a socket: if it is one of UDP, the agent is to have it, too.
    @inline(never) @_noLocks static func openDatagrams(_ f: Frame) {
        let fd = UInt64(bitPattern: f.pointee.result)
        guard f.pointee.result >= 0, f.pointee.a0 == 2 || f.pointee.a0 == 10, option(fd, 1, 38) == 17, let c = enter(fd) else { return }
        castor_store32(castor_connection_state(c), CASTOR_CONNECTION_DATAGRAMS)
        changed(c)
    }

    /// A new place of the table for what is behind a descriptor.
    @_noLocks private static func enter(_ fd: UInt64) -> Connection? {
        let object = castor_descriptor(fd & 0xffff_ffff).pointee >> 4
        guard let c = claim(object) else { return nil }
        c.pointee.object = object
        c.pointee.pid = process.pointee.pid
        c.pointee.descriptor = UInt32(truncatingIfNeeded: fd)
        c.pointee.references = 1
        c.pointee.ending = 0
        c.pointee.may_end = 0
        c.pointee.epoll = 0
        c.pointee.writers = 0
        c.pointee.consumed = 0
        c.pointee.produced = 0
        c.pointee.skip = 0
        c.pointee.cookie = cookie(fd)
        c.pointee.is_held = 0
        c.pointee.is_broken = 0
        c.pointee.released = 0
        c.pointee.writes = 0
        c.pointee.writes_done = 0
        return c
    }

    /// The program has it, and may send by it.
    @inline(__always) @_noLocks static func isLive(_ c: Connection) -> Bool {
        let state = castor_load32(castor_connection_state(c))
        return state == CASTOR_CONNECTION_OPEN || state == CASTOR_CONNECTION_DATAGRAMS
    }

    /// After a call that may have made another descriptor of a connection, or closed one.
    @_noLocks static func follow(_ row: Row, _ f: Frame) {
        if f.pointee.result < 0 { return }
        switch Int32(truncatingIfNeeded: f.pointee.nr) {
        case SYS_epoll_ctl: return unwatch(f)
        case SYS_socket: return openDatagrams(f)
        case SYS_close_range: return forEach(inRangeOf: f) { closed($0) }
        default: break
        }
        switch row.pointee.descriptors {
        case CASTOR_FD_DUPS: refer(f)
        case CASTOR_FD_FCNTL where f.pointee.a1 == 0 || f.pointee.a1 == 1030: refer(f)
        case CASTOR_FD_CLOSES:
            if let c = find(f.pointee.a0) { closed(c) }
        default: break
        }
    }
    /// One descriptor less.
    @_noLocks private static func closed(_ c: Connection) {
        guard isLive(c), castor_fetch_add32(castor_connection_references(c), UInt32.max) == 1 else { return }
        let isStream = castor_load32(castor_connection_state(c)) == CASTOR_CONNECTION_OPEN
        castor_store32(castor_connection_state(c), isStream ? CASTOR_CONNECTION_CLOSED : CASTOR_CONNECTION_GONE)
        changed(c)
    }
    /// Of this process's, those whose first descriptor a close_range closes.
    @_noLocks private static func forEach(inRangeOf f: Frame, _ body: (Connection) -> Void) {
        if f.pointee.a2 & 4 != 0 { return }  // CLOSE_RANGE_CLOEXEC
        var i: UInt32 = 0
        while i < CASTOR_CONNECTIONS {
            let c = at(i)
            let descriptor = UInt64(c.pointee.descriptor)
            if isLive(c), c.pointee.pid == process.pointee.pid, descriptor >= f.pointee.a0 & 0xffff_ffff, descriptor <= f.pointee.a1 & 0xffff_ffff {
                body(c)
            }
            i &+= 1
        }
    }
    /// Before an epoll_ctl: another thread may close the connection as soon as it is in the set. When the call fails, so does the one that
    /// takes it out.
    @inline(never) @_noLocks static func watch(_ f: Frame) {
        guard f.pointee.a1 & 0xffff_ffff == 1, Descriptors.kind(f.pointee.a2) == DescriptorKind.network, let c = find(f.pointee.a2) else { return }
        let epoll = UInt32(truncatingIfNeeded: f.pointee.a0) &+ 1  // EPOLL_CTL_ADD
        if castor_cas32(castor_connection_epoll(c), 0, epoll) == 0 { castor_store32(castor_connection_epoll(c), CASTOR_EPOLLS) }
    }
    @_noLocks private static func unwatch(_ f: Frame) {
        if isReplaying { watch(f) }
        guard f.pointee.a1 & 0xffff_ffff == 2, Descriptors.kind(f.pointee.a2) == DescriptorKind.network, let c = find(f.pointee.a2) else { return }
        _ = castor_cas32(castor_connection_epoll(c), UInt32(truncatingIfNeeded: f.pointee.a0) &+ 1, 0)
    }
    @_noLocks private static func refer(_ f: Frame) {
        if let c = find(UInt64(bitPattern: f.pointee.result)) { _ = castor_fetch_add32(castor_connection_references(c), 1) }
    }

    /// Before a call that ends connections, or what they send: the gate is to let that through when a standby knows. The connection
    /// to wait for, if it is one.
    @_noLocks static func ends(_ f: Frame) -> Connection? {
        switch Int32(truncatingIfNeeded: f.pointee.nr) {
        case SYS_close: return end(f.pointee.a0)
        case SYS_dup2, SYS_dup3: return end(f.pointee.a1)
        case SYS_shutdown:
            guard f.pointee.a1 & 0xffff_ffff != 0, let c = find(f.pointee.a0) else { return nil }  // SHUT_RD sends nothing
            return end(c, CASTOR_ENDING_OUTPUT)
        case SYS_exit_group: return endAll()
        case SYS_close_range:
            var last: Connection?
            forEach(inRangeOf: f) { c in
                if castor_load32(castor_connection_references(c)) == 1 { last = end(c, CASTOR_ENDING_CONNECTION) ?? last }
            }
            return last
        default: return nil
        }
    }
    /// A descriptor is about to be closed.
    @_noLocks private static func end(_ fd: UInt64) -> Connection? {
        guard let c = find(fd), castor_load32(castor_connection_references(c)) == 1 else { return nil }
        return end(c, CASTOR_ENDING_CONNECTION)
    }
    @_noLocks private static func end(_ c: Connection, _ what: UInt32) -> Connection? {
        guard isLive(c) else { return nil }
        castor_store32(castor_connection_may_end(c), 0)
        castor_store32(castor_connection_ending(c), max(what, castor_load32(castor_connection_ending(c))))
        changed(c)
        return c
    }
    /// The last of them, which the agent gets to last.
    @_noLocks private static func endAll() -> Connection? {
        var last: Connection?
        var i: UInt32 = 0
        while i < CASTOR_CONNECTIONS {
            let c = at(i)
            if c.pointee.pid == process.pointee.pid { last = end(c, CASTOR_ENDING_CONNECTION) ?? last }
            i &+= 1
        }
        return last
    }

    // MARK: - Data

    private enum Direction { case none, read, written }

    @inline(__always) @_noLocks private static func direction(_ f: Frame) -> Direction {
        switch Int32(truncatingIfNeeded: f.pointee.nr) {
        case SYS_read, SYS_readv: return .read
        case SYS_recvfrom: return f.pointee.a3 & 2 == 0 ? .read : .none  // MSG_PEEK
        case SYS_recvmsg: return f.pointee.a2 & 2 == 0 ? .read : .none
        case SYS_write, SYS_writev, SYS_sendto, SYS_sendmsg, SYS_sendfile: return .written
        default: return .none
        }
    }

    /// After a call on a descriptor that leads out, and its event.
    @inline(never) @_noLocks static func count(_ f: Frame) {
        if f.pointee.result <= 0 || Descriptors.kind(f.pointee.a0) != DescriptorKind.network { return }
        let direction = direction(f)
        guard direction != .none, let c = find(f.pointee.a0), castor_load32(castor_connection_state(c)) != CASTOR_CONNECTION_DATAGRAMS
        else { return }
        let n = UInt64(f.pointee.result)
        if direction == .written {
            if f.pointee.flags & Mark.held != 0 { return }  // it has been, when its place was
            _ = castor_fetch_add(castor_connection_produced(c), n)
            _ = castor_fetch_add(castor_connection_released(c), n)
        } else {
            _ = castor_fetch_add(castor_connection_consumed(c), n)
            changed(c)
        }
    }

    /// A thread is about to send by itself: nothing is held until it has, so that places in the stream remain in their order.
    @_noLocks static func beginWriting(_ f: Frame) {
        guard direction(f) == .written, let c = find(f.pointee.a0), castor_load32(castor_connection_state(c)) == CASTOR_CONNECTION_OPEN
        else { return }
        let writers = castor_connection_writers(c)
        var tries = 0
        while true {
            let now = castor_load32(writers)
            if now != CASTOR_HOLDING, castor_cas32(writers, now, now &+ 1) != 0 { break }
            tries += 1
            if tries > 100 { kernel(SYS_sched_yield) } else { castor_pause() }
        }
        f.pointee.flags |= Mark.writes
    }
    @_noLocks static func endWriting(_ f: Frame) {
        f.pointee.flags &= ~Mark.writes
        if let c = find(f.pointee.a0) { _ = castor_fetch_add32(castor_connection_writers(c), UInt32.max) }
    }
    /// The place in the stream of so many bytes that are held; nil while threads send by themselves.
    @_noLocks static func takePlace(_ c: Connection, _ length: UInt64) -> UInt64? {
        let writers = castor_connection_writers(c)
        while castor_cas32(writers, 0, CASTOR_HOLDING) == 0 {
            if castor_load32(writers) != CASTOR_HOLDING { return nil }
            castor_pause()
        }
        let place = castor_fetch_add(castor_connection_produced(c), length)
        castor_store32(writers, 0)
        return place
    }

    /// On a standby, where the call is not made.
    @inline(never) @_noLocks static func countAgain(_ f: Frame) {
        if f.pointee.result > 0, direction(f) == .written, let c = find(f.pointee.a0),
            castor_load32(castor_connection_state(c)) != CASTOR_CONNECTION_DATAGRAMS
        {
            retain(f, c)
        }
        count(f)
    }

    // MARK: - What has arrived already

    /// The primary may have died in a call that sent, and the client have more than a standby knows of. The program, live now, makes
    /// the call again: what has arrived is passed over.
    @inline(never) @_noLocks static func skip(_ f: Frame) -> Bool {
        guard Descriptors.kind(f.pointee.a0) == DescriptorKind.network, direction(f) == .written, let c = find(f.pointee.a0) else {
            return false
        }
        let left = castor_load(castor_connection_skip(c))
        let asked = length(f)
        let n = min(left, asked)
        if n == 0 { return false }
        castor_store(castor_connection_skip(c), left &- n)
        if left == n { _ = castor_fetch_add32(castor_segment_skipping(segment), UInt32.max) }
        f.pointee.result = Int64(n)
        if f.pointee.nr == UInt64(SYS_sendfile) { moveOn(f.pointee.a1, f.pointee.a2, n) }
        let isPlain = f.pointee.nr == UInt64(SYS_write) || f.pointee.nr == UInt64(SYS_sendto)
        // Who does not mind to wait does not expect that a part is left.
        if n < asked, isPlain, kernel(SYS_fcntl, f.pointee.a0, 3) & 0o4000 == 0 {  // F_GETFL, O_NONBLOCK
            let flags = f.pointee.nr == UInt64(SYS_sendto) ? f.pointee.a3 : 0
            let rest = kernel(SYS_sendto, f.pointee.a0, f.pointee.a1 &+ n, asked &- n, flags, 0, 0)
            if rest > 0 { f.pointee.result &+= rest }
        }
        return true
    }

    /// Bytes that a call is to send.
    @_noLocks private static func length(_ f: Frame) -> UInt64 {
        switch Int32(truncatingIfNeeded: f.pointee.nr) {
        case SYS_writev: return total(f.pointee.a1, f.pointee.a2)
        case SYS_sendmsg: return total(words(f.pointee.a1)[2], words(f.pointee.a1)[3])  // msg_iov, msg_iovlen
        case SYS_sendfile: return f.pointee.a3
        default: return f.pointee.a2
        }
    }
    // MARK: - What may have to be sent again

    @_noLocks private static func retain(_ f: Frame, _ c: Connection) {
        if segment.pointee.retained_offset == 0 { return }
        let n = UInt64(f.pointee.result)
        var to = Retained(c)
        switch Int32(truncatingIfNeeded: f.pointee.nr) {
        case SYS_writev: to.put(vector: f.pointee.a1, f.pointee.a2, n)
        case SYS_sendmsg: to.put(vector: words(f.pointee.a1)[2], words(f.pointee.a1)[3], n)  // msg_iov, msg_iovlen
        case SYS_sendfile: to.put(file: f.pointee.a1, f.pointee.a2, n)
        default: to.put(f.pointee.a1, n)
        }
    }

    /// The part of the segment's file that has a connection's last output.
    private struct Retained {
        let start: UInt64
        var position: UInt64

        @_noLocks init(_ c: Connection) {
            start = segment.pointee.retained_offset &+ UInt64(index(c)) &* CASTOR_RETAINED
            position = c.pointee.produced
        }

        @_noLocks mutating func put(_ from: UInt64, _ length: UInt64) {
            var from = from
            var left = length
            while left > 0 {
                let offset = position % CASTOR_RETAINED
                let n = kernel(
                    SYS_pwrite64, UInt64(UInt32(bitPattern: process.pointee.segment_fd)), from, min(left, CASTOR_RETAINED &- offset),
                    start &+ offset)
                if n <= 0 { return say("castor: what was sent cannot be kept: no memory") }
                from &+= UInt64(n)
                position &+= UInt64(n)
                left &-= UInt64(n)
            }
        }

        @_noLocks mutating func put(vector at: UInt64, _ count: UInt64, _ length: UInt64) {
            var left = length
            var i: UInt64 = 0
            while left > 0, i < count {
                let v = words(at &+ i &* 16)
                put(v[0], min(v[1], left))
                left &-= min(v[1], left)
                i &+= 1
            }
        }

        /// Before the file's offset is moved; the variable that `offset` points to has been moved already.
        @_noLocks mutating func put(file fd: UInt64, _ offset: UInt64, _ length: UInt64) {
            var from = offset == 0 ? UInt64(bitPattern: kernel(SYS_lseek, fd, 0, 1)) : words(offset)[0] &- length
            var left = length
            var buffer: InlineArray<512, UInt64> = .init(repeating: 0)
            withUnsafeMutablePointer(to: &buffer) { b in
                while left > 0 {
                    let n = kernel(SYS_pread64, fd, address(b), min(left, 4096), from)
                    if n <= 0 { return say("castor: a file that was sent cannot be read again") }
                    put(address(b), UInt64(n))
                    from &+= UInt64(n)
                    left &-= UInt64(n)
                }
            }
        }
    }
}

// MARK: - The kernel's side of a connection

private enum TCP {
    static let maximumSegment: UInt64 = 2
    static let info: UInt64 = 11
    static let repair: UInt64 = 19
    static let repairQueue: UInt64 = 20
    static let queueSequence: UInt64 = 21
    static let timestamp: UInt64 = 24
    static let receives: Int64 = 1
    static let sends: Int64 = 2
    static let closeWait: UInt8 = 8
}

@_noLocks private func option(_ fd: UInt64, _ level: UInt64, _ name: UInt64) -> UInt32 {
    var value: (UInt32, UInt32) = (0, 4)
    return withUnsafeMutablePointer(to: &value) {
        kernel(SYS_getsockopt, fd, level, name, address($0), address($0) &+ 4) == 0 ? $0.pointee.0 : 0
    }
}

@_noLocks private func cookie(_ fd: UInt64) -> UInt64 {
    var value: (UInt64, UInt64) = (0, 8)
    return withUnsafeMutablePointer(to: &value) {
        kernel(SYS_getsockopt, fd, 1, 57, address($0), address($0) &+ 8) == 0 ? $0.pointee.0 : 0  // SO_COOKIE
    }
}

@_noLocks private func set(_ fd: UInt64, _ level: UInt64, _ name: UInt64, _ value: Int64) -> Int64 {
    var value = value
    return withUnsafeMutablePointer(to: &value) { kernel(SYS_setsockopt, fd, level, name, address($0), 4) }
}

/// Puts an end's address and port there. Both struct sockaddr_in and sockaddr_in6 have the port at 2, the address at 4 or 8.
@_noLocks private func names(_ fd: UInt64, _ family: UInt32, _ call: Int32, _ host: UInt64, _ port: UInt64) -> Bool {
    var name: (UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 28)
    return withUnsafeMutablePointer(to: &name) { p in
        guard kernel(call, fd, address(p), address(p) &+ 32) == 0 else { return false }
        castor_copy(memory(port), memory(address(p) &+ 2), 2)
        castor_copy(memory(host), memory(address(p) &+ (family == 2 ? 4 : 8)), family == 2 ? 4 : 16)
        return true
    }
}

/// In repair mode. What has come and was not read yet is still to be read.
@_noLocks private func readSequences(_ fd: UInt64, _ d: UnsafeMutablePointer<castor_tcp>) {
    _ = set(fd, 6, TCP.repairQueue, TCP.receives)
    var queued: UInt32 = 0
    var next: UInt32
    repeat {
        next = option(fd, 6, TCP.queueSequence)
        withUnsafeMutablePointer(to: &queued) { _ = kernel(SYS_ioctl, fd, 0x541b, address($0)) }  // SIOCINQ
    } while next != option(fd, 6, TCP.queueSequence)
    d.pointee.received = next &- queued
    _ = set(fd, 6, TCP.repairQueue, TCP.sends)
    d.pointee.sent = option(fd, 6, TCP.queueSequence)
}

/// The connection's state, too.
@_noLocks private func readOptions(_ fd: UInt64, _ d: UnsafeMutablePointer<castor_tcp>) -> UInt8 {
    d.pointee.mss = option(fd, 6, TCP.maximumSegment)
    d.pointee.timestamp = option(fd, 6, TCP.timestamp)
    var info: (UInt64, UInt64) = (0, 8)  // the beginning of struct tcp_info: state at 0, options at 5, scales at 6
    withUnsafeMutablePointer(to: &info) { _ = kernel(SYS_getsockopt, fd, 6, TCP.info, address($0), address($0) &+ 8) }
    let options = UInt8(truncatingIfNeeded: info.0 >> 40)
    if options & 1 != 0 { d.pointee.options |= CASTOR_TCP_TIMESTAMPS }
    if options & 2 != 0 { d.pointee.options |= CASTOR_TCP_SACK }
    if options & 4 != 0 { d.pointee.options |= CASTOR_TCP_SCALES }
    d.pointee.send_scale = UInt8(truncatingIfNeeded: info.0 >> 48) & 15
    d.pointee.receive_scale = UInt8(truncatingIfNeeded: info.0 >> 52) & 15
    return UInt8(truncatingIfNeeded: info.0)
}
