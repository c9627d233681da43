/// Outputs whose size depends on a command.
import CTSXGate
import CTSXShim
import Glibc
import Testing

extension RuntimeTests {
    @Suite struct SpecialTests {
        func ioctl(_ request: UInt64) -> UInt64 {
            Call(SYS_ioctl, result: 0) { [0, request, $0.output(8192)] }.measured()
        }

        @Test(
            arguments: [
                (0x5401, 36), (0x5405, 18), (0x540f, 4), (0x5411, 4), (0x5413, 8), (0x5415, 4), (0x541b, 4),
                (0x5424, 4),
                (0x5429, 4),  // terminals: what they answer
                (0x5402, 0), (0x5403, 0), (0x5404, 0), (0x540a, 0), (0x540b, 0), (0x5410, 0), (0x5414, 0), (0x5421, 0),
                (0x5450, 0), (0x5451, 0),  // and what they are told
                (0x8905, 4), (0x8903, 4), (0x8904, 4), (0x8913, 40), (0x8927, 40), (0x8933, 40),  // sockets
                (0x8914, 0), (0x8916, 0),
            ] as [(UInt64, UInt64)]) func listedRequests(_ request: UInt64, _ bytes: UInt64)
        {
            #expect(ioctl(request) == bytes, "request \(String(request, radix: 16))")
        }

        /// _IOC: direction, size, type, number. The kernel writes when the direction has _IOC_READ.
        @Test func requestsThatTellTheirSize() {
            for size in [1, 4, 8, 72, 256, 4096, 0x3fff] as [UInt64] {
                #expect(ioctl(2 << 30 | size << 16 | 0x4510) == size)
                #expect(ioctl(3 << 30 | size << 16 | 0x4510) == size)
                #expect(ioctl(1 << 30 | size << 16 | 0x4510) == 0)
            }
            #expect(ioctl(0x8004_5430) == 4)  // TIOCGPTN
            #expect(ioctl(0x4004_5431) == 0)  // TIOCSPTLCK
            #expect(ioctl(0xffff_ffff_8004_5430) == 4, "the request is an unsigned int")
        }

        @Test func failedRequestsWriteNothing() {
            #expect(Call(SYS_ioctl, result: -25) { [0, 0x5401, $0.output(64)] }.measured() == 0)
        }

        @Test(
            arguments: [
                (0x1260, 8), (0x1268, 4), (2, 4), (1, 4), (0x5460, 8), (0x541e, 72), (0x8906, 16), (0x8907, 16),
            ] as [(UInt64, UInt64)]) func oldRequestsNotListed(_ request: UInt64, _ bytes: UInt64)
        {
            #expect(ioctl(request) == bytes)
        }

        @Test func fcntl() {
            func bytes(_ command: UInt64) -> UInt64 {
                Call(SYS_fcntl, result: 0) { [3, command, $0.output(64)] }.measured()
            }
            #expect([5, 36, 16, 1035, 1037].map(bytes) == [32, 32, 8, 8, 8])
            #expect([0, 1, 2, 3, 4, 6, 7, 1030, 1034].map(bytes).allSatisfy { $0 == 0 })
        }

        @Test func prctl() {
            func bytes(_ option: UInt64) -> UInt64 {
                Call(SYS_prctl, result: 0) { [option, $0.output(64)] }.measured()
            }
            #expect([2, 5, 9, 11, 19, 25, 37, 16, 40].map(bytes) == [4, 4, 4, 4, 4, 4, 4, 16, 8])
            #expect([1, 3, 4, 15, 22, 38, 53].map(bytes).allSatisfy { $0 == 0 })
        }

