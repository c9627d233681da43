/// What `castor cc` left in an object (docs/INSTRUMENTATION.md), so that the instructions that it has made known are not
/// taken for gaps: regions and values keep their instructions, with calls around them.
import CastorLog

struct Instrumentation {
    /// By the address of their pointer in the global offset table: undefined symbols that matter.
    private var pointers: [UInt64: String] = [:]
    private(set) var isPresent: Bool
    private let image: ELFImage

    init(_ image: ELFImage, loading: Loading) {
        self.image = image
        isPresent = loading.needed.contains { Loading.baseName($0) == "libcastor.so" }
        let dynamic = Dictionary(image.dynamic.map { ($0.tag, $0.value) }, uniquingKeysWith: { first, _ in first })
        guard let symbols = dynamic[6].flatMap(image.offset), let strings = dynamic[5].flatMap(image.offset) else {
            return
        }
        // DT_RELA with DT_RELASZ, DT_JMPREL with DT_PLTRELSZ.
        for (table, size) in [(7, 8), (23, 2)] as [(UInt64, UInt64)] {
            guard let start = dynamic[table].flatMap(image.offset), let size = dynamic[size] else { continue }
            for at in stride(from: start, to: start + min(Int(clamping: size), image.bytes.count - start) - 23, by: 24)
            {
                guard let place: UInt64 = image.load(at), let info: UInt64 = image.load(at + 8), info >> 32 != 0 else {
                    continue
                }
                let symbol = symbols + Int(info >> 32) * 24
                guard let name: UInt32 = image.load(symbol), let home: UInt16 = image.load(symbol + 6), home == 0 else {
                    continue
                }
                let text = image.text(strings + Int(name))
                guard text.hasPrefix("__castor_") || text.hasPrefix("__tsan_atomic") else { continue }
                pointers[place] = text
                isPresent = true
            }
        }
    }

    /// The kinds that a function's calls make known.
    func kinds(coveredBy calls: [Sweep.Event]) -> Set<SiteKind> {
        var kinds: Set<SiteKind> = []
        for call in calls {
            switch name(of: call) {
            case "__castor_region_begin": kinds.formUnion([.lock, .xchg, .cmpxchg, .xadd])
            case "__castor_value", "__castor_rdtsc": kinds.formUnion([.rdtsc, .rdrand, .rdseed, .rdpid, .cpuid])
            default: break
            }
        }
        return kinds
    }

    private func name(of call: Sweep.Event) -> String? {
        switch call {
        case .site, .strange: return nil
        case .callThrough(let pointer): return pointers[pointer]
        case .call(let target):
            // An entry of the procedure linkage table: perhaps endbr64, perhaps bnd, then jmp *[rip + disp32].
            guard let at = image.offset(of: target) else { return nil }
            for skipped in [0, 1, 4, 5] {
                guard image.load(at + skipped, as: UInt16.self) == 0x25ff,
                    let distance: Int32 = image.load(at + skipped + 2)
                else { continue }
                return pointers[target &+ UInt64(skipped + 6) &+ UInt64(bitPattern: Int64(distance))]
            }
            return nil
        }
    }
}
