/// What replay compares of a call: everything that is the program's doing, nothing that is not.
import CTSXGate
import CTSXShim
import Glibc
import Testing

extension RuntimeTests {
    @Suite struct InputTests {
        func same(_ a: Call, _ b: Call, sourceLocation: SourceLocation = #_sourceLocation) {
            #expect(a.inputs() == b.inputs(), sourceLocation: sourceLocation)
        }
        func differ(_ a: Call, _ b: Call, sourceLocation: SourceLocation = #_sourceLocation) {
            #expect(a.inputs() != b.inputs(), sourceLocation: sourceLocation)
        }

        @Test func everyPlainArgumentCounts() {
            // FUTEX_REQUEUE and MREMAP_FIXED: operations that use all their arguments.
            for nr in [SYS_mremap, SYS_fallocate, SYS_futex, SYS_mbind, SYS_readahead] {
                let base: [UInt64] = [1, nr == SYS_futex ? 3 : 2, 3, nr == SYS_mremap ? 2 : 4, 5, 6]
                let row = castor_syscall_row_at(UInt64(nr)).pointee
                for i in 0..<Int(row.count) {
                    var changed = base
                    changed[i] += 1000
                    let role = castor_row_argument(castor_syscall_row_at(UInt64(nr)), Int64(i)).role
                    let a = Call(nr, result: 0) { _ in base }
                    let b = Call(nr, result: 0) { _ in changed }
                    if role == CASTOR_ARG_VALUE || role == CASTOR_ARG_FD { differ(a, b) } else { same(a, b) }
                }
            }
        }

        /// What an operation does not use is whatever the register held.
        @Test func unusedArgumentsDoNotCount() {
            func futex(_ operation: UInt64, _ rest: [UInt64]) -> Call {
                Call(SYS_futex, result: 0) { _ in [64, operation, 1] + rest }
            }
            same(futex(129, [1, 2, 3]), futex(129, [4, 5, 6]))  // FUTEX_WAKE_PRIVATE
            same(futex(137, [0, 2, 3]), futex(137, [0, 5, 3]))  // FUTEX_WAIT_BITSET_PRIVATE
            differ(futex(137, [0, 2, 3]), futex(137, [0, 2, 6]))
            same(
                Call(SYS_mremap, result: 0) { _ in [1, 2, 3, 1, 5] },
                Call(SYS_mremap, result: 0) { _ in [1, 2, 3, 1, 9] })
        }

        /// Only the low half of a descriptor is looked at by the kernel.
        @Test func descriptorsAreInts() {
            same(Call(SYS_close, result: 0) { _ in [3] }, Call(SYS_close, result: 0) { _ in [0xdead_0000_0000 | 3] })
            differ(Call(SYS_close, result: 0) { _ in [3] }, Call(SYS_close, result: 0) { _ in [4] })
        }

        /// nanosleep(&time, &time): by the time the input is looked at, what is left stands in its place.
        @Test func inputsThatTheCallOverwrote() {
            func sleep(_ left: UInt64, _ result: Int64, apart: Bool = false) -> Call {
                Call(SYS_nanosleep, result: result) { a in
                    let time = a.input(words: [0, left])
                    return [time, apart ? a.output(16) : time]
                }
            }
            same(sleep(5, -4), sleep(7, -4))
            differ(sleep(5, -4, apart: true), sleep(7, -4, apart: true))
        }

        /// libc's syscall() leaves garbage above an int that is the sixth argument.
        @Test func sixthArgumentOfFutexIsAnInt() {
            func wait(_ bits: UInt64) -> Call {
                Call(SYS_futex, result: -11) { _ in [0x5000, 9, 0, 0, 0, bits] }
            }
            same(wait(0xffff_ffff), wait(0x6800_ffff_ffff))
            differ(wait(0xffff_ffff), wait(0x6800_0000_0001))
        }

