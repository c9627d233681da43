/// Connections that several processes have: a server that forks for each client accepts in one and serves in another.
///
/// A connection is known by the process that has opened it and by its object number there, in all processes that have a descriptor of it.
/// Each of them counts its own, so that what a process had is known when it is killed. The last to give one up ends the connection.
import CTSXGate
import CTSXShim

extension Connections {
    // MARK: - Whose it is

    /// The process that has opened what an object number of this one names.
    @inline(__always) @_noLocks static func owner(_ object: UInt32) -> UInt32 {
        let ancestors = castor_process_ancestors(process)
        if ancestors[0].pid == 0 { return process.pointee.pid }
        var i = 0
        while i < Int(CASTOR_ANCESTORS), ancestors[i].pid != 0 {
            if object < ancestors[i].end { return ancestors[i].pid }
            i &+= 1
        }
        return process.pointee.pid
    }

    // MARK: - Who has it

    private static var isFollowed: Bool {
        @inline(__always) @_noLocks get { segment.pointee.options & (CASTOR_OPT_COMMIT | CASTOR_OPT_STANDBY) != 0 }
    }

    /// Descriptors of it, in all processes.
    @_noLocks static func references(_ c: Connection) -> UInt32 {
        var sum = castor_load32(castor_connection_references(c))
        var i = 0
        while i < Int(CASTOR_HEIRS) {
            sum &+= UInt32(truncatingIfNeeded: castor_load(castor_connection_heirs(c) + i))
            i &+= 1
        }
        return sum
    }

    /// Descriptors of it that this process has.
    @_noLocks static func ownReferences(_ c: Connection) -> UInt32 {
        if c.pointee.pid == process.pointee.pid { return castor_load32(castor_connection_references(c)) }
        return heir(c, process.pointee.pid).map { UInt32(truncatingIfNeeded: castor_load($0)) } ?? 0
    }

    @_noLocks private static func heir(_ c: Connection, _ id: UInt32) -> UnsafeMutablePointer<UInt64>? {
        var i = 0
        while i < Int(CASTOR_HEIRS) {
            let word = castor_connection_heirs(c) + i
            if castor_load(word) >> 32 == UInt64(id) { return word }
            i &+= 1
        }
        return nil
    }

    /// This process has one descriptor more.
    @_noLocks static func add(_ c: Connection) {
        if c.pointee.pid == process.pointee.pid { _ = castor_fetch_add32(castor_connection_references(c), 1) } else { add(c, process.pointee.pid) }
    }
    @_noLocks private static func add(_ c: Connection, _ id: UInt32) {
        if let word = heir(c, id) {
            _ = castor_fetch_add(word, 1)
            return
        }
        var i = 0
        while i < Int(CASTOR_HEIRS) {
            if castor_cas64(castor_connection_heirs(c) + i, 0, UInt64(id) << 32 | 1) != 0 { return }
            i &+= 1
        }
        tellOnce(4, "castor: a TCP connection is in more processes at once than castor follows: it may end too early")
    }

    /// This process has so many descriptors less. Whether nobody has one any more.
    @_noLocks static func remove(_ c: Connection, _ count: UInt32 = 1) -> Bool {
        if c.pointee.pid == process.pointee.pid {
            _ = castor_fetch_add32(castor_connection_references(c), 0 &- count)
        } else if let word = heir(c, process.pointee.pid) {
            let left = castor_fetch_add(word, 0 &- UInt64(count)) &- UInt64(count)
            if UInt32(truncatingIfNeeded: left) == 0 { castor_store(word, 0) }
        }
        return references(c) == 0
    }

    // MARK: - Forks and programs

    /// Before a fork: the child has what this process has. `stream`: the caller's.
    @inline(never) @_noLocks static func bequeath(_ stream: UInt32) {
        if isFollowed { forEachDescriptor { add($0, CASTOR_UNBORN | stream) } }
    }

    /// After a fork, on both sides of it; whoever comes first. `child`: 0 when there is none.
    @inline(never) @_noLocks static func inherit(_ stream: UInt32, child: UInt32) {
        guard isFollowed else { return }
        let unborn = CASTOR_UNBORN | stream
        forEachDescriptor { c in
            var word = heir(c, unborn)
            while let place = word {
                let now = castor_load(place)
                if now >> 32 == UInt64(unborn) { _ = castor_cas64(place, now, child == 0 ? 0 : UInt64(child) << 32 | now & 0xffff_ffff) }
                word = heir(c, unborn)
            }
        }
    }

    /// In the child of a fork, which takes itself for its parent still.
    @inline(never) @_noLocks static func descend() {
        guard isFollowed else { return }
        var hasAny = false
        forEachDescriptor { _ in hasAny = true }
        if !hasAny { return }
        let ancestors = castor_process_ancestors(process)
        var i = 0
        while i < Int(CASTOR_ANCESTORS), ancestors[i].pid != 0 { i &+= 1 }
        if i == Int(CASTOR_ANCESTORS) {
            tellOnce(8, "castor: a TCP connection was handed on over too many processes: a standby cannot go on with it")
            i = 0
            while i < Int(CASTOR_ANCESTORS) - 1 {
                ancestors[i] = ancestors[i &+ 1]
                i &+= 1
            }
        }
        ancestors[i] = castor_ancestor(pid: process.pointee.pid, end: castor_load32(castor_process_next_object(process)))
    }

    /// A new program has begun: the old one's descriptors that were not for it are closed.
    @inline(never) @_noLocks static func begin() {
        guard isFollowed else { return }
        var i: UInt32 = 0
        while i < CASTOR_CONNECTIONS {
            let c = at(i)
            i &+= 1
            if !isLive(c) { continue }
            let before = ownReferences(c)
            if before == 0 { continue }
            var now: UInt32 = 0
            forEachDescriptor { if $0 == c { now &+= 1 } }
            if now < before, remove(c, before &- now) { isOver(c) }
        }
    }

    /// The process ends.
    @inline(never) @_noLocks static func leave() {
        guard isFollowed else { return }
        forEachDescriptor { c in
            let count = ownReferences(c)
            if count > 0, remove(c, count) { isOver(c) }
        }
    }

    @_noLocks private static func forEachDescriptor(_ body: (Connection) -> Void) {
        var fd: UInt64 = 0
        while fd < UInt64(CASTOR_DESCRIPTORS) {
            if Descriptors.kind(fd) == DescriptorKind.network, let c = find(fd), isLive(c) { body(c) }
            fd &+= 1
        }
    }
}
