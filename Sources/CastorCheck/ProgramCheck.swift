/// `castor check`: a program and the libraries that it loads, and what the recording of it would miss.
import CastorLog
import Glibc

/// An object that the program loads.
public struct CheckedObject: Sendable {
    /// As the program or library that asked for it calls it.
    public let name: String
    public let path: String
    public let isInstrumented: Bool
    /// What is left after what is known.
    public let counts: [SiteKind: Int]
    /// Empty when the counts come from the cache.
    public let functions: [FunctionSites]
    /// Why something in it is no gap.
    public let reasons: [String]

    public func count(_ effect: SiteKind.Effect) -> Int {
        counts.reduce(0) { $0 + ($1.key.effect == effect ? $1.value : 0) }
    }
}

public enum Verdict: Sendable, Equatable {
    case exact
    /// Exact unless threads race where castor does not see them, or what differs each time matters.
    case unlessTheseRace
    case notSupported(String)
}

public struct ProgramCheck: Sendable {
    public let program: String
    public let verdict: Verdict
    /// The program first, the libraries as they are loaded.
    public let objects: [CheckedObject]

    /// Names that castor's runtime answers, from its symbols.
    public static func names(answeredBy runtime: String) -> Set<String> {
        guard let image = ELFImage(path: runtime) else { return [] }
        var names: Set<String> = []
        for table in image.sections where table.type == ELFImage.Section.dynamicSymbols {
            guard table.link < image.sections.count else { continue }
            let strings = image.sections[table.link].range.lowerBound
            for at in stride(from: table.range.lowerBound, to: table.range.upperBound - 23, by: 24) {
                guard let name: UInt32 = image.load(at), let home: UInt16 = image.load(at + 6), home != 0 else {
                    continue
                }
                names.insert(image.text(strings + Int(name)))
            }
        }
        return names
    }

    /// A program that cannot be recorded.
    public init(program: String, refused reason: String) {
        self.init(program: program, verdict: .notSupported(reason), objects: [])
    }

    /// Checks the object file at `path`. `answered` are the names that castor's runtime exports. With a cache, what it
    /// knows is not disassembled again, and functions are not told apart.
    public init(
        path: String, environment: [String: String] = [:], answered: Set<String> = [], cache: SummaryCache? = nil
    ) {
        let walk = LoadWalk(search: LibrarySearch(environment: environment), answered: answered, cache: cache)
        if LibrarySearch.isLoadable(path) { walk.add(path, name: Loading.baseName(path), chain: []) }
        if let reason = ProgramCheck.refusal(path, walk.program) {
            self.init(program: path, refused: reason)
            return
        }
        for name in (environment["LD_PRELOAD"] ?? "").split(whereSeparator: { $0 == ":" || $0 == " " }) {
            walk.request(String(name), by: 0)
        }
        walk.run()
        var verdict = Verdict.exact
        if let missing = walk.missing.first {
            verdict = .notSupported("\(missing) is missing")
        } else if walk.objects.contains(where: { $0.count(.races) + $0.count(.varies) > 0 }) {
            verdict = .unlessTheseRace
        }
        self.init(program: path, verdict: verdict, objects: walk.objects)
    }

    private init(program: String, verdict: Verdict, objects: [CheckedObject]) {
        self.program = program
        self.verdict = verdict
        self.objects = objects
    }

    private static func refusal(_ path: String, _ loading: Loading?) -> String? {
        guard let loading else {
            return ObjectFile.elfClass(path: path) == 1 ? "it is a 32-bit program" : "it is not a program for x86-64"
        }
        if loading.isProgram, loading.interpreter == nil { return "it is statically linked" }
        if let interpreter = loading.interpreter, Loading.baseName(interpreter) != "ld-linux-x86-64.so.2" {
            return "it is not linked with glibc, but loaded by \(interpreter)"
        }
        return nil
    }
}

/// The loader's walk: breadth first, each library once.
private final class LoadWalk {
    private let search: LibrarySearch
    private let answered: Set<String>
    private let cache: SummaryCache?
    private(set) var objects: [CheckedObject] = []
    private(set) var missing: [String] = []
    /// For each object, itself and who led to it.
    private var chains: [[LibrarySearch.Requester]] = []
    private var names: Set<String> = []

    var program: Loading? { chains.first?[0].loading }

    init(search: LibrarySearch, answered: Set<String>, cache: SummaryCache?) {
        self.search = search
        self.answered = answered
        self.cache = cache
    }

    func run() {
        var next = 0
        while next < chains.count {
            for name in chains[next][0].loading.needed { request(name, by: next) }
            next += 1
        }
    }

    func request(_ name: String, by number: Int) {
        guard names.insert(name).inserted else { return }
        guard let path = search.find(name, for: chains[number]) else {
            missing.append(name)
            return
        }
        add(path, name: Loading.baseName(name), chain: chains[number])
    }

    func add(_ path: String, name: String, chain: [LibrarySearch.Requester]) {
        // What is checked itself is looked at as it is.
        let known = chain.isEmpty ? [] : KnownObject.rows(for: name, answered: answered)
        guard let (summary, functions) = examine(path, isKnown: known.contains { $0.kinds == nil }) else {
            missing.append(name)
            return
        }
        names.insert(name)
        if !summary.loading.soname.isEmpty { names.insert(summary.loading.soname) }
        // Where a program lies ($ORIGIN) the loader asks the kernel, which follows links.
        let place = chain.isEmpty ? LibrarySearch.resolved(path) : path
        chains.append([LibrarySearch.Requester(path: place, loading: summary.loading)] + chain)
        let harmless = known.reduce(into: Set<SiteKind>()) { $0.formUnion($1.kinds ?? Set(SiteKind.allCases)) }
        let left = functions.compactMap { function in
            let sites = function.sites.filter { !harmless.contains($0.kind) }
            return sites.isEmpty ? nil : FunctionSites(name: function.name, sites: sites)
        }
        objects.append(
            CheckedObject(
                name: name, path: path, isInstrumented: summary.isInstrumented,
                counts: summary.counts.filter { !harmless.contains($0.key) }, functions: left,
                reasons: known.map(\.reason)))
    }

    /// Disassembles what is neither known nor in the cache. nil when there is no such object file.
    private func examine(_ path: String, isKnown: Bool) -> (ObjectSummary, [FunctionSites])? {
        let identity = cache == nil || isKnown ? nil : SummaryCache.identity(path)
        if let cache, let identity, let summary = cache.summary(of: path, identity) { return (summary, []) }
        guard let image = ELFImage(path: path) else { return nil }
        let loading = Loading(image)
        if isKnown { return (ObjectSummary(loading: loading, isInstrumented: false, counts: [:]), []) }
        let analysis = ObjectAnalysis(image, loading: loading)
        let summary = ObjectSummary(loading: loading, isInstrumented: analysis.isInstrumented, counts: analysis.counts)
        if let cache, let identity { cache.keep(summary, of: path, identity) }
        return (summary, analysis.functions)
    }
}