        /// The clock of a thread has the thread's id in it.
        @Test func clocksOfThreadsAreNotTold() {
            func clock(_ id: Int32) -> Call {
                Call(SYS_clock_getres, result: 0) { [UInt64(UInt32(bitPattern: id)), $0.output(16)] }
            }
            same(clock(~1234 << 3 | 6), clock(~99 << 3 | 6))
            differ(clock(~1234 << 3 | 6), clock(~1234 << 3 | 2))
            differ(clock(0), clock(1))
        }

        @Test func writtenBytesAreComparedAsFarAsTheyWent() {
            func write(_ text: String, asked: UInt64, result: Int64) -> Call {
                Call(SYS_write, result: result) { [1, $0.input(text), asked] }
            }
            same(write("hello", asked: 5, result: 5), write("hello", asked: 5, result: 5))
            differ(write("hello", asked: 5, result: 5), write("hellO", asked: 5, result: 5))
            same(write("hello", asked: 5, result: 3), write("helXX", asked: 5, result: 3))
            same(write("hello", asked: 5, result: -32), write("other", asked: 5, result: -32))
            differ(write("hello", asked: 5, result: 5), write("hello", asked: 4, result: 4))
        }

        /// What lies behind the bytes that went out may not even be mapped.
        @Test(arguments: [SYS_write, SYS_sendto, SYS_pwrite64]) func nothingBehindTheSentBytesIsRead(_ nr: Int32) throws
        {
            let pages = try #require(
                mmap(nil, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), "no memory")
            defer { munmap(pages, 8192) }
            memset(pages, 1, 8192)
            let call = Call(nr, result: 96) { _ in [3, address(pages) + 4000, 1000, 0, 0, 0] }
            let before = call.inputs()
            (pages + 4096).storeBytes(of: 2, as: UInt8.self)
            let after = call.inputs()
            if nr == SYS_write {
                #expect(before == after)
            } else {
                #expect(before == after)
            }
        }

        /// A call that answers 0 for success takes all that it was given.
        @Test func argumentsOfCallsThatAnswerZero() {
            func option(_ value: UInt32) -> Call {
                Call(SYS_setsockopt, result: 0) { a in [3, 1, 2, a.input(withUnsafeBytes(of: value) { Array($0) }), 4] }
            }
            same(option(1), option(1))
            differ(option(1), option(2))
        }

        @Test func pathsAreHashed() {
            func rename(_ a: String, _ b: String) -> Call {
                Call(SYS_rename, result: 0) { [$0.input(a), $0.input(b)] }
            }
            same(rename("a", "b"), rename("a", "b"))
            differ(rename("a", "b"), rename("a", "c"))
            differ(rename("a", "b"), rename("b", "a"))
            differ(rename("a", "a"), rename("b", "b"))
            // A bad address has no bytes to compare.
            same(Call(SYS_unlink, result: -14) { _ in [16] }, Call(SYS_unlink, result: -14) { _ in [24] })
        }

        @Test func theModeOfOpenCountsWhenAFileMayBeMade() {
            func open(_ flags: Int32, _ mode: UInt64) -> Call {
                Call(SYS_open, result: 3) { [$0.input("f"), UInt64(flags), mode] }
            }
            func openat(_ flags: Int32, _ mode: UInt64) -> Call {
                Call(SYS_openat, result: 3) { [5, $0.input("f"), UInt64(flags), mode] }
            }
            let temporary: Int32 = 0o20200000  // O_TMPFILE
            for call in [open, openat] {
                same(call(O_RDONLY, 0x7fff_1234), call(O_RDONLY, 0o600))
                same(call(O_WRONLY | O_TRUNC, 1), call(O_WRONLY | O_TRUNC, 2))
                differ(call(O_CREAT | O_WRONLY, 0o644), call(O_CREAT | O_WRONLY, 0o600))
                differ(call(temporary | O_RDWR, 0o644), call(temporary | O_RDWR, 0o600))
                differ(call(O_RDONLY, 0), call(O_RDWR, 0))
            }
            // A directory is opened with a bit of O_TMPFILE.
            same(openat(O_DIRECTORY, 1), openat(O_DIRECTORY, 2))
        }

