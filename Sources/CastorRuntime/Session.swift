/// What every part of the runtime stands on: the calling thread, the shared segment, the kernel.
///
/// Runs on the program's threads, between its registers and the kernel: no allocation, no locks of libc, no vector
/// registers, nothing that may fault except on memory the program itself handed to the kernel.
import CTSXGate
import CTSXShim

typealias Thread = UnsafeMutablePointer<castor_thread>
typealias Ring = UnsafeMutablePointer<castor_ring>
typealias Frame = UnsafeMutablePointer<castor_frame>
typealias Entry = UnsafeMutablePointer<castor_entry>
typealias Row = UnsafePointer<castor_syscall_row>

@inline(__always) var segment: UnsafeMutablePointer<castor_segment> { castor_segment_now() }
@inline(__always) var process: UnsafeMutablePointer<castor_process> { castor_process_now() }
@inline(__always) var isRecording: Bool { castor_mode_now() == CASTOR_MODE_RECORD }
@inline(__always) var isReplaying: Bool { castor_mode_now() == CASTOR_MODE_REPLAY }

/// The runtime's only door to the kernel. Returns -errno.
@inline(__always) @_noLocks @discardableResult
func kernel(
    _ nr: Int32, _ a0: UInt64 = 0, _ a1: UInt64 = 0, _ a2: UInt64 = 0, _ a3: UInt64 = 0, _ a4: UInt64 = 0,
    _ a5: UInt64 = 0
) -> Int64 {
    castor_gate_syscall(UInt64(truncatingIfNeeded: nr), a0, a1, a2, a3, a4, a5)
}

@inline(__always) @_noLocks func address<T>(_ p: UnsafeMutablePointer<T>) -> UInt64 { UInt64(UInt(bitPattern: p)) }
@inline(__always) @_noLocks func address<T>(_ p: UnsafePointer<T>) -> UInt64 { UInt64(UInt(bitPattern: p)) }
@inline(__always) @_noLocks func address(_ p: UnsafeRawPointer) -> UInt64 { UInt64(UInt(bitPattern: p)) }
@inline(__always) @_noLocks func memory(_ a: UInt64) -> UnsafeMutableRawPointer {
    UnsafeMutableRawPointer(bitPattern: UInt(a)).unsafelyUnwrapped
}
@inline(__always) @_noLocks func words(_ a: UInt64) -> UnsafeMutablePointer<UInt64> {
    memory(a).assumingMemoryBound(to: UInt64.self)
}
@inline(__always) @_noLocks func halves(_ a: UInt64) -> UnsafeMutablePointer<UInt32> {
    memory(a).assumingMemoryBound(to: UInt32.self)
}

// MARK: - Futexes

enum Futex {
    static let waitPrivate: UInt64 = 128
    static let wakePrivate: UInt64 = 129
    static let wait: UInt64 = 0
    static let wake: UInt64 = 1
    static let waitBits: UInt64 = 9
    static let wakeBits: UInt64 = 10
    static let everyone: UInt64 = 0x7fff_ffff
}

/// Nanoseconds of the monotonic clock, no event.
@_noLocks func now() -> UInt64 {
    var time: (UInt64, UInt64) = (0, 0)
    withUnsafeMutablePointer(to: &time) { _ = kernel(SYS_clock_gettime, 1, address($0)) }
    return time.0 &* 1_000_000_000 &+ time.1
}

/// Sleeps while `word` holds `value`, at most `milliseconds` and `microseconds`.
@_noLocks func sleepOn(
    _ word: UInt64, _ value: UInt32, milliseconds: UInt64, microseconds: UInt64 = 0, bits: UInt32 = 0xffff_ffff
) {
    // FUTEX_WAIT_BITSET takes an absolute time; FUTEX_WAIT a relative one, but no bits.
    var time: (UInt64, UInt64) = (milliseconds / 1000, (milliseconds % 1000) &* 1_000_000 &+ microseconds &* 1000)
    withUnsafeMutablePointer(to: &time) { t in
        if bits == 0xffff_ffff {
            kernel(SYS_futex, word, Futex.wait, UInt64(value), address(t))
        } else {
            kernel(SYS_clock_gettime, 1, address(scratch(t)))
            let now = words(address(t))
            let nanoseconds = now[1] &+ (milliseconds % 1000) &* 1_000_000 &+ microseconds &* 1000
            now[0] = now[0] &+ milliseconds / 1000 &+ nanoseconds / 1_000_000_000
            now[1] = nanoseconds % 1_000_000_000
            kernel(SYS_futex, word, Futex.waitBits, UInt64(value), address(t), 0, UInt64(bits))
        }
    }
}
@inline(__always) @_noLocks private func scratch(_ p: UnsafeMutablePointer<(UInt64, UInt64)>) -> UnsafeMutablePointer<
    UInt64
> {
    words(address(p))
}
@inline(__always) @_noLocks func wakeAll(_ word: UInt64) { kernel(SYS_futex, word, Futex.wake, Futex.everyone) }

// MARK: - Messages

/// A line on standard error, outside the recording.
@_noLocks func say(_ text: StaticString, _ detail: UnsafePointer<CChar>? = nil) {
    if segment.pointee.options & CASTOR_OPT_QUIET != 0 { return }
    kernel(SYS_write, 2, address(UnsafeRawPointer(text.utf8Start)), UInt64(text.utf8CodeUnitCount))
    if let detail { kernel(SYS_write, 2, address(detail), castor_length(detail)) }
    var newline: UInt8 = 10
    withUnsafeMutablePointer(to: &newline) { _ = kernel(SYS_write, 2, address($0), 1) }
}
