/// The per-thread ring, from both ends. Recording: this thread produces, the agent consumes. Replay: the agent
/// produces, this thread consumes. Rings never drop: a full one makes its producer wait.
import CTSXGate
import CTSXShim

// MARK: - Recording

extension UnsafeMutablePointer where Pointee == castor_ring {
    @inline(__always) var capacity: UInt64 { pointee.mask &+ 1 }

    /// An event boundary: another thread's fork is noticed here, and there is room for the next line. False once
    /// recording has been given up.
    @inline(__always) @_noLocks func makeRoom() -> Bool {
        if pointee.forks != process.pointee.forks { return catchUp() }
        return hasRoom()
    }
    /// Operations have been counted, or another thread has forked.
    @inline(never) @_noLocks private func catchUp() -> Bool {
        publishCounted()
        return pointee.forks == process.pointee.forks ? hasRoom() : noticeFork()
    }
    /// What the thread only counted so far comes before whatever it does next.
    @inline(__always) @_noLocks func publishCounted() {
        if pointee.forks != CASTOR_COUNTING { return }
        if ownedBy(castor_me()).pointee.state != CASTOR_ROW_NONE { publishRow() } else { publishRepeats() }
    }
    /// Makes room for a line that belongs to the event before.
    @inline(__always) @_noLocks func hasRoom() -> Bool {
        leaveLine()
        if pointee.tail &- pointee.cached_head <= pointee.mask { return true }
        return waitForRoom(from: pointee.tail)
    }

    // Small events: see castor_abi.h. A line for them is begun only where the next one is free as well, so that whatever comes
    // after the first finds room.

    /// An event boundary before a small event of `length` bytes: as `makeRoom`.
    @inline(__always) @_noLocks func makeRoom(small length: UInt32) -> Bool {
        let packed = pointee.packed
        if pointee.forks == process.pointee.forks, packed != 0, packed &+ length <= 64 { return true }
        return beginLine(length)
    }
    @inline(never) @_noLocks func beginLine(_ length: UInt32) -> Bool {
        if pointee.forks != process.pointee.forks, !catchUp() { return false }
        return beginLine(room: length)
    }
    @inline(__always) @_noLocks func beginLine(room length: UInt32) -> Bool {
        if pointee.packed &+ length > 64 { closeLine() }
        if pointee.packed != 0 || pointee.tail &- pointee.cached_head < pointee.mask { return true }
        return waitForRoom(from: pointee.tail &+ 1)
    }
    @inline(never) @_noLocks func closeLine() {
        castor_close_line(self)
        if pointee.tail >= pointee.kick { kickAgent(pointee.tail) }
    }
    /// Whether the next event is to be one with a time stamp.
    @inline(__always) var stampIsDue: Bool { castor_stamp_is_due(self, CASTOR_STAMP_EVERY) != 0 }
    @inline(__always) @_noLocks func leaveLine() { if pointee.packed != 0 { closeLine() } }
    /// An event that could be small, in a line of its own, for it is to have a time stamp or its version is too large. After
    /// `makeRoom(small:)`.
    @inline(never) @_noLocks func publishStamped(_ entry: UnsafePointer<castor_entry>) {
        leaveLine()
        next.pointee = entry.pointee
        next.pointee.stamp = castor_stamp(self)
        publishEvent()
    }

    /// The slot of the next event.
    @inline(__always) var next: Entry { castor_slot(self, pointee.tail) }

    /// Publishes everything before `line`.
    @inline(__always) @_noLocks func publish(upTo line: UInt64) {
        castor_store(castor_ring_tail(self), line)
        if line >= pointee.kick { kickAgent(line) }
    }
    @inline(__always) @_noLocks func publishEvent() {
        pointee.events &+= 1
        publish(upTo: pointee.tail &+ 1)
    }

    /// A parked ring calls the agent; one that fills between two of the agent's looks wakes it.
    @inline(never) @_noLocks private func kickAgent(_ line: UInt64) {
        let wasParked = pointee.kick == 0
        pointee.kick = line &+ capacity / 4
        callAgent()
        if !wasParked { wakeAgent() }
    }