        /// The data word of an epoll_event holds what the program likes, often with garbage in its upper half.
        @Test func onlyTheMaskOfAnEpollEventIsCompared() {
            func add(_ mask: UInt32, _ data: UInt64) -> Call {
                Call(SYS_epoll_ctl, result: 0) { a in
                    let bytes = withUnsafeBytes(of: mask) { Array($0) } + withUnsafeBytes(of: data) { Array($0) }
                    return [4, 1, 5, a.input(bytes)]
                }
            }
            same(add(1, 5), add(1, 0xdead_beef_0000_0005))
            differ(add(1, 5), add(5, 5))
        }

        /// The kernel does not look at the event of a removal; programs leave it uninitialised.
        @Test func theEventOfARemovalIsNotCompared() {
            func remove(_ mask: UInt32) -> Call {
                Call(SYS_epoll_ctl, result: 0) { a in
                    [4, 2, 5, a.input(withUnsafeBytes(of: (mask, mask, mask)) { Array($0) })]
                }
            }
            same(remove(1), remove(77))
        }

        @Test func gatheredWritesAreComparedByBytes() {
            func writev(_ parts: [String], result: Int64) -> Call {
                Call(SYS_writev, result: result) { a in
                    [1, a.input(words: parts.flatMap { [a.input($0), UInt64($0.utf8.count)] }), UInt64(parts.count)]
                }
            }
            same(writev(["ab", "cd"], result: 4), writev(["ab", "cd"], result: 4))
            differ(writev(["ab", "cd"], result: 4), writev(["ab", "cX"], result: 4))
            same(writev(["ab", "cd"], result: 3), writev(["ab", "cX"], result: 3))
            same(writev(["ab", "cd"], result: 2), writev(["ab", "XX"], result: 2))
            same(writev(["ab", "", "cd"], result: 4), writev(["ab", "", "cd"], result: 4))
            same(writev(["ab"], result: -11), writev(["XX"], result: -11))
        }

        @Test func sentMessagesAreCompared() {
            func sendmsg(_ text: String) -> Call {
                Call(SYS_sendmsg, result: Int64(text.utf8.count)) { a in
                    [
                        3,
                        a.input(words: [0, 0, a.input(words: [a.input(text), UInt64(text.utf8.count)]), 1, 0, 0, 0]), 0,
                    ]
                }
            }
            same(sendmsg("hello"), sendmsg("hello"))
            differ(sendmsg("hello"), sendmsg("hellO"))
            func sendmmsg(_ texts: [String], sent: Int) -> Call {
                Call(SYS_sendmmsg, result: Int64(sent)) { a in
                    let words = texts.flatMap { t -> [UInt64] in
                        let n = UInt64(t.utf8.count)
                        return [0, 0, a.input(words: [a.input(t), n]), 1, 0, 0, 0, n]
                    }
                    return [3, a.input(words: words), UInt64(texts.count), 0]
                }
            }
            same(sendmmsg(["ab", "cd"], sent: 2), sendmmsg(["ab", "cd"], sent: 2))
            differ(sendmmsg(["ab", "cd"], sent: 2), sendmmsg(["ab", "cX"], sent: 2))
            same(sendmmsg(["ab", "cd"], sent: 1), sendmmsg(["ab", "cX"], sent: 1))
        }

        /// The address of sendto has a length of its own.
        @Test func addressesOfDatagramsAreComparedWhole() {
            func sendto(_ port: UInt8) -> Call {
                Call(SYS_sendto, result: 2) { a in
                    [3, a.input("hi"), 2, 0, a.input([2, 0, 0, port] + [UInt8](repeating: 1, count: 12)), 16]
                }
            }
            differ(sendto(80), sendto(81))
        }
    }
}