        /// Calls with a SPECIAL argument that write through it.
        @Test func everySpecialArgumentHasItsSize() {
            #expect(Call(SYS_mincore, result: 0) { [0x10000, 3 * 4096, $0.output(3)] }.measured() == 3, "mincore")
            #expect(
                Call(SYS_get_mempolicy, result: 0) { [$0.output(4), $0.output(128), 1024, 0, 0] }.measured() == 4
                    + 128,
                "get_mempolicy")
            #expect(
                Call(SYS_semctl, result: 0) { [1, 0, 2, $0.output(104)] }.measured() == 104, "semctl(IPC_STAT)")
            #expect(
                Call(SYS_futex, result: 1) { [$0.output(4), 5, 1, 1, $0.output(4), 0] }.measured() >= 4,
                "FUTEX_WAKE_OP")
            // struct file_handle: handle_bytes, handle_type, the handle; and the mount's number
            #expect(
                Call(SYS_name_to_handle_at, result: 0) { a in
                    [
                        3, a.input("f"), a.input([8, 0, 0, 0, 1, 0, 0, 0] + [UInt8](repeating: 1, count: 8)),
                        a.output(4), 0,
                    ]
                }.measured() == 5 + 16 + 4, "name_to_handle_at")
            // Asked for the size of a handle: the call fails, and has written it all the same.
            #expect(
                Call(SYS_name_to_handle_at, result: -75) { [3, $0.input("f"), $0.output(8), $0.output(4), 0] }
                    .measured() == 5 + 8 + 4, "name_to_handle_at, EOVERFLOW")
            // struct xattr_args: address and size of the value, flags
            #expect(
                Call(464, result: 6) { a in
                    [3, a.input("f"), 0, a.input("user.x"), a.input(words: [a.output(32), 32]), 16]
                }.measured() == 5 + 10 + 6, "getxattrat")
        }
    }

    /// Outputs behind pointers and lengths that stand in other outputs, and those of calls that fail.
    @Suite struct IndirectOutputTests {
        func bytes(_ nr: Int32, _ result: Int64, _ arguments: @escaping (Arena) -> [UInt64]) -> UInt64 {
            Call(nr, result: result, arguments).measured()
        }

        @Test func arraysBehindIoctls() {
            // struct ifconf: length and address of a buffer
            #expect(bytes(SYS_ioctl, 0) { [3, 0x8912, $0.input(words: [80, $0.output(80)])] } == 16 + 80)
            #expect(bytes(SYS_ioctl, 0) { [3, 0x8912, $0.input(words: [80, 0])] } == 16)
            // struct fiemap: 3 extents mapped, room for 2
            let header: [UInt64] = [0, 1 << 20, 3 << 32, 2]
            let room = [UInt64](repeating: 0, count: 14)
            #expect(bytes(SYS_ioctl, 0) { [3, 0xc020_660b, $0.input(words: header + room)] } == 32 + 2 * 56)
        }

        @Test func systemV() {
            #expect(bytes(SYS_msgrcv, 5) { [1, $0.output(72), 64, 0, 0] } == 8 + 5)
            #expect(
                [2, 11, 13, 3, 12].map { c in bytes(SYS_msgctl, 0) { [1, c, $0.output(120)] } } == [
                    120, 120, 120, 32, 32,
                ])
            #expect(
                [2, 13, 15, 3, 14].map { c in bytes(SYS_shmctl, 0) { [1, c, $0.output(112)] } } == [
                    112, 112, 112, 72, 48,
                ])
        }

        @Test func keysAndQuotas() {
            #expect(bytes(SYS_keyctl, 20) { [11, 1, $0.output(8), 8] } == 8, "a key longer than the buffer")
            #expect(bytes(SYS_keyctl, 6) { [6, 1, $0.output(8), 8] } == 6)
            #expect(bytes(SYS_keyctl, 7) { _ in [0, 1, 0] } == 0)
            #expect(bytes(SYS_quotactl, 0) { [0x8000_0700, $0.input(""), 0, $0.output(72)] } == 4 + 72)
        }

        @Test func failedCallsThatWrite() {
            #expect(bytes(SYS_select, -4) { [0, 0, 0, 0, $0.output(16)] } == 16, "the time left")
            #expect(bytes(SYS_select, -9) { [0, 0, 0, 0, $0.output(16)] } == 0)
            #expect(bytes(SYS_ppoll, -4) { [0, 0, $0.output(16), 0, 0] } == 16)
            #expect(bytes(SYS_capget, -22) { [$0.output(8), $0.output(24)] } == 8, "the kernel's version")
            #expect(bytes(SYS_sched_setattr, -7) { [0, $0.output(48), 0] } == 4, "the kernel's size")
        }

        /// The kind of each descriptor that came with a message is in the log.
        @Test func passedDescriptors() {
            let head: [UInt64] = [16 + 8, 1 | 1 << 32, 40 | 41 << 32]  // struct cmsghdr, SCM_RIGHTS, two descriptors
            let bytes = Call(SYS_recvmsg, result: 0) { a in
                [3, a.input(words: [0, 0, 0, 0, a.input(words: head), 24, 0]), 0]
            }.measured()
            #expect(bytes == 4 + 8 + 4 + 24 + 2 * 4)
        }
    }

    /// Both halves of a call with its entry in the ring, recording.
    @Suite struct RecordedCallTests {
        func enter(_ frame: inout castor_frame) -> Int32 { castor_syscall_enter(&frame) }

        @Test func aCallThatHasBegunIsPending() {
            let segment = TestSegment()
            segment.attached(0) { ring in
                var f = castor_frame()
                f.nr = UInt64(SYS_nanosleep)
                #expect(enter(&f) == CASTOR_EXECUTE)
                #expect(ring.pointee.pending == UInt32(ring.pointee.tail) + 1)
                #expect(ring.next.pointee.kind == CASTOR_EV_SYSCALL && ring.next.pointee.nr == 35)
                #expect(ring.next.pointee.flags == CASTOR_STARTED)
                f.result = -22
                castor_syscall_exit(&f)
                #expect(ring.pointee.tail == 1 && ring.pointee.events == 1)
                #expect(ring.pointee.pending != UInt32(ring.pointee.tail) + 1, "it has returned")
                #expect(castor_slot(ring, 0).pointee.result == -22 && castor_slot(ring, 0).pointee.flags == 0)
            }
        }

        /// A program killed inside a call of two events leaves word of the second one.
        @Test func theSecondHalfOfACallIsPending() {
            let segment = TestSegment()
            segment.attached(0) { ring in
                var word: UInt32 = 0
                withUnsafeMutablePointer(to: &word) { w in
                    var f = castor_frame()
                    (f.nr, f.a0, f.a1) = (UInt64(SYS_futex), address(w), Futex.waitPrivate)
                    #expect(enter(&f) == CASTOR_EXECUTE)
                    #expect(ring.pointee.tail == 1 && castor_slot(ring, 0).pointee.kind == CASTOR_EV_SYSCALL_BEGIN)
                    #expect(ring.pointee.pending == 2)
                    #expect(ring.next.pointee.kind == CASTOR_EV_SYSCALL && ring.next.pointee.nr == 202)
                    #expect(ring.next.pointee.flags == CASTOR_STARTED)
                }
            }
        }

        /// The ordering point of a call of two events takes the last free line of the ring.
        @Test func theSecondHalfOfACallWaitsForRoom() {
            let segment = TestSegment(slots: 64)
            segment.attached(0) { ring in
                for _ in 0..<63 { ring.publishEvent() }
                ring.pointee.cached_head = 0
                var f = castor_frame()
                (f.nr, f.a0, f.a1) = (UInt64(SYS_flock), 5, 2)
                segment.header.pointee.stopped = UInt32(CASTOR_STOP_DISK)  // nobody makes room
                _ = enter(&f)
                f.result = 0
                castor_syscall_exit(&f)
                #expect(ring.pointee.tail == 64, "an entry that the agent had not taken was overwritten")
            }
        }

        @Test func dormantCallsPass() {
            castor_mode_set(UInt32(CASTOR_MODE_OFF))
            var f = castor_frame()
            f.nr = UInt64(SYS_getpid)
            #expect(enter(&f) == CASTOR_PASS)
            f.nr = UInt64(SYS_io_uring_setup)
            #expect(enter(&f) == CASTOR_DONE && f.result == -38)
        }

        /// The short way of usual calls (Usual.swift) and the general one leave the same lines in the ring.
        @Test(arguments: [
            Call(SYS_read, result: 100) { [20, $0.output(200, written: 100), 200] },
            Call(SYS_read, result: 3) { [20, $0.output(3), 3] },
            Call(SYS_read, result: 0) { [20, $0.output(64), 64] },
            Call(SYS_read, result: -11) { [20, $0.output(64), 64] },
            Call(SYS_pread64, result: 64) { [20, $0.output(64), 64, 4096] },
            Call(SYS_write, result: 3) { [20, $0.input([1, 2, 3, 4]), 4] },
            Call(SYS_write, result: -4) { [20, $0.input([1, 2, 3, 4]), 4] },
            Call(SYS_sendto, result: 2) { [20, $0.input([1, 2]), 2, 0, $0.input([2, 0, 0, 80]), 4] },
            Call(SYS_recvfrom, result: 9) { [20, $0.output(16, written: 9), 16, 0, 0, 0] },
            Call(SYS_recvfrom, result: 200) { [20, $0.output(16), 16, 0x20, 0, 0] },
            Call(SYS_epoll_wait, result: 2) { [20, $0.output(48, written: 24), 4, 100] },
            Call(SYS_fstat, result: 0) { [20, $0.output(144)] },
            Call(SYS_lseek, result: 7) { _ in [20, 7, 0] },
            Call(SYS_newfstatat, result: 0) { [20, $0.input("a/file"), $0.output(144), 0x100] },
            Call(SYS_newfstatat, result: 0) { [20, $0.input(""), $0.output(144), 0x1000] },
            Call(SYS_newfstatat, result: 0) { [20, 0, $0.output(144), 0x1000] },
            Call(SYS_newfstatat, result: -2) { [20, $0.input("none"), $0.output(144), 0] },
            Call(SYS_stat, result: 0) { [$0.input("/a/path/that/is/longer/than/one/line/of/the/ring/which/has/64"), $0.output(144)] },
            Call(SYS_lstat, result: -13) { [$0.input("/a"), $0.output(144)] },
            Call(SYS_sendfile, result: 612) { [20, 21, $0.output(8), 612] },
            Call(SYS_sendfile, result: 612) { _ in [20, 21, 0, 612] },
            Call(SYS_sendmsg, result: 2) { [20, $0.input(words: [0, 0, $0.input(words: [$0.input([1, 2, 3]), 3]), 1, 0, 0, 0]), 0x4000] },
            Call(SYS_writev, result: 3) { [20, $0.input(words: [$0.input([1, 2, 3]), 3]), 1] },
        ]) func bothWaysLeaveTheSame(_ call: Call) {
            func lines(short: Bool) -> [[UInt8]] {
                let segment = TestSegment()
                let arena = Arena(recorded: true)
                return segment.attached(0) { ring in
                    castor_descriptor(20).pointee = 9 << 4
                    defer { castor_descriptor(20).pointee = 0 }
                    castor_me().pointee.disturbed = short ? 0 : 1
                    segment.header.pointee.chaos = 1
                    var f = call.frame(arena)
                    #expect(enter(&f) == CASTOR_EXECUTE)
                    #expect((f.flags == Mark.usual) == short)
                    #expect(ring.pointee.pending == 1 && ring.next.pointee.flags == CASTOR_STARTED)
                    f.result = call.result
                    // In one piece or not at all: a ring that is nearly full takes the general way.
                    if !short { f.flags = 0 }
                    castor_syscall_exit(&f)
                    #expect(ring.pointee.events == 1)
                    castor_slot(ring, 0).pointee.stamp = 0
                    let payload = Int(castor_slot(ring, 0).pointee.payload)
                    return (0..<ring.pointee.tail).map { line in
                        // What lies behind a payload's end is left over.
                        let used = line == 0 ? 64 : min(64, payload - 64 * Int(line - 1))
                        return Array(UnsafeRawBufferPointer(start: castor_slot(ring, line), count: used))
                    }
                }
            }
            let (short, general) = (lines(short: true), lines(short: false))
            // Inputs lie elsewhere the second time; what they hold is compared by its hash.
            #expect(short == general && !short.isEmpty)
        }

        /// Both ways leave the same, so that nothing else would tell that a call has come to take the long one.
        @Test(arguments: [
            Call(SYS_read, result: 64) { [20, $0.output(64), 64] },
            Call(SYS_write, result: 3) { [20, $0.input([1, 2, 3]), 3] },
            Call(SYS_epoll_wait, result: 2) { [20, $0.output(48, written: 24), 4, 100] },
            Call(SYS_fstat, result: 0) { [20, $0.output(144)] },
            Call(SYS_stat, result: 0) { [$0.input("/a"), $0.output(144)] },
            Call(SYS_newfstatat, result: 0) { [20, $0.input("a"), $0.output(144), 0] },
            Call(SYS_sendfile, result: 612) { [20, 21, $0.output(8), 612] },
            Call(SYS_writev, result: 3) { [20, $0.input(words: [$0.input([1, 2, 3]), 3]), 1] },
        ]) func leavesOnTheShortWay(_ call: Call) {
            let segment = TestSegment()
            let arena = Arena(recorded: true)
            segment.attached(0) { ring in
                var f = call.frame(arena)
                #expect(enter(&f) == CASTOR_EXECUTE && f.flags == Mark.usual)
                f.result = call.result
                #expect(recordUsualReturn(castor_me(), &f) && ring.pointee.events == 1)
            }
        }

        /// Bytes that go around the ring's end take the general way.
        @Test func aPayloadAroundTheEnd() {
            let segment = TestSegment(slots: 64)
            segment.attached(0) { ring in
                for _ in 0..<62 { ring.publishEvent() }
                ring.pointee.head = 62
                let bytes = (0..<200).map { UInt8($0) }
                bytes.withUnsafeBytes { b in
                    var f = castor_frame()
                    (f.nr, f.a0, f.a1, f.a2) = (UInt64(SYS_read), 20, address(b.baseAddress!), 200)
                    #expect(enter(&f) == CASTOR_EXECUTE)
                    f.result = 200
                    castor_syscall_exit(&f)
                }
                #expect(ring.pointee.tail == 67 && castor_slot(ring, 62).pointee.payload == 200)
                let first = UnsafeRawBufferPointer(start: castor_slot(ring, 63), count: 64)
                let rest = UnsafeRawBufferPointer(start: castor_slot(ring, 64), count: 136)
                #expect(Array(first) + Array(rest) == bytes)
            }
        }

        @Test func sendingTakesItsVersionBeforeAndReceivingAfter() {
            let segment = TestSegment()
            segment.attached(0) { ring in
                castor_descriptor(20).pointee = 9 << 4
                let at = Descriptors.shard(20)
                let bytes: [UInt8] = [1, 2, 3]
                bytes.withUnsafeBytes { b in
                    var f = castor_frame()
                    (f.nr, f.a0, f.a1, f.a2) = (UInt64(SYS_write), 20, address(b.baseAddress!), 3)
                    _ = enter(&f)
                    #expect(segment.version(at) == 1)
                    f.result = 3
                    castor_syscall_exit(&f)
                    f.nr = UInt64(SYS_read)
                    _ = enter(&f)
                    #expect(segment.version(at) == 1)
                    castor_syscall_exit(&f)
                    #expect(segment.version(at) == 2)
                }
                let events = (0..<3).map { castor_slot(ring, $0).pointee }
                #expect(events[0].version == 0 && events[0].payload == 0 && events[0].shard == at)
                #expect(events[1].version == 1 && events[1].payload == 3)
                castor_descriptor(20).pointee = 0
            }
        }
    }
}
