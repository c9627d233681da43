/// What calls write goes through the log into other memory unchanged, and nothing beside it.
import CTSXGate
import CTSXShim
import Glibc
import Testing

extension RuntimeTests {
    @Suite struct OutputTests {
        @Test func bytesUpToTheResult() {
            Call(SYS_read, result: 100) { [3, $0.output(4096, written: 100), 4096] }.roundTrip(expecting: 100)
            Call(SYS_read, result: 0) { [3, $0.output(16, written: 0), 16] }.roundTrip(expecting: 0)
            Call(SYS_read, result: -11) { [3, $0.output(16, written: 0), 16] }.roundTrip(expecting: 0)
            Call(SYS_getrandom, result: 7) { [$0.output(8, written: 7), 8, 0] }.roundTrip(expecting: 7)
            Call(SYS_epoll_wait, result: 3) { [5, $0.output(120, written: 36), 10, 0] }.roundTrip(expecting: 36)
            Call(SYS_getgroups, result: 5) { [8, $0.output(32, written: 20)] }.roundTrip(expecting: 20)
        }
        /// MSG_TRUNC and size queries answer with more than there was room for.
        @Test func resultsBeyondTheRoom() {
            Call(SYS_recvfrom, result: 5000) { [3, $0.output(100), 100, 0x20, 0, 0] }.roundTrip(expecting: 100)
            Call(SYS_flistxattr, result: 300) { [3, $0.output(0), 0] }.roundTrip(expecting: 0)
        }
        @Test func fixedStructures() {
            Call(SYS_fstat, result: 0) { [3, $0.output(144)] }.roundTrip(expecting: 144)
            Call(SYS_fstat, result: -9) { [3, $0.output(144, written: 0)] }.roundTrip(expecting: 0)
            Call(SYS_pipe2, result: 0) { [$0.output(8), 0] }.roundTrip(expecting: 8)
            Call(SYS_wait4, result: 77) { [77, $0.output(4), 0, $0.output(144)] }.roundTrip(expecting: 148)
            Call(SYS_wait4, result: 77) { _ in [77, 0, 0, 0] }.roundTrip(expecting: 0)
        }
        @Test func lengthsInAnotherArgument() {
            Call(SYS_poll, result: 1) { [$0.output(24), 3, 1000] }.roundTrip(expecting: 24)
            Call(SYS_poll, result: 0) { [$0.output(24), 3, 1000] }.roundTrip(expecting: 24)
            Call(SYS_rt_sigpending, result: 0) { [$0.output(8), 8] }.roundTrip(expecting: 8)
        }
        @Test func remainingTimeOfAnInterruptedSleep() {
            let request: [UInt64] = [10, 0]
            Call(SYS_nanosleep, result: -4) { [$0.input(words: request), $0.output(16)] }.roundTrip(expecting: 16)
            Call(SYS_nanosleep, result: 0) { [$0.input(words: request), $0.output(16, written: 0)] }.roundTrip(
                expecting: 0)
            Call(SYS_nanosleep, result: -22) { [$0.input(words: request), $0.output(16, written: 0)] }.roundTrip(
                expecting: 0)
            Call(SYS_nanosleep, result: -4) { [$0.input(words: request), 0] }.roundTrip(expecting: 0)
        }

        @Test func addressesWithTheirLengths() {
            // exactly, shorter, truncated (the kernel tells the full length), none asked for
            Call(SYS_accept4, result: 7) { [3, $0.output(16), $0.word(before: 16, after: 16), 0] }.roundTrip(
                expecting: 20)
            Call(SYS_accept4, result: 7) { [3, $0.output(16, written: 2), $0.word(before: 16, after: 2), 0] }
                .roundTrip(expecting: 6)
            Call(SYS_accept4, result: 7) { [3, $0.output(16), $0.word(before: 16, after: 28), 0] }.roundTrip(
                expecting: 20)
            Call(SYS_accept4, result: 7) { _ in [3, 0, 0, 0] }.roundTrip(expecting: 0)
            Call(SYS_accept4, result: -11) { [3, $0.output(16, written: 0), $0.word(before: 16, after: 16), 0] }
                .roundTrip(expecting: 0)
            Call(SYS_getsockopt, result: 0) { [3, 1, 4, $0.output(4), $0.word(before: 4, after: 4)] }.roundTrip(
                expecting: 8)
            Call(SYS_recvfrom, result: 10) {
                [3, $0.output(64, written: 10), 64, 0, $0.output(28, written: 16), $0.word(before: 28, after: 16)]
            }
            .roundTrip(expecting: 30)
        }

        /// An iovec array over rooms of the given lengths.
        static func vector(_ a: Arena, _ lengths: [Int], written: Int) -> UInt64 {
            var left = written
            return a.input(
                words: lengths.flatMap { n -> [UInt64] in
                    defer { left -= min(n, left) }
                    return [a.output(n, written: min(n, left)), UInt64(n)]
                })
        }

        @Test(arguments: [0, 1, 9, 10, 11, 30, 31, 60]) func scatteredReads(_ result: Int) {
            let call = Call(SYS_readv, result: Int64(result)) { a in
                [3, Self.vector(a, [10, 0, 20, 30], written: result), 4]
            }
            call.roundTrip(expecting: result)
            let positioned = Call(SYS_preadv, result: Int64(result)) { a in
                [3, Self.vector(a, [60], written: result), 1, 0, 0]
            }
            positioned.roundTrip(expecting: result)
        }

