/// When the program and the log disagree: one report in the segment, and nothing goes on.
import CTSXGate
import CTSXShim

/// Writes the report (the first one stays) and does not return. `castor replay` prints it with its context.
@inline(never) @_noLocks func diverge(
    _ kind: UInt32, _ me: Thread, expected: castor_entry, actual: castor_entry, frame: Frame? = nil,
    _ text: StaticString
) {
    let ring = me.pointee.ring.unsafelyUnwrapped
    let report = castor_segment_report(segment)
    if castor_cas32(castor_report_pid(report), 0, me.pointee.pid) != 0 {
        report.pointee.stream = me.pointee.stream
        report.pointee.tid = me.pointee.tid
        report.pointee.event = ring.pointee.events
        report.pointee.expected = expected
        report.pointee.actual = actual
        if let frame { castor_copy(castor_report_arguments(report), memory(address(frame) &+ 16), 48) }
        castor_copy(castor_report_text(report), text.utf8Start, UInt64(min(text.utf8CodeUnitCount, 231)))
        castor_store32(castor_report_kind(report), kind)
    }
    ring.pointee.waiting = CASTOR_PARKED
    wakeAgent()
    if isDebugged {
        kernel(SYS_tgkill, UInt64(me.pointee.pid), UInt64(me.pointee.tid), 5)
    }
    pauseForever()
}

/// Nothing more happens on this thread. Not declared `Never`: the compiler lets functions that cannot return clobber
/// the registers of their callers, and a debugger is to see those.
@inline(never) @_noLocks func pauseForever() {
    var word: UInt32 = 0
    while castor_true() != 0 {
        withUnsafeMutablePointer(to: &word) { sleepOn(address($0), 0, milliseconds: 3_600_000) }
    }
}

/// The actual side of a report for a call of the given kind.
@inline(__always) @_noLocks func attempt(
    _ kind: UInt16, _ nr: UInt16, _ object: UInt64 = 0, _ hash: UInt64 = 0, _ value: UInt64 = 0
)
    -> castor_entry
{
    castor_entry(
        kind: kind, nr: nr, shard: CASTOR_NO_SHARD, version: 0, stamp: 0, result: 0, object: object, hash: hash,
        value: value, payload: 0, flags: 0)
}
