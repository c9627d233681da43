/// Rewritten system call sites: the bytes before and after, what is left alone, and that the stubs still work.
import CTSXGate
import CTSXShim
import Glibc
import Testing

extension RuntimeTests {
    @Suite struct PatchTests {
        /// One page of code at a place whose trampolines can be reached.
        final class Code {
            let page: UnsafeMutablePointer<UInt8>
            static let offset = 32

            /// The bytes stand 32 bytes into the page, between int3.
            init(_ bytes: [UInt8]) throws {
                let flags = MAP_PRIVATE | MAP_ANONYMOUS | 0x100000  // MAP_FIXED_NOREPLACE
                let at = try #require(
                    mmap(
                        UnsafeMutableRawPointer(bitPattern: 0x12_3400_0000), 4096, PROT_READ | PROT_WRITE, flags, -1, 0)
                )
                page = at.assumingMemoryBound(to: UInt8.self)
                #expect(UInt(bitPattern: page) == 0x12_3400_0000)
                memset(page, 0xcc, 4096)
                for (i, b) in bytes.enumerated() { page[Self.offset + i] = b }
            }
            deinit { munmap(page, 4096) }

            var start: UInt64 { address(page) }
            func patch() { castor_patch(start, start + 4096) }
            func bytes(_ count: Int) -> [UInt8] { (0..<count).map { page[Self.offset + $0] } }
            func call() -> Int64 {
                typealias Function = @convention(c) () -> Int64
                return unsafeBitCast(page + Self.offset, to: Function.self)()
            }
        }

        static let gate = withUnsafeBytes(
            of: unsafeBitCast(castor_gate_entry as @convention(c) () -> Void, to: UInt.self)
        ) { Array($0) }

        /// Where the jump at `at` goes.
        func target(_ at: UInt64) -> UInt64 {
            #expect(memory(at).load(as: UInt8.self) == 0xe9)
            return relative(at + 1)
        }
        func relative(_ at: UInt64) -> UInt64 {
            at &+ 4 &+ UInt64(bitPattern: Int64(memory(at).loadUnaligned(as: Int32.self)))
        }
        func bytes(_ at: UInt64, _ count: Int) -> [UInt8] {
            Array(UnsafeRawBufferPointer(start: memory(at), count: count))
        }

        /// lea back(%rip),%rcx; lea site(%rip),%r11; jmp *gate(%rip)
        func expectJump(_ at: UInt64, back: UInt64, site: UInt64, sourceLocation: SourceLocation = #_sourceLocation) {
            #expect(bytes(at, 3) == [0x48, 0x8d, 0x0d], sourceLocation: sourceLocation)
            #expect(relative(at + 3) == back, sourceLocation: sourceLocation)
            #expect(bytes(at + 7, 3) == [0x4c, 0x8d, 0x1d], sourceLocation: sourceLocation)
            #expect(relative(at + 10) == site, sourceLocation: sourceLocation)
            #expect(bytes(at + 14, 6) == [0xff, 0x25, 0, 0, 0, 0], sourceLocation: sourceLocation)
            #expect(bytes(at + 20, 8) == Self.gate, sourceLocation: sourceLocation)
        }

        /// mov $39,%eax; syscall; ret
        @Test func theMovBecomesTheJump() throws {
            let code = try Code([0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3])
            code.patch()
            let site = code.start + 32
            let trampoline = target(site)
            #expect(code.bytes(9).suffix(4) == [0x0f, 0x05, 0xc3, 0xcc], "the system call stays, guarded by SUD")
            #expect(bytes(trampoline, 5) == [0xb8, 39, 0, 0, 0])
            expectJump(trampoline + 5, back: site + 7, site: site + 7)
            #expect(code.call() == Int64(getpid()))
        }

        /// syscall; cmp $-4095,%rax — both move out, the rest of the site is filled with nops
        @Test(arguments: [[0x48, 0x3d], [0x3d]] as [[UInt8]], [0, 1] as [UInt8])
        func theCallAndItsComparisonMoveOut(_ compare: [UInt8], _ low: UInt8) throws {
            let moved = compare + [low, 0xf0, 0xff, 0xff]
            // xor %eax,%eax; mov $39,%al; syscall; cmp; setae %al; movzbl %al,%eax; ret
            let code = try Code(
                [0x31, 0xc0, 0xb0, 39, 0x0f, 0x05] + moved + [0x0f, 0x93, 0xc0, 0x0f, 0xb6, 0xc0, 0xc3])
            code.patch()
            let site = code.start + 32 + 4
            let trampoline = target(site)
            let whole = 2 + moved.count
            #expect(bytes(site + 5, whole - 5).allSatisfy { $0 == 0x90 })
            #expect(bytes(site + UInt64(whole), 3) == [0x0f, 0x93, 0xc0])
            expectJump(trampoline, back: trampoline + 28, site: site + 2)
            #expect(bytes(trampoline + 28, moved.count) == moved)
            #expect(target(trampoline + 28 + UInt64(moved.count)) == site + UInt64(whole))
            #expect(code.call() == 0, "the comparison's flags arrive: a process id is no error")
        }