        /// struct msghdr with a name, data and control data, in one block of eight words (mmsghdr: the length behind).
        static func message(
            _ a: Arena, name: (room: Int, now: Int)?, data: [Int], received: Int, control: (room: Int, now: Int)?
        ) -> [UInt64] {
            [
                name.map { a.output($0.room, written: min($0.room, $0.now)) } ?? 0, UInt64(name?.room ?? 0),
                vector(a, data, written: received), UInt64(data.count),
                control.map { a.output($0.room, written: $0.now) } ?? 0, UInt64(control?.room ?? 0), 0, 0,
            ]
        }
        /// The kernel's answer in a message at `at`.
        static func answer(_ a: Arena, _ at: UInt64, name: Int, control: Int, flags: Int, received: Int) {
            a.change(at + 8, to: UInt32(name))
            a.change(at + 40, to: UInt32(control))
            a.change(at + 48, to: UInt32(flags))
            a.change(at + 56, to: UInt32(received))
        }

        @Test func messages() {
            let fixed = 4 + 8 + 4
            Call(SYS_recvmsg, result: 25) { a in
                let m = a.input(
                    words: Self.message(a, name: (28, 16), data: [10, 100], received: 25, control: (64, 20)))
                Self.answer(a, m, name: 16, control: 20, flags: 0x20, received: 0)
                return [3, m, 0]
            }.roundTrip(expecting: fixed + 16 + 25 + 20)
            Call(SYS_recvmsg, result: 5) { a in
                let m = a.input(words: Self.message(a, name: nil, data: [10], received: 5, control: nil))
                Self.answer(a, m, name: 0, control: 0, flags: 0, received: 0)
                return [3, m, 0]
            }.roundTrip(expecting: fixed + 5)
            // the name did not fit: its full length is told, its first bytes are there
            Call(SYS_recvmsg, result: 5) { a in
                let m = a.input(words: Self.message(a, name: (16, 28), data: [10], received: 5, control: nil))
                Self.answer(a, m, name: 28, control: 0, flags: 0, received: 0)
                return [3, m, 0]
            }.roundTrip(expecting: fixed + 16 + 5)
        }

        @Test func severalMessages() {
            Call(SYS_recvmmsg, result: 2) { a in
                let parts = (0..<3).map { k in
                    Self.message(
                        a, name: (28, k < 2 ? 16 : 0), data: [10, 20], received: k < 2 ? 12 + k : 0, control: nil)
                }
                let m = a.input(words: parts.flatMap { $0 })
                for k in 0..<2 { Self.answer(a, m + UInt64(k) * 64, name: 16, control: 0, flags: 0, received: 12 + k) }
                return [3, m, 3, 0, 0]
            }.roundTrip(expecting: 2 * (4 + 4 + 8 + 4 + 16) + 12 + 13)
        }

        /// The kernel overwrites every message's room for a name with the name's full length.
        @Test func aNameThatDidNotFitAmongSeveralMessages() {
            Call(SYS_recvmmsg, result: 1) { a in
                let m = a.input(words: Self.message(a, name: (16, 28), data: [10], received: 5, control: nil))
                Self.answer(a, m, name: 28, control: 0, flags: 0, received: 5)
                return [3, m, 1, 0, 0]
            }.roundTrip(expecting: 4 + 16 + 16 + 5)
        }

        @Test func lengthsOfSentMessages() {
            Call(SYS_sendmmsg, result: 2) { a in
                let m = a.input(
                    words: (0..<2).flatMap { _ in [0, 0, a.input(words: [a.input("hello"), 5]), 1, 0, 0, 0, 0] })
                for k in 0..<2 { a.change(m + UInt64(k) * 64 + 56, to: 5) }
                return [3, m, 2, 0]
            }.roundTrip(expecting: 8)
        }

        @Test(arguments: [(0, 0), (1, 8), (63, 8), (64, 8), (65, 16), (1024, 128)])
        func descriptorSets(_ highest: Int, _ bytes: Int) {
            Call(SYS_select, result: 1) { a in
                [UInt64(highest), a.output(128, written: bytes), 0, a.output(128, written: bytes), 0]
            }.roundTrip(expecting: 2 * bytes)
        }

        @Test func offsetsThatMove() {
            Call(SYS_splice, result: 10) { [3, $0.output(8), 4, 0, 100, 0] }.roundTrip(expecting: 8)
            Call(SYS_sendfile, result: 10) { [3, 4, $0.output(8), 100] }.roundTrip(expecting: 8)
        }

        /// Paths are inputs, stored for people who read the log.
        @Test func pathsAreStored() {
            Call(SYS_rename, result: 0) { [$0.input("a"), $0.input("longer/name")] }.roundTrip(
                expecting: 4 + 1 + 4 + 11)
            Call(SYS_openat, result: -2) { [0xffff_ff9c, $0.input("gone"), 0] }.roundTrip(expecting: 8)
            Call(SYS_stat, result: 0) { [$0.input("a"), $0.output(144)] }.roundTrip(expecting: 5 + 144)
            Call(SYS_openat, result: -14) { _ in [0, 8, 0] }.roundTrip(expecting: 0)  // a bad address is not followed
            Call(SYS_utimensat, result: 0) { _ in [3, 0, 0, 0] }.roundTrip(expecting: 4)
        }
    }
}
