/// Instructions by their bytes: what is found, what is not, and that the quick search for candidates misses none.
import Testing

@testable import CastorCheck

@Suite struct SweepTests {
    /// What a piece of code is found to be; as the analysis does it, behind the search for candidates.
    private func kinds(_ bytes: [UInt8]) -> [SiteKind] {
        bytes.withUnsafeBytes { code in
            guard Candidates.next(in: code, from: 0) != nil else { return [] }
            var kinds: [SiteKind] = []
            Sweep().run(code, at: 0x1000, withCalls: false) { event in
                if case .site(let site) = event { kinds.append(site.kind) }
            }
            return kinds
        }
    }

    @Test(
        arguments: [
            ([0xf0, 0x0f, 0xc1, 0x07], .lock),  // lock xadd [rdi], eax
            ([0x66, 0xf0, 0x0f, 0xb1, 0x0f], .lock),  // lock cmpxchg [rdi], cx
            ([0xf0, 0x48, 0x0f, 0xc7, 0x0f], .lock),  // lock cmpxchg16b [rdi]
            ([0xf2, 0xf0, 0xff, 0x0f], .lock),  // xacquire lock dec [rdi]
            ([0xf0, 0x83, 0x07, 0x01], .lock),  // lock add [rdi], 1
            ([0xf0, 0x0f, 0xba, 0x2f, 0x00], .lock),  // lock bts [rdi], 0
            ([0x64, 0xf0, 0x01, 0x04, 0x25, 0x10, 0x00, 0x00, 0x00], .lock),  // lock add fs:[0x10], eax
            ([0xf0, 0x83, 0x0c, 0x24, 0x01], .lock),  // lock or [rsp], 1
            ([0x87, 0x07], .xchg),  // xchg [rdi], eax
            ([0x44, 0x86, 0x07], .xchg),  // xchg [rdi], r8b
            ([0x0f, 0xb1, 0x0f], .cmpxchg),  // cmpxchg [rdi], ecx
            ([0x48, 0x0f, 0xc7, 0x0f], .cmpxchg),  // cmpxchg16b [rdi]
            ([0x0f, 0xc1, 0x07], .xadd),  // xadd [rdi], eax
            ([0xc7, 0xf8, 0x00, 0x00, 0x00, 0x00], .xbegin),
            ([0x0f, 0x31], .rdtsc), ([0x0f, 0x01, 0xf9], .rdtsc),
            ([0x48, 0x0f, 0xc7, 0xf0], .rdrand), ([0x0f, 0xc7, 0xf8], .rdseed), ([0xf3, 0x0f, 0xc7, 0xf8], .rdpid),
            ([0x0f, 0xa2], .cpuid), ([0x0f, 0x05], .syscall),
        ] as [([UInt8], SiteKind)])
    func isFound(_ bytes: [UInt8], _ kind: SiteKind) { #expect(kinds(bytes) == [kind]) }

    @Test(
        arguments: [
            [0xf0, 0x83, 0x0c, 0x24, 0x00],  // lock or [rsp], 0: a fence
            [0xf0, 0x48, 0x83, 0x0c, 0x24, 0x00],
            [0xf0, 0x83, 0x44, 0x24, 0xc0, 0x00],  // lock add [rsp - 64], 0
            [0x87, 0xc7], [0x90], [0x48, 0x87, 0xdb],  // xchg of registers
            [0x0f, 0xc1, 0xc7], [0x0f, 0xb1, 0xcf],
            [0x0f, 0xae, 0xf0], [0xf3, 0x90],  // mfence, pause
            [0xb8, 0xf0, 0x0f, 0xc1, 0x07],  // mov eax, 0x07c10ff0
            [0xb8, 0x0f, 0x31, 0x0f, 0xa2],
            [0xf0, 0x50],  // no instruction
        ] as [[UInt8]])
    func isNoGap(_ bytes: [UInt8]) { #expect(kinds(bytes) == []) }

    /// Whatever bytes come, the candidates hold all that the whole sweep finds.
    @Test func candidatesMissNothing() {
        var generator = SystemRandomNumberGenerator()
        let leads: [[UInt8]] = [
            [0xf0], [0x0f], [0x87], [0x86], [0xc7, 0xf8], [0x0f, 0xc7], [0xf3, 0x0f], [0x66, 0xf0],
        ]
        for _ in 0..<20_000 {
            let prefixes = (0..<Int.random(in: 0...3, using: &generator)).map { _ in
                [0x66, 0xf2, 0xf3, 0x48, 0x41, 0x64, 0x67, 0x2e].randomElement(using: &generator)! as UInt8
            }
            let tail = (0..<12).map { _ in UInt8.random(in: 0...255, using: &generator) }
            let bytes = prefixes + leads.randomElement(using: &generator)! + tail
            var first: UInt64?
            bytes.withUnsafeBytes { code in
                Sweep().run(code, at: 0, withCalls: false) { event in
                    if case .site(let site) = event, first == nil { first = site.address }
                }
                guard let first else { return }
                // An instruction has at most 15 bytes; its telling ones come after its prefixes.
                let found = Candidates.next(in: code, from: Int(first))
                #expect(found.map { $0 < Int(first) + 15 } ?? false, "\(bytes)")
            }
        }
    }
}
