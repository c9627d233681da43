/// TCP connections of a program with a standby: which there are, where the program watches them, and what ends them.
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
        let owner = owner(object)
        var i: UInt32 = 0
        while i < CASTOR_CONNECTION_REACH {
            let c = at(object &+ i)
            let state = castor_load32(castor_connection_state(c))
            if state == CASTOR_CONNECTION_FREE { return nil }
            let isOne = isLive(c) || state == CASTOR_CONNECTION_CLOSED
            if isOne, c.pointee.object == object, c.pointee.pid == owner { return c }
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
    @_noLocks static func claim(_ object: UInt32) -> Connection? {
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
    @_noLocks static func changed(_ c: Connection) {
        let index = index(c)
        _ = castor_fetch_or32(castor_connections_changed(segment) + Int(index / 32), 1 << (index % 32))
        if isRecording { wakeAgent() }
    }

    // MARK: - Beginnings and ends

    /// Before a call that connects.
    @inline(never) @_noLocks static func makes(_ f: Frame) {
        let family = f.pointee.a1 == 0 ? 0 : halves(f.pointee.a1)[0] & 0xffff
        if family == 2 || family == 10, isStream(f.pointee.a0) { tellOnce(2, "castor: TCP connections that the program makes to others end when a standby takes over") }
    }

    @_noLocks static func tellOnce(_ bit: UInt32, _ text: StaticString) {
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
        c.pointee.heirs = (0, 0, 0)
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
        case SYS_shutdown:
            // On a standby the socket is no connection yet; a take-over repeats it.
            if isStandby, f.pointee.a1 & 0xffff_ffff != 0, let c = find(f.pointee.a0) {
                castor_store32(castor_connection_ending(c), CASTOR_ENDING_OUTPUT)
                changed(c)
            }
            return
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
        if isLive(c), remove(c) { isOver(c) }
    }
    /// Nobody has a descriptor of it any more. Two processes may find that at once.
    @_noLocks static func isOver(_ c: Connection) {
        let state = castor_connection_state(c)
        if castor_cas32(state, CASTOR_CONNECTION_OPEN, CASTOR_CONNECTION_CLOSED) != 0
            || castor_cas32(state, CASTOR_CONNECTION_DATAGRAMS, CASTOR_CONNECTION_GONE) != 0
        {
            changed(c)
        }
    }
    /// Of those that this process has opened, those whose first descriptor a close_range closes.
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
        if let c = find(UInt64(bitPattern: f.pointee.result)) { add(c) }
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
                if references(c) == 1 { last = end(c, CASTOR_ENDING_CONNECTION) ?? last }
            }
            return last
        default: return nil
        }
    }
    /// A descriptor is about to be closed.
    @_noLocks private static func end(_ fd: UInt64) -> Connection? {
        guard let c = find(fd), references(c) == 1 else { return nil }
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
            if isLive(c), case let own = ownReferences(c), own > 0, references(c) == own { last = end(c, CASTOR_ENDING_CONNECTION) ?? last }
            i &+= 1
        }
        return last
    }
}
