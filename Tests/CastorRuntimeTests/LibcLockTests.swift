/// libc's private locks, as the installed libc has them: every function that a program can link to and that comes to a
/// `lock cmpxchg` on a static word of libc, by whatever calls inside it, is interposed or explained in ordered.def. A
/// libc with another private lock fails here, not in somebody's replay.
import Foundation
import Testing

struct LibcLocks {
    static let path = "/lib/x86_64-linux-gnu/libc.so.6"
    static let exists = FileManager.default.fileExists(atPath: path)

    /// What ends the process, or runs while there is one thread; nobody is behind it.
    static let ends = [
        "abort", "__assert_fail", "__assert_perror_fail", "__assert", "__fortify_fail", "__chk_fail",
        "__stack_chk_fail", "__libc_fatal", "__libc_dynarray_at_failure", "_dl_signal_error",
        "_dl_signal_exception", "__libc_start_main", "__libc_early_init", "exit", "quick_exit",
    ]
    /// What the ways of errors go through (messages), and what loads once (locales, converters, data bases, and the
    /// unwinder, which pthread_create's wrapper has loaded before).
    static let loads = [
        "__dcgettext", "dcngettext", "newlocale", "setlocale", "__gconv_open", "iconv_open", "__nss_database_get",
        "__nss_lookup_function", "__nss_next2", "__libc_unwind_link_get",
    ]

    private var symbols: [UInt64: [String]] = [:]
    private var linkable: [UInt64: [String]] = [:]
    private var starts: [UInt64] = []
    private var callers: [Int: Set<Int>] = [:]
    private var callees: [Int: Set<Int>] = [:]
    private var locked: [Int: Set<UInt64>] = [:]

    init() {
        var addresses: [String: UInt64] = [:]
        for line in Library.output("nm -D --defined-only", Self.path) {
            let words = line.split(separator: " ")
            guard words.count == 3, "TWi".contains(words[1]), let at = UInt64(words[0], radix: 16) else { continue }
            let name = String(words[2].prefix { $0 != "@" })
            symbols[at, default: []].append(name)
            addresses[name] = at
            if words[2].contains("@@"), !words[2].hasSuffix("GLIBC_PRIVATE") { linkable[at, default: []].append(name) }
        }
        var known = Set(symbols.keys)
        var calls: [(from: UInt64, to: UInt64)] = []
        var locks: [(at: UInt64, word: UInt64)] = []
        let script = """
            sh -c 'objdump -d --no-show-raw-insn "$0" | sed -nE \
            -e "s/^ *([0-9a-f]+):.(call|j[a-z]+) +([0-9a-f]+) <.*/\\1 \\2 \\3/p" \
            -e "s/^ *([0-9a-f]+):.lock cmpxchg.*# ([0-9a-f]+) <.*/\\1 lock \\2/p"'
            """
        for line in Library.output(script, Self.path) {
            let words = line.split(separator: " ")
            guard words.count == 3, let from = UInt64(words[0], radix: 16), let to = UInt64(words[2], radix: 16) else {
                continue
            }
            if words[1] == "lock" {
                locks.append((from, to))
            } else {
                calls.append((from, to))
                if words[1] == "call" { known.insert(to) }
            }
        }
        starts = known.sorted()
        for call in calls {
            guard let from = function(at: call.from), let to = function(at: call.to), from != to else { continue }
            callers[to, default: []].insert(from)
            callees[from, default: []].insert(to)
        }
        for lock in locks { if let f = function(at: lock.at) { locked[f, default: []].insert(lock.word) } }
        ended = Set(Self.ends.compactMap { addresses[$0].flatMap(function) })
        // Messages of libc's own before it aborts.
        if let abort = addresses["abort"].flatMap(function) {
            ended.formUnion((callers[abort] ?? []).filter { symbols[starts[$0]] == nil })
        }
        loaded = Set(Self.loads.compactMap { addresses[$0].flatMap(function) })
        converts = addresses["mbrtowc"].flatMap(function)
    }
    private var ended: Set<Int> = []
    private var loaded: Set<Int> = []
    private var converts: Int?

    private func function(at address: UInt64) -> Int? {
        var low = 0
        var high = starts.count
        while low < high {
            let middle = (low + high) / 2
            if starts[middle] <= address { low = middle + 1 } else { high = middle }
        }
        return low > 0 ? low - 1 : nil
    }

    private static func closure(_ from: some Sequence<Int>, _ next: [Int: Set<Int>], without: Set<Int>) -> Set<Int> {
        var seen = Set(from).subtracting(without)
        var open = Array(seen)
        while let f = open.popLast() {
            for g in next[f] ?? [] where !without.contains(g) && seen.insert(g).inserted { open.append(g) }
        }
        return seen
    }

    /// Names of the functions that come to a private lock. The locks that mbrtowc comes to guard the converters, which
    /// setlocale's wrapper has loaded before.
    func names() -> Set<String> {
        let converting = Self.closure(converts.map { [$0] } ?? [], callees, without: ended)
        let theirs = Set(converting.flatMap { locked[$0] ?? [] })
        let seeds = locked.filter { !$0.value.subtracting(theirs).isEmpty }.keys
        let all = Self.closure(seeds, callers, without: ended.union(loaded))
        return Set(all.flatMap { linkable[starts[$0]] ?? [] })
    }
}

@Suite(.enabled(if: LibcLocks.exists, "there is no \(LibcLocks.path)"))
struct LibcLockTests {
    /// The names in the tables of ordered calls, those left alone with their reasons included.
    static func explained() throws -> Set<String> {
        var names: Set<String> = []
        for file in ["ordered.def", "streams.def"] {
            let text = try String(contentsOfFile: "\(Library.root)/Sources/CTSXShim/Interpose/\(file)", encoding: .utf8)
            for line in text.split(separator: "\n") {
                guard let open = line.firstIndex(of: "("), !line.hasPrefix("//") else { continue }
                let fields = line[line.index(after: open)...].split(separator: ",")
                let index = line.hasPrefix("BY_HAND") || line.hasPrefix("LEFT_ALONE") ? 0 : 1
                if fields.count > index { names.insert(fields[index].trimmingCharacters(in: .whitespaces)) }
            }
        }
        return names
    }

    @Test func everyFunctionBehindAPrivateLockIsOrderedOrExplained() throws {
        let names = LibcLocks().names()
        #expect(names.count > 300, "the walk through libc finds too little")
        for name in ["random", "tzset", "setenv", "getpwnam"] {
            #expect(names.contains(name), "the walk misses \(name)")
        }
        let open = names.subtracting(try Library.mapNames()).subtracting(try Self.explained())
        #expect(open.sorted() == [], "neither interposed nor explained in ordered.def")
    }
}
