/// What a program with a standby reads from and sends over its TCP connections: how far each direction is, in recording and on the standby,
/// who may send when outputs are held, and what may have to be sent again.
import CTSXGate
import CTSXShim

extension Connections {
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
