/// One object file: what it loads, and its instructions that no plane of castor catches.
import CastorLog

/// The sites of one function.
public struct FunctionSites: Sendable, Equatable {
    public let name: String
    public let sites: [Site]

    public init(name: String, sites: [Site]) {
        self.name = name
        self.sites = sites
    }

    public var counts: [SiteKind: Int] { Dictionary(sites.map { ($0.kind, 1) }, uniquingKeysWith: +) }
}

public struct ObjectAnalysis: Sendable {
    /// The file was built with `castor cc`, at least in part.
    public let isInstrumented: Bool
    /// By address.
    public let functions: [FunctionSites]

    /// System calls included, which are no gaps.
    public var counts: [SiteKind: Int] {
        functions.reduce(into: [:]) { sum, function in sum.merge(function.counts, uniquingKeysWith: +) }
    }

    public init(_ image: ELFImage, loading: Loading) {
        let functions = Functions(image)
        let instrumentation = Instrumentation(image, loading: loading)
        let sweep = Sweep()
        var found: [(start: UInt64, sites: [Site])] = []
        image.bytes.withUnsafeBytes { file in
            for region in ObjectAnalysis.regions(image) {
                ObjectAnalysis.search(
                    UnsafeRawBufferPointer(rebasing: file[region.range]), at: region.address, functions,
                    instrumentation,
                    sweep
                ) { found.append(($0, $1)) }
            }
        }
        isInstrumented = instrumentation.isPresent
        self.functions = ObjectAnalysis.named(found.sorted { $0.start < $1.start }, functions)
    }

    /// Sections of code; segments, where a file has no sections.
    private static func regions(_ image: ELFImage) -> [(address: UInt64, range: Range<Int>)] {
        let sections = image.sections.filter {
            $0.type == ELFImage.Section.program && $0.flags & ELFImage.Section.executable != 0
        }
        let segments = image.segments.filter {
            $0.type == ELFImage.Segment.load && $0.flags & ELFImage.Segment.executable != 0
        }
        let all = sections.isEmpty ? segments.map { ($0.address, $0.range) } : sections.map { ($0.address, $0.range) }
        return all.filter { address, range in address <= UInt64.max - UInt64(range.count) }
    }

    /// Disassembles each piece of code that has a candidate.
    private static func search(
        _ code: UnsafeRawBufferPointer, at address: UInt64, _ functions: Functions, _ instrumentation: Instrumentation,
        _ sweep: Sweep, _ body: (UInt64, [Site]) -> Void
    ) {
        var position = 0
        while let candidate = Candidates.next(in: code, from: position) {
            let place = address &+ UInt64(candidate)
            let index = functions.index(of: place)
            let piece = index.map { functions.pieces[$0] }
            let next = (index ?? -1) + 1
            var start = max(piece?.start ?? address, address)
            var end = next < functions.pieces.count ? functions.pieces[next].start : UInt64.max
            let isCode = piece.map { place < $0.end } ?? false
            if let piece {
                if isCode { end = min(end, piece.end) } else { start = max(start, piece.end) }
            }
            position = Int(clamping: min(end &- address, UInt64(code.count)))
            var found = Found()
            let bytes = UnsafeRawBufferPointer(rebasing: code[Int(start - address)..<position])
            sweep.run(bytes, at: start, withCalls: instrumentation.isPresent) { found.add($0) }
            if !isCode { found.dropTables() }
            if found.sites.isEmpty { continue }
            let covered = instrumentation.kinds(coveredBy: found.calls)
            let sites = found.sites.filter { !covered.contains($0.kind) }
            if !sites.isEmpty { body(start, sites) }
        }
    }

    /// In one piece of code.
    private struct Found {
        var sites: [Site] = []
        var calls: [Sweep.Event] = []
        var strange: [UInt64] = []

        mutating func add(_ event: Sweep.Event) {
            switch event {
            case .site(let site): sites.append(site)
            case .strange(let address): strange.append(address)
            case .call, .callThrough: calls.append(event)
            }
        }

        /// Every sixth instruction or so that one reads out of random bytes is a strange one. In code there is none, but
        /// for one or two behind padding, until the sweep is in step again.
        mutating func dropTables() {
            sites.removeAll { site in
                let near = strange.partitioningIndex { $0 &+ 128 >= site.address }
                return near + 2 < strange.count && strange[near + 2] <= site.address &+ 128
            }
        }
    }

    /// Parts that have one name, as a label within a function makes them, are one function.
    private static func named(_ found: [(start: UInt64, sites: [Site])], _ functions: Functions) -> [FunctionSites] {
        var result: [FunctionSites] = []
        for (start, sites) in found {
            let name = functions.name(of: start)
            if let last = result.last, last.name == name {
                result[result.count - 1] = FunctionSites(name: name, sites: last.sites + sites)
            } else {
                result.append(FunctionSites(name: name, sites: sites))
            }
        }
        return result
    }
}
