/// Asynchronous release: what a program sends over a TCP connection or in datagrams is kept, and the call returns at once. The agent
/// sends it when a standby has everything that led to it, the call's own event included.
///
/// Only where nobody can tell the difference: the kernel would have taken all of it by the time that it is sent, and whoever asks it
/// later, by a call that sends or ends something, waits until nothing is held. So the kernel's word whether a socket can be written to
/// remains true, and where it would not take everything it is asked (Commit.swift).
import CTSXGate
import CTSXShim

enum HeldOutputs {
    /// A page that a small write takes in the kernel's count, and its own overhead.
    private static let overhead: UInt64 = 2304
    /// Larger ones wait: copying them costs more than it brings.
    private static let most: UInt64 = CASTOR_HELD_BYTES / 4
    /// Of a connection whose other side takes what it is sent: the kernel's buffer would be empty again before all of this is due.
    private static let ahead: UInt64 = 512 << 10
    /// Ethernet's; whether larger ones can be sent the kernel tells, and programs want to know.
    private static let mostDatagram: UInt64 = 1472

    /// Whether a call need not wait: what it sends is held, or what it ends.
    @inline(__always) @_noLocks static func takes(_ me: Thread, _ f: Frame) -> Bool {
        guard me.pointee.borrowing == 0, let ring = me.pointee.ring else { return false }
        return hold(ring, f) || canClose(f)
    }

    /// Keeps what the call sends, which need not be made then. Its event is to follow, then `publish`.
    @inline(never) @_noLocks private static func hold(_ ring: Ring, _ f: Frame) -> Bool {
        guard segment.pointee.held_offset != 0, castor_load32(castor_segment_committing(segment)) != 0, let data = SentData(of: f),
            Descriptors.kind(f.pointee.a0) == DescriptorKind.network
        else { return false }
        let name = SentData.name(of: f)
        guard let c = name.length == 0 ? connection(f) : datagrams(f, name) else { return false }
        let length = data.length
        guard length > 0, length <= (name.length == 0 ? most : mostDatagram) else { return false }
        let index = ring.index
        let queue = castor_output_queue_at(segment, index)
        guard let at = place(queue, length &+ name.length), hasRoom(f.pointee.a0, c, length) else { return false }
        let start = segment.pointee.held_bytes_offset &+ CASTOR_HELD_BYTES &* UInt64(index) &+ at
        guard data.copy(length, to: start) else { return false }
        if name.length > 0, !SentData.piece(at: name.at, length: name.length).copy(name.length, to: start &+ length) { return false }
        guard let position = Connections.takePlace(c, length) else { return false }
        castor_output_queue_slot(queue, queue.pointee.added).pointee = castor_held_output(
            connection: Connections.index(c), length: UInt32(length), line: 0, position: position, at: UInt32(at), name: UInt32(name.length))
        _ = castor_fetch_add(castor_connection_writes(c), 1)
        f.pointee.result = Int64(length)
        f.pointee.flags |= Mark.held
        if case .file(let descriptor, let offset, _) = data { moveOn(descriptor, offset, length) }
        return true
    }

    @inline(__always) @_noLocks private static func connection(_ f: Frame) -> Connection? {
        guard let c = Connections.find(f.pointee.a0), isOpen(c) else { return nil }
        return c
    }

    /// Of a socket of UDP that the agent has. It is not told of errors: its datagram is lost then, as others are.
    @_noLocks private static func datagrams(_ f: Frame, _ name: (at: UInt64, length: UInt64)) -> Connection? {
        let flags = f.pointee.nr == UInt64(SYS_sendmsg) ? f.pointee.a2 : f.pointee.a3
        guard name.length <= 28, flags & 0x8000 == 0, let c = Connections.find(f.pointee.a0) else { return nil }  // sockaddr_in6; MSG_MORE
        let isReady =
            castor_load32(castor_connection_state(c)) == CASTOR_CONNECTION_DATAGRAMS && castor_load32(castor_connection_is_held(c)) != 0
            && castor_load32(castor_connection_ending(c)) == CASTOR_ENDING_NOTHING
        return isReady ? c : nil
    }

    /// After the event: the agent sees what is held.
    @_noLocks static func publish(_ ring: Ring) {
        let queue = castor_output_queue_at(segment, ring.index)
        castor_output_queue_slot(queue, queue.pointee.added).pointee.line = ring.pointee.tail
        castor_store(castor_output_queue_added(queue), queue.pointee.added &+ 1)
        ring.callAgent()
        wakeAgent()
    }

    /// Whether a call closes a connection of which the agent has the socket, too: the kernel ends it when the agent closes it, which is after
    /// all that is held and when a standby knows. So the call need not wait. The program's epoll set is not to tell of it any more.
    @inline(never) @_noLocks private static func canClose(_ f: Frame) -> Bool {
        guard f.pointee.nr == UInt64(SYS_close), let c = Connections.find(f.pointee.a0), isOpen(c),
            Connections.references(c) == 1, !lingers(f.pointee.a0)
        else { return false }
        switch c.pointee.epoll {
        case 0: return true
        case CASTOR_EPOLLS: return false
        case let epoll: return kernel(SYS_epoll_ctl, UInt64(epoll &- 1), 2, f.pointee.a0, 0) == 0  // EPOLL_CTL_DEL
        }
    }