    /// Has the agent look at the ring at its next look at any, or at once when nothing else goes on.
    @inline(never) @_noLocks func callAgent() {
        let index = index
        _ = castor_fetch_or(castor_segment_calls(segment) + Int(index / 64), 1 << (index % 64))
        if castor_load32(agentSleeping) == CASTOR_AGENT_LISTENS { wakeAgent() }
    }

    @inline(__always) var index: UInt32 {
        UInt32(truncatingIfNeeded: (address(self) &- address(segment) &- segment.pointee.rings_offset) / segment.pointee.ring_bytes)
    }

    @inline(never) @_noLocks func waitForRoom(from line: UInt64) -> Bool {
        while true {
            let head = castor_load(castor_ring_head(self))
            pointee.cached_head = head
            if line &- head <= pointee.mask { return true }
            if castor_load32(stoppedWord) != 0 || agentIsGone() {
                goOnUnrecorded()
                return false
            }
            callAgent()
            wakeAgent()
            _ = castor_exchange32(producerWaiting, 1)
            if castor_load(castor_ring_head(self)) == head {
                sleepOn(address(castor_ring_head(self)), UInt32(truncatingIfNeeded: head), milliseconds: 50)
            }
            castor_store32(producerWaiting, 0)
        }
    }
    @inline(__always) private var producerWaiting: UnsafeMutablePointer<UInt32> {
        castor_ring_producer_waiting(self)
    }
}

@inline(__always) var stoppedWord: UnsafeMutablePointer<UInt32> {
    castor_segment_stopped(segment)
}
@inline(__always) var agentSleeping: UnsafeMutablePointer<UInt32> {
    castor_segment_agent_sleeping(segment)
}

@c @implementation @_noLocks
func castor_call_agent(_ ring: Ring) { ring.callAgent() }

@_noLocks func wakeAgent() {
    if castor_load32(agentSleeping) != 0, castor_exchange32(agentSleeping, 0) != 0 { wakeAll(address(agentSleeping)) }
}

/// Recording has been given up. A program whose outputs wait for a standby ends instead: the standby would know nothing of what it
/// does from now on.
@inline(never) @_noLocks func goOnUnrecorded() {
    if castor_load32(castor_segment_committing(segment)) != 0 {
        say("castor: the program is not recorded any more, and ends, for its standby takes over")
        kernel(SYS_kill, UInt64(process.pointee.pid), 9)
    }
    castor_mode_set(CASTOR_MODE_OFF)
}

/// The agent was killed together with castor, which would have said so.
@_noLocks func agentIsGone() -> Bool {
    let pid = segment.pointee.agent_pid
    guard pid != 0, kernel(SYS_kill, UInt64(pid), 0) == -3 else { return false }
    if castor_exchange32(stoppedWord, CASTOR_STOP_AGENT_DIED) == 0, castor_load32(castor_segment_committing(segment)) == 0 {
        say("castor: the recording agent is gone; the program goes on, unrecorded")
    }
    return true
}

/// Writes an event's payload behind its entry, as far as the ring has room, waiting for the agent in between.
struct PayloadWriter {
    let ring: Ring
    var line: UInt64
    var offset: UInt64 = 0
    var alive = true

    /// The entry itself must be complete: the agent may see it before the payload ends.
    @inline(__always) @_noLocks init(_ ring: Ring) {
        self.ring = ring
        line = ring.pointee.tail &+ 1
    }

    @_noLocks mutating func put(_ from: UInt64, _ length: UInt64) {
        var from = from
        var left = length
        while left > 0, alive {
            let used = line &- ring.pointee.cached_head
            if used > ring.pointee.mask {
                ring.publish(upTo: line)
                alive = ring.waitForRoom(from: line)
                continue
            }
            let place = (line & ring.pointee.mask) &* 64 &+ offset
            let free = (ring.capacity &- used) &* 64 &- offset
            let untilWrap = ring.capacity &* 64 &- place
            let n = min(left, min(free, untilWrap))
            castor_copy(memory(address(ring) &+ UInt64(CASTOR_RING_HEADER) &+ place), memory(from), n)
            from &+= n
            left &-= n
            offset &+= n
            line &+= offset >> 6
            offset &= 63
        }
    }

