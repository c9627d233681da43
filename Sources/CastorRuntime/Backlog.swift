/// Connections that the last machine's kernel had accepted and its program had not: after a take-over the agent has them, and the
/// program accepts others in their place (Backlog.swift in the agent).
import CTSXGate
import CTSXShim

extension Connections {
    /// After a call that accepts: if the agent has connected to the listener itself, the socket gets the client's connection, and the
    /// program the client's address.
    @inline(never) @_noLocks static func takeFromBacklog(_ f: Frame) {
        let fd = UInt64(bitPattern: f.pointee.result)
        guard f.pointee.result >= 0, option(fd, 1, 38) == 6 else { return }  // SO_PROTOCOL: TCP
        let family = option(fd, 1, 39)  // SO_DOMAIN
        // Peer and local address as in castor_tcp, then the ports.
        var own: InlineArray<5, UInt64> = .init(repeating: 0)
        withUnsafeMutablePointer(to: &own) { own in
            let at = address(own)
            guard names(fd, family, SYS_getpeername, at, at &+ 32), names(fd, family, SYS_getsockname, at &+ 16, at &+ 34),
                words(at)[0] == words(at)[2], words(at)[1] == words(at)[3], isReplaced(fd)
            else { return }
            tell(f, family, at)
        }
    }

    /// Asks the agent.
    @_noLocks private static func isReplaced(_ fd: UInt64) -> Bool {
        guard let c = claim(UInt32(truncatingIfNeeded: fd)) else { return false }
        c.pointee.pid = process.pointee.pid
        c.pointee.descriptor = UInt32(truncatingIfNeeded: fd)
        c.pointee.cookie = cookie(fd)
        c.pointee.may_end = 0
        castor_store32(castor_connection_state(c), CASTOR_CONNECTION_AWAITED)
        let answer = castor_connection_may_end(c)
        let calls = castor_segment_backlog_calls(segment)
        while case let seen = castor_load32(answer), seen < CASTOR_READ_OUT, castor_load32(castor_segment_backlog(segment)) != 0 {
            if castor_load32(castor_segment_committing(segment)) != 0 { failStop() } else if agentIsGone() { break }
            _ = castor_fetch_add32(calls, 1)
            wakeAll(address(calls))
            sleepOn(address(answer), seen, milliseconds: 50)
        }
        let isReplaced = castor_load32(answer) == CASTOR_READ_OUT
        castor_store32(castor_connection_state(c), CASTOR_CONNECTION_GONE)
        return isReplaced
    }

    /// Puts the client's address where the kernel has put that of the agent's end, which is at `old`.
    @_noLocks private static func tell(_ f: Frame, _ family: UInt32, _ old: UInt64) {
        if f.pointee.a1 == 0 { return }
        var new: InlineArray<5, UInt64> = .init(repeating: 0)
        withUnsafeMutablePointer(to: &new) { new in
            let at = address(new)
            guard names(UInt64(bitPattern: f.pointee.result), family, SYS_getpeername, at, at &+ 32) else { return }
            // The program may have had room for a part only, of which the kernel does not tell: what is not there is not replaced.
            replace(f.pointee.a1 &+ 2, at &+ 32, old &+ 32, 2)
            replace(f.pointee.a1 &+ (family == 2 ? 4 : 8), at, old, family == 2 ? 4 : 16)
        }
    }

    @_noLocks private static func replace(_ place: UInt64, _ new: UInt64, _ old: UInt64, _ count: UInt64) {
        let (now, was) = (memory(place).assumingMemoryBound(to: UInt8.self), memory(old).assumingMemoryBound(to: UInt8.self))
        var i = 0
        while i < Int(count) {
            if now[i] != was[i] { return }
            i &+= 1
        }
        castor_copy(memory(place), memory(new), count)
    }
}
