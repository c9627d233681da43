/// What the ends of a test's connections say: bytes that follow from a stream's number and a position.
import Foundation

struct Pattern: Sendable {
    private static let period = 65521
    /// Twice, so that no piece of up to a period ends in the middle.
    private static let bytes: [UInt8] = {
        let once = (0..<period).map { UInt8((UInt32($0) &* 2_654_435_761) >> 24) }
        return once + once
    }()
    static let longest = period

    let stream: Int

    private func start(_ position: UInt64) -> Int { Int((position + UInt64(stream) * 7919) % UInt64(Pattern.period)) }

    /// At most `longest` bytes.
    func piece(at position: UInt64, count: Int) -> ArraySlice<UInt8> {
        let start = start(position)
        return Pattern.bytes[start..<start + min(count, Pattern.longest)]
    }

    func matches(_ bytes: UnsafeRawBufferPointer, at position: UInt64) -> Bool {
        var done = 0
        while done < bytes.count {
            let count = min(bytes.count - done, Pattern.longest)
            let start = start(position + UInt64(done))
            guard
                Pattern.bytes.withUnsafeBytes({ memcmp($0.baseAddress! + start, bytes.baseAddress! + done, count) })
                    == 0
            else {
                return false
            }
            done += count
        }
        return true
    }
}

/// Milliseconds since some time.
func milliseconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) * 1000 + Double(time.tv_nsec) / 1e6
}

/// Waits until a condition holds; false after so many seconds.
func eventually(seconds: Double = 10, _ condition: () -> Bool) -> Bool {
    let end = milliseconds() + seconds * 1000
    while !condition() {
        if milliseconds() > end { return false }
        usleep(500)
    }
    return true
}

/// Bytes that a socket has sent and that were not acknowledged: SIOCOUTQ.
func unacknowledged(_ descriptor: Int32) -> Int {
    var count: Int32 = 0
    _ = ioctl(descriptor, UInt(TIOCOUTQ), &count)
    return Int(count)
}

/// Whether something can be read, or the end, within so many milliseconds.
func isReadable(_ descriptor: Int32, milliseconds: Int32) -> Bool {
    var one = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&one, 1, milliseconds) > 0
}

/// Reads so many bytes, or as many as come within 10 seconds before the end.
func readBytes(_ descriptor: Int32, _ count: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var done = 0
    while done < count, isReadable(descriptor, milliseconds: 10_000) {
        let n = bytes.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress! + done, count - done, 0) }
        if n <= 0 { break }
        done += n
    }
    return Array(bytes[..<done])
}

@discardableResult func writeBytes(_ descriptor: Int32, _ bytes: some Collection<UInt8>) -> Int {
    let bytes = Array(bytes)
    return send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
}