    @inline(__always) @_noLocks mutating func finish() {
        if !alive { return }
        ring.pointee.events &+= 1
        ring.publish(upTo: offset > 0 ? line &+ 1 : line)
    }
}

// MARK: - Replay

extension UnsafeMutablePointer where Pointee == castor_ring {
    /// Waits until the agent has fed the line at `line`.
    @inline(__always) @_noLocks func waitForFeed(_ line: UInt64) {
        if castor_load(castor_ring_tail(self)) > line { return }
        sleepForFeed(line)
    }

    @inline(never) @_noLocks private func sleepForFeed(_ line: UInt64) {
        pointee.waiting = CASTOR_WAIT_FEED
        wakeAgent()
        var spins = 0
        while castor_load(castor_ring_tail(self)) <= line {
            if isStandby, castor_load32(castor_segment_live(segment)) != 0 {
                castor_slot(self, line).pointee.kind = CASTOR_EV_LIVE  // the ring is empty, and this thread's from now on
                break
            }
            if spins < 200 {
                spins &+= 1
                castor_pause()
                continue
            }
            _ = castor_exchange32(consumerWaiting, 1)
            let tail = castor_load(castor_ring_tail(self))
            if tail <= line {
                wakeAgent()
                sleepOn(address(castor_ring_tail(self)), UInt32(truncatingIfNeeded: tail), milliseconds: 1000)
                // A child whose replay is over: nobody feeds it any more.
                if castor_me().pointee.pid != segment.pointee.main_pid,
                    kernel(SYS_kill, UInt64(segment.pointee.agent_pid), 0) == Errno.noSuchProcess
                {
                    kernel(SYS_exit_group, 0)
                }
            }
            castor_store32(consumerWaiting, 0)
        }
        pointee.waiting = CASTOR_RUNNING
    }
    @inline(__always) private var consumerWaiting: UnsafeMutablePointer<UInt32> {
        castor_ring_consumer_waiting(self)
    }

    /// The current entry, still in the ring.
    @inline(__always) @_noLocks func peek() -> Entry {
        waitForFeed(pointee.head)
        return castor_slot(self, pointee.head)
    }

    /// Gives lines back to the agent.
    @inline(__always) @_noLocks func consume(upTo line: UInt64) {
        castor_store(castor_ring_head(self), line)
        if castor_load32(agentSleeping) != 0, castor_load(castor_ring_tail(self)) &- line < capacity / 2 { wakeAgent() }
    }
}

/// Reads the payload of an entry that was copied out of the ring.
struct PayloadReader {
    let ring: Ring
    var line: UInt64
    var offset: UInt64 = 0
    var left: UInt64

    /// The ring's head is at the entry, whose copy is `entry`.
    @inline(__always) @_noLocks init(_ ring: Ring, _ entry: castor_entry) {
        self.ring = ring
        line = ring.pointee.head &+ 1
        left = UInt64(entry.payload)
    }

    /// Copies the next `length` bytes to `to`, or skips them when it is 0. Bytes beyond the payload are left alone.
    @_noLocks mutating func take(_ to: UInt64, _ length: UInt64) {
        var to = to
        var want = min(length, left)
        left &-= want
        while want > 0 {
            ring.waitForFeed(line)
            let place = (line & ring.pointee.mask) &* 64 &+ offset
            let fed = (castor_load(castor_ring_tail(ring)) &- line) &* 64 &- offset
            let n = min(want, min(fed, ring.capacity &* 64 &- place))
            if to != 0 {
                castor_copy(memory(to), memory(address(ring) &+ UInt64(CASTOR_RING_HEADER) &+ place), n)
                to &+= n
            }
            want &-= n
            offset &+= n
            line &+= offset >> 6
            offset &= 63
            if line &- ring.pointee.head > ring.capacity / 2 { ring.consume(upTo: line) }
        }
    }

    @inline(__always) @_noLocks mutating func finish() {
        take(0, left)
        ring.pointee.events &+= 1
        ring.consume(upTo: offset > 0 ? line &+ 1 : line)
    }
}
