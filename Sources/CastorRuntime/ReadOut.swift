/// What a TCP connection is rebuilt from, read out of the kernel (TCP_REPAIR) when a program accepts it: the call's event has it.
import CTSXGate
import CTSXShim

extension Connections {
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

@_noLocks func option(_ fd: UInt64, _ level: UInt64, _ name: UInt64) -> UInt32 {
    var value: (UInt32, UInt32) = (0, 4)
    return withUnsafeMutablePointer(to: &value) {
        kernel(SYS_getsockopt, fd, level, name, address($0), address($0) &+ 4) == 0 ? $0.pointee.0 : 0
    }
}

@_noLocks func cookie(_ fd: UInt64) -> UInt64 {
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
@_noLocks func names(_ fd: UInt64, _ family: UInt32, _ call: Int32, _ host: UInt64, _ port: UInt64) -> Bool {
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
