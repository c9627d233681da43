/// A vfork child runs in its parent's memory and on its parent's thread, which the kernel holds until the child executes
/// a program or ends: the thread lends itself out. The child has a stream and a ring of its own; what it does to memory
/// it does again on replay, so a library that hands it arguments and takes back an error (posix_spawn) sees them.
import CTSXGate
import CTSXShim

/// The call is about to be made. `result`: on replay, the recorded one.
@_noLocks func lend(_ me: Thread, _ f: Frame, _ row: Row, child: UInt32, result: Int64) -> Int32 {
    let inputs = Inputs(row, f, result: 0)
    let lender = castor_lender_at(me, me.pointee.vfork_depth)
    lender.pointee = castor_lender(
        return_address: 0, ring: me.pointee.ring, stream: me.pointee.stream, tid: me.pointee.tid,
        pid: me.pointee.pid, child: child, tables: me.pointee.tables, borrowing: me.pointee.borrowing, spare: (0, 0, 0),
        shard: f.pointee.shard,
        version: f.pointee.version, nr: f.pointee.nr, object: inputs.object, hash: inputs.hash, result: result)
    if isReplaying { blockedInReal(me, true) }
    scratch(f)[9] = UInt64(child)
    let action = vforkMechanics(f, stream: child)
    f.pointee.flags = vforkMark
    if action == CASTOR_CLONE { me.pointee.vfork_depth &+= 1 }  // else the gate's castor_vfork_push does
    return action
}

/// First words of the child.
@_noLocks func borrow(_ me: Thread) {
    let lender = castor_lender_at(me, me.pointee.vfork_depth &- 1)
    me.pointee.borrowing = 1
    me.pointee.ring = nil
    me.pointee.frame = nil
    if let own = castor_tables_copy() { me.pointee.tables = own }
    if isReplaying { Identities.noteChild(recorded: lender.pointee.result, real: kernel(SYS_getpid)) }
    attach(lender.pointee.child, parent: lender.pointee.stream)
}

/// The parent goes on: the child has executed a program, ended, or was never made.
@_noLocks func giveBack(_ me: Thread, _ result: Int64) {
    announce(result)  // between its exec and its first event the child has no ring
    me.pointee.vfork_depth &-= 1
    let lender = castor_lender_at(me, me.pointee.vfork_depth)
    if let childs = me.pointee.ring, childs != lender.pointee.ring, childs.pointee.stream == lender.pointee.child {
        _ = castor_cas32(castor_ring_state(childs), CASTOR_RING_LIVE, CASTOR_RING_DONE)
        childs.callAgent()
        castor_exec_done(lender.pointee.child)
    }
    if let childs = me.pointee.tables, childs != lender.pointee.tables { castor_tables_drop(childs) }
    me.pointee.tables = lender.pointee.tables
    me.pointee.ring = lender.pointee.ring
    me.pointee.stream = lender.pointee.stream
    beginOwning(me)
    me.pointee.tid = lender.pointee.tid
    me.pointee.pid = lender.pointee.pid
    me.pointee.borrowing = lender.pointee.borrowing
    me.pointee.writing = 0
    if isReplaying { blockedInReal(me, false) }
}

// MARK: - On one stack

// Where both come back on one stack the frame is overwritten by the child: what is needed lies beside the thread.

@c @implementation @_noLocks
func castor_vfork_push(_ returnAddress: UInt64) {
    let me = castor_me()
    let lender = castor_lender_at(me, me.pointee.vfork_depth)
    if me.pointee.ring == nil || me.pointee.vforked != 0 || castor_mode_now() == CASTOR_MODE_OFF {
        lender.pointee.child = 0
    }
    lender.pointee.return_address = returnAddress
    me.pointee.vfork_depth &+= 1
}

@c @implementation @_noLocks
func castor_vfork_after(_ result: UnsafeMutablePointer<Int64>) -> UInt64 {
    let me = castor_me()
    let lender = castor_lender_at(me, me.pointee.vfork_depth &- 1)
    if result.pointee == 0 {
        castor_arm()
        if lender.pointee.child != 0 { borrow(me) }
        return lender.pointee.return_address
    }
    me.pointee.frame = nil
    if lender.pointee.child == 0 {
        me.pointee.vfork_depth &-= 1
        me.pointee.vforked = 0
        return lender.pointee.return_address
    }
    giveBack(me, result.pointee)
    if isReplaying {
        result.pointee = lender.pointee.result
    } else {
        recordVfork(me, lender, result.pointee)
    }
    return lender.pointee.return_address
}

@_noLocks private func recordVfork(_ me: Thread, _ lender: UnsafeMutablePointer<castor_lender>, _ result: Int64) {
    guard isRecording, let ring = me.pointee.ring else { return }
    ring.pointee.waiting = CASTOR_RUNNING
    // Its place was taken before the call: it must not come behind another thread's fork.
    guard ring.hasRoom() else { return }
    let e = ring.next
    e.pointee = attempt(
        CASTOR_EV_SYSCALL, UInt16(truncatingIfNeeded: lender.pointee.nr), lender.pointee.object, lender.pointee.hash,
        UInt64(lender.pointee.child))
    e.pointee.shard = lender.pointee.shard
    e.pointee.version = lender.pointee.version
    e.pointee.result = result
    e.pointee.stamp = castor_rdtsc()
    ring.publishEvent()
}