    /// The program wants to wait for the other side, or wants it to be reset.
    @_noLocks private static func lingers(_ fd: UInt64) -> Bool {
        var linger: (UInt32, UInt32, UInt32) = (1, 0, 8)  // on, seconds; the length
        return withUnsafeMutablePointer(to: &linger) {
            kernel(SYS_getsockopt, fd, 1, 13, address($0), address($0) &+ 8) != 0 || $0.pointee.0 != 0  // SO_LINGER
        }
    }

    /// Nothing is known against the connection, and what it sends next comes after what is held.
    @inline(__always) @_noLocks private static func isOpen(_ c: Connection) -> Bool {
        castor_load32(castor_connection_is_held(c)) != 0 && castor_load32(castor_connection_is_broken(c)) == 0
            && castor_load32(castor_connection_state(c)) == CASTOR_CONNECTION_OPEN
            && castor_load32(castor_connection_ending(c)) == CASTOR_ENDING_NOTHING && castor_load(castor_connection_skip(c)) == 0
    }

    /// Where `length` bytes are free, in one piece.
    @_noLocks private static func place(_ queue: UnsafeMutablePointer<castor_output_queue>, _ length: UInt64) -> UInt64? {
        let added = queue.pointee.added
        let taken = castor_load(castor_output_queue_taken(queue))
        if taken == added { return 0 }
        if added &- taken == UInt64(CASTOR_HELD) { return nil }
        let first = UInt64(castor_output_queue_slot(queue, taken).pointee.at)
        let last = castor_output_queue_slot(queue, added &- 1).pointee
        let end = UInt64(last.at) &+ UInt64(last.length) &+ UInt64(last.name)
        if end <= first { return end &+ length < first ? end : nil }
        if end &+ length <= CASTOR_HELD_BYTES { return end }
        return length < first ? 0 : nil
    }

    /// Whether the kernel would take so much now, after all that is held. It counts the memory that bytes take, of which this is more
    /// than enough.
    @_noLocks private static func hasRoom(_ fd: UInt64, _ c: Connection, _ length: UInt64) -> Bool {
        var memory: InlineArray<10, UInt32> = .init(repeating: 0)  // SK_MEMINFO_*, then the length
        memory[9] = 36
        let isKnown = withUnsafeMutablePointer(to: &memory) {
            kernel(SYS_getsockopt, fd, 1, 55, address($0), address($0) &+ 36) == 0  // SO_MEMINFO
        }
        let isStream = castor_load32(castor_connection_state(c)) == CASTOR_CONNECTION_OPEN
        let (room, queued) = (UInt64(memory[3]), UInt64(isStream ? memory[5] : memory[2]))  // SK_MEMINFO_SNDBUF, _WMEM_QUEUED or _ALLOC
        let held = castor_load(castor_connection_produced(c)) &- castor_load(castor_connection_released(c))
        let writes = castor_load(castor_connection_writes(c)) &- castor_load(castor_connection_writes_done(c))
        if isKnown, queued &+ 2 &* (held &+ length) &+ overhead &* (writes &+ 1) <= room { return true }
        return isKnown && isStream && 2 &* queued <= room && held &+ length <= ahead
    }

    // MARK: - Calls that wait for what is held

    /// Returns when nothing is held that comes before a call that leads out.
    @inline(never) @_noLocks static func awaitRelease(before f: Frame) {
        if segment.pointee.held_offset == 0 { return }
        switch Int32(truncatingIfNeeded: f.pointee.nr) {
        case SYS_close_range, SYS_exit_group, SYS_execve, SYS_execveat:
            var i: UInt32 = 0
            while i < CASTOR_CONNECTIONS {
                let c = Connections.at(i)
                if Connections.isLive(c), Connections.ownReferences(c) > 0 { awaitRelease(of: c) }
                i &+= 1
            }
        case SYS_dup2, SYS_dup3: awaitRelease(ofDescriptor: f.pointee.a1)
        case SYS_splice: awaitRelease(ofDescriptor: f.pointee.a2)
        default: awaitRelease(ofDescriptor: f.pointee.a0)
        }
    }
    @_noLocks private static func awaitRelease(ofDescriptor fd: UInt64) {
        if let c = Connections.find(fd) { awaitRelease(of: c) }
    }
    @_noLocks private static func awaitRelease(of c: Connection) {
        let released = castor_connection_released(c)
        let waiting = castor_connection_released_waiting(c)
        while Connections.isLive(c) {
            _ = castor_exchange32(waiting, 1)
            let seen = castor_load(released)
            if seen >= castor_load(castor_connection_produced(c)) { break }
            failStop()
            wakeAgent()
            sleepOn(address(released), UInt32(truncatingIfNeeded: seen), milliseconds: 50)
        }
        castor_store32(waiting, 0)
    }
}
