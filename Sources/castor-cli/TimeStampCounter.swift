/// How fast the time stamp counter runs, so that a log's stamps can be shown as seconds.
import CTSXShim
import Glibc

enum TimeStampCounter {
    /// Ticks per second, measured over five milliseconds.
    static func hertz() -> UInt64 {
        let (start, ticks) = (now(), castor_rdtsc())
        usleep(5000)
        let (nanoseconds, passed) = (now() - start, castor_rdtsc() - ticks)
        return UInt64(Double(passed) / Double(nanoseconds) * 1e9)
    }

    private static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC_RAW, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
