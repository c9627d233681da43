/// Output commit (CASTOR_OPT_COMMIT): what leads out of the recording waits until a standby has everything that led to it. Then
/// whoever saw the output can go on with the standby as if nothing had happened.
///
/// The call's place among the events of its shard is published before the wait: others may come after it and are not held up. The
/// agent is the one who knows how far the standby is; `castor_ring.acknowledged` counts lines of this ring.
///
/// Data for a TCP connection need not wait in the call: see HeldOutputs.swift.
import CTSXGate
import CTSXShim

/// `castor_thread.disturbed`: what a thread does beside recording.
enum Disturbance {
    static let chaos: UInt8 = 1
    static let commit: UInt8 = 2
    static let skip: UInt8 = 4
    static let identities: UInt8 = 8

    @_noLocks static func ofNewThread() -> UInt8 {
        (segment.pointee.chaos != 0 ? chaos : 0) | (segment.pointee.options & CASTOR_OPT_COMMIT != 0 ? commit : 0)
            | (castor_load32(castor_segment_skipping(segment)) != 0 ? skip : 0)
            | (castor_load32(castor_segment_identities_noted(segment)) != 0 ? identities : 0)
    }
}

/// Whether a call's effects are seen outside of the recording: data, the end of a stream, a connection.
@inline(never) @_noLocks func leadsOut(_ f: Frame) -> Bool {
    switch Int32(truncatingIfNeeded: f.pointee.nr) {
    case SYS_write, SYS_writev, SYS_sendto, SYS_sendmsg, SYS_sendmmsg, SYS_sendfile, SYS_connect, SYS_shutdown, SYS_close:
        return isNetwork(f.pointee.a0)
    case SYS_splice: return isNetwork(f.pointee.a2)
    case SYS_dup2, SYS_dup3: return isNetwork(f.pointee.a1)
    case SYS_close_range, SYS_exit_group, SYS_execve, SYS_execveat: return true
    default: return false
    }
}
@inline(__always) @_noLocks private func isNetwork(_ fd: UInt64) -> Bool { Descriptors.kind(fd) == DescriptorKind.network }

/// Before the call is made. False once recording has been given up.
@inline(never) @_noLocks func commit(_ me: Thread, _ f: Frame) -> Bool {
    guard let ring = me.pointee.ring else { return true }
    if me.pointee.borrowing != 0 { return borrowed(f) }
    guard castor_load32(castor_segment_committing(segment)) != 0 else {
        _ = Connections.ends(f)
        return true
    }
    if f.pointee.nr == UInt64(SYS_connect) { Connections.makes(f) }
    recordBegin(me, f)
    ring.publishCounted()
    ring.leaveLine()
    let ended = Connections.ends(f)
    ring.pointee.waiting = CASTOR_WAIT_COMMIT
    ring.awaitAcknowledgement(of: ring.pointee.tail)
    Connections.beginWriting(f)
    HeldOutputs.awaitRelease(before: f)
    if let ended { awaitGate(ended) }
    ring.pointee.waiting = CASTOR_RUNNING
    if ring.makeRoom() { return true }
    if f.pointee.flags & Mark.writes != 0 { Connections.endWriting(f) }
    return false
}

/// A standby makes a vfork child only when it knows what became of the parent's call, which is after the child's exec: who waited for it
/// here would wait for ever. What the child closes its parent still has.
@_noLocks private func borrowed(_ f: Frame) -> Bool {
    switch Int32(truncatingIfNeeded: f.pointee.nr) {
    case SYS_close, SYS_close_range, SYS_dup2, SYS_dup3, SYS_exit_group, SYS_execve, SYS_execveat: break
    default: say("castor: a child of vfork sends before it executes a program: that does not wait for the standby")
    }
    return true
}

extension UnsafeMutablePointer where Pointee == castor_ring {
    /// Returns when the standby has the lines before `line`, or when nothing is to wait for a standby any more.
    @_noLocks fileprivate func awaitAcknowledgement(of line: UInt64) {
        let acknowledged = castor_ring_acknowledged(self)
        let waiting = castor_ring_output_waiting(self)
        while true {
            _ = castor_exchange32(waiting, 1)
            let seen = castor_load(acknowledged)
            if seen >= line || castor_load32(castor_segment_committing(segment)) == 0 { break }
            failStop()
            callAgent()
            wakeAgent()
            sleepOn(address(acknowledged), UInt32(truncatingIfNeeded: seen), milliseconds: 50)
        }
        castor_store32(waiting, 0)
    }
}

/// Returns when the gate lets the end of a connection through. The agent learns of it beside the ring: it may come later.
@_noLocks private func awaitGate(_ connection: Connection) {
    let word = castor_connection_may_end(connection)
    while castor_load32(word) == 0, castor_load32(castor_segment_committing(segment)) != 0 {
        failStop()
        wakeAgent()
        sleepOn(address(word), 0, milliseconds: 50)
    }
}

/// Without its agent the program cannot tell the standby what it does, and must not do anything that others see.
@_noLocks func failStop() {
    let pid = segment.pointee.agent_pid
    guard pid != 0, kernel(SYS_kill, UInt64(pid), 0) == Errno.noSuchProcess else { return }
    say("castor: the recording agent is gone; the program ends, for its standby takes over")
    kernel(SYS_kill, UInt64(process.pointee.pid), 9)
}
