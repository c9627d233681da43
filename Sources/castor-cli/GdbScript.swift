/// The Python script that gdb runs in a replay.
///
/// - Frames of the runtime are left out of backtraces (`bt -no-filters` shows them).
/// - A recorded fault first goes to the runtime, which lets all other threads come to their recorded ends; only then
///   does gdb stop at it. Every run therefore stops in the same state of all threads.
/// - A divergence is announced with what it is about.
enum GdbScript {
    static func text(faultSignal: Int32?) -> String {
        let fault = faultSignal.map { name($0) } ?? ""
        return """
            import gdb
            from gdb.FrameIterator import FrameIterator

            FAULT = "\(fault)"
            RUNTIME = "libCastorRuntime.so"

            class WithoutRuntime:
                def __init__(self):
                    self.name = "castor"
                    self.priority = 100
                    self.enabled = True
                    gdb.frame_filters[self.name] = self

                def filter(self, frames):
                    return (f for f in frames if not ours(f.inferior_frame()))

            def ours(frame):
                try:
                    library = gdb.solib_name(frame.pc())
                except gdb.error:
                    return False
                return bool(library) and library.endswith(RUNTIME)

            class FaultReached(gdb.Breakpoint):
                def stop(self):
                    gdb.execute("handle %s stop print pass" % FAULT, False, True)
                    return False

            def loaded(event):
                if FAULT and (event.new_objfile.filename or "").endswith(RUNTIME):
                    FaultReached("castor_fault_reached", internal=True)

            WithoutRuntime()
            gdb.events.new_objfile.connect(loaded)

            def before_run():
                if FAULT:
                    gdb.execute("handle %s nostop noprint pass" % FAULT, False, True)

            before_run()
            gdb.events.exited.connect(lambda event: before_run())
            """
    }

    private static func name(_ signal: Int32) -> String { SystemNames.signal(Int(signal)) }
}