        @Test func anErrorReachesTheComparison() throws {
            // mov $3,%al (close) of descriptor -1: xor %edi,%edi; dec %edi; xor %eax,%eax; mov $3,%al; …
            let code = try Code(
                [0x31, 0xff, 0xff, 0xcf, 0x31, 0xc0, 0xb0, 3, 0x0f, 0x05, 0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff]
                    + [0x0f, 0x93, 0xc0, 0x0f, 0xb6, 0xc0, 0xc3])
            #expect(code.bytes(1) == [0x31])
            code.patch()
            #expect(code.call() == 1)
        }

        @Test func argumentsAndOtherRegistersSurvive() throws {
            // push %rbx; mov %rdi,%rbx; mov $39,%eax; syscall; mov %rbx,%rax; sub %rdi,%rax; pop %rbx; ret: 0
            let code = try Code(
                [
                    0x53, 0x48, 0x89, 0xfb, 0x90, 0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0x48, 0x89, 0xd8, 0x48, 0x29, 0xf8,
                    0x5b, 0xc3,
                ])
            code.patch()
            #expect(code.bytes(6)[5] == 0xe9)
            #expect(code.call() == 0)
        }

        @Test(
            arguments: [
                ("a REX prefix: mov $39,%r8d", [0x41, 0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3]),
                (
                    "the constant of a movabs",
                    [0x90, 0x90, 0x90, 0x90, 0x48, 0xb8, 0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3, 0xc3]
                ),
                (
                    "a byte further in it",
                    [0x90, 0x90, 0x90, 0x90, 0x49, 0xbf, 0x90, 0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3]
                ),
                ("a REX.W prefix", [0x48, 0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3]),
                ("a number of 0x400", [0xb8, 0x00, 0x04, 0, 0, 0x0f, 0x05, 0xc3]),
                ("a number above 16 bits", [0xb8, 39, 0, 1, 0, 0x0f, 0x05, 0xc3]),
                ("a negative number", [0xb8, 39, 0, 0, 0xff, 0x0f, 0x05, 0xc3]),
                ("another register", [0xb9, 39, 0, 0, 0, 0x0f, 0x05, 0xc3]),
                ("something between the two", [0xb8, 39, 0, 0, 0, 0x90, 0x0f, 0x05, 0xc3]),
                ("data", [0x12, 0x34, 0x56, 0x78, 0x0f, 0x05, 0x9a, 0xbc, 0xde, 0xf0]),
                ("another comparison", [0x0f, 0x05, 0x48, 0x3d, 0x02, 0xf0, 0xff, 0xff, 0xc3]),
                ("a comparison with a small number", [0x0f, 0x05, 0x48, 0x3d, 0x01, 0x00, 0x00, 0x00, 0xc3]),
                ("a comparison of another register", [0x0f, 0x05, 0x48, 0x81, 0xfb, 0x01, 0xf0, 0xff, 0xff]),
                ("sysenter", [0xb8, 39, 0, 0, 0, 0x0f, 0x34, 0xc3]),
            ] as [(String, [UInt8])]) func whatIsNotCertainIsLeft(_ what: String, _ original: [UInt8]) throws
        {
            let code = try Code(original)
            code.patch()
            #expect(code.bytes(original.count) == original, "\(what)")
        }

        /// The bytes around a site decide; at the edges of a mapping there are none to look at.
        @Test func sitesAtTheEdgesAreLeft() throws {
            let stub: [UInt8] = [0xb8, 39, 0, 0, 0, 0x0f, 0x05]
            let code = try Code([])
            for (i, b) in stub.enumerated() {
                code.page[i] = b
                code.page[4096 - 7 + i] = b
            }
            code.patch()
            #expect((0..<7).map { code.page[$0] } == stub)
            #expect((0..<7).map { code.page[4089 + $0] } == stub)
        }

        @Test func severalSitesShareAnArea() throws {
            let stub: [UInt8] = [0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3]
            let code = try Code(Array([[UInt8]](repeating: stub, count: 20).joined()))
            code.patch()
            let targets = (0..<20).map { target(code.start + 32 + UInt64($0) * 8) }
            #expect(Set(targets).count == 20)
            #expect(zip(targets, targets.dropFirst()).allSatisfy { $1 - $0 >= 33 && $1 - $0 < 64 && $1 % 16 == 0 })
        }

        @Test func theMappingIsExecutableAndNotWritableAfterwards() throws {
            let code = try Code([0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3])
            code.patch()
            let maps = try #require(readWhole("/proc/self/maps"))
            #expect(maps.split(separator: "\n").contains { $0.hasPrefix("1234000000-1234001000 r-xp") })
        }

        @Test func theRuntimesOwnGateIsLeft() {
            let gate = UnsafeRawPointer(bitPattern: Self.gate.withUnsafeBytes { $0.load(as: UInt.self) })!
            let page = address(gate) & ~4095
            let before = bytes(page, 4096)
            castor_patch(page, page + 4096)
            #expect(bytes(page, 4096) == before)
        }
    }
}
