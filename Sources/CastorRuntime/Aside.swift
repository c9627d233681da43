/// castor.h: what a program says and checks beside its recording.
import CTSXGate
import CTSXShim

@c @implementation @_noLocks
func castor_say_aside(_ text: UnsafeRawPointer, _ length: UInt64) {
    // Descriptor 2 of a program that runs by itself or is recorded may be something else by now, which is no place for this.
    if isRecording, Descriptors.kind(2) != DescriptorKind.standardError { return }
    show(2, address(text), length)
}

@c @implementation @_noLocks
func castor_assertion_failed() {
    if !isLenient { return }
    castor_store32(castor_lenient_asserted(castor_segment_lenient(segment)), 1)
    let me = castor_me()
    if isDebugged { kernel(SYS_tgkill, UInt64(me.pointee.pid), UInt64(me.pointee.tid), 5) }
    die(6)
}
