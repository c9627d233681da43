/// Where the dynamic loader finds a library (ld.so(8)): the requester's RPATH and those of who requested it, then
/// LD_LIBRARY_PATH, the requester's RUNPATH, the loader's cache, the system's directories. Variants for newer processors
/// (glibc-hwcaps) are passed over: they are the same source compiled again.
import CastorLog
import Glibc

struct LibrarySearch {
    /// LD_LIBRARY_PATH.
    let environment: [String]
    let cache: [String: [String]]
    static let defaults = [
        "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib",
    ]

    init(environment: [String: String], cachePath: String = "/etc/ld.so.cache") {
        let path = environment["LD_LIBRARY_PATH"] ?? ""
        // An empty part is the current directory.
        let parts = path.split(omittingEmptySubsequences: false) { $0 == ":" || $0 == ";" }
        self.environment = path.isEmpty ? [] : parts.map { $0.isEmpty ? "." : String($0) }
        cache = LoaderCache.read(cachePath)
    }

    /// An object that asks for libraries, with those that led to it, the program last.
    struct Requester {
        let path: String
        let loading: Loading
    }

    func find(_ name: String, for chain: [Requester]) -> String? {
        guard let requester = chain.first else { return nil }
        let name = LibrarySearch.expanded(name, in: requester)
        if name.contains("/") { return LibrarySearch.isLoadable(name) ? name : nil }
        var directories: [String] = []
        if requester.loading.runpath.isEmpty {
            for object in chain { directories += object.loading.rpath.map { LibrarySearch.expanded($0, in: object) } }
        }
        directories += environment.map { LibrarySearch.expanded($0, in: chain[chain.count - 1]) }
        directories += requester.loading.runpath.map { LibrarySearch.expanded($0, in: requester) }
        var places = directories.map { "\($0)/\(name)" }
        if !requester.loading.skipsDefaults {
            places += cache[name] ?? []
            places += LibrarySearch.defaults.map { "\($0)/\(name)" }
        }
        return places.first(where: LibrarySearch.isLoadable)
    }

    private static func expanded(_ text: String, in object: Requester) -> String {
        guard text.contains("$") else { return text }
        let origin = resolved(Loading.directory(object.path))
        var result = text
        for (name, value) in [("ORIGIN", origin), ("LIB", "lib/x86_64-linux-gnu"), ("PLATFORM", "x86_64")] {
            result = result.replacing("${\(name)}", with: value).replacing("$\(name)", with: value)
        }
        return result
    }

    static func resolved(_ path: String) -> String {
        guard let real = realpath(path, nil) else { return path }
        defer { free(real) }
        return String(cString: real)
    }

    /// The loader passes over files for other machines.
    static func isLoadable(_ path: String) -> Bool {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return false }
        defer { close(file) }
        var head = [UInt8](repeating: 0, count: 20)
        return read(file, &head, 20) == 20 && head.starts(with: [0x7f, 0x45, 0x4c, 0x46, 2, 1]) && head[18] == 62
    }
}

/// /etc/ld.so.cache as ldconfig writes it ("glibc-ld.so.cache1.1", glibc's sysdeps/generic/dl-cache.h).
enum LoaderCache {
    /// Paths by library name, in the loader's order.
    static func read(_ path: String) -> [String: [String]] {
        guard let bytes = LoaderCache.contents(path) else { return [:] }
        return parse(bytes)
    }

    static func parse(_ bytes: [UInt8]) -> [String: [String]] {
        let magic = Array("glibc-ld.so.cache1.1".utf8)
        let header = 48
        guard bytes.starts(with: magic), bytes.count >= header else { return [:] }
        func word(_ at: Int) -> UInt32 {
            bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: at, as: UInt32.self) }
        }
        func text(_ at: Int) -> String {
            guard at < bytes.count, let end = bytes[at...].firstIndex(of: 0) else { return "" }
            return String(decoding: bytes[at..<end], as: UTF8.self)
        }
        var paths: [String: [String]] = [:]
        for entry in 0..<min(Int(word(20)), (bytes.count - header) / 24) {
            let at = header + entry * 24
            // The flags of a 64-bit x86 library for glibc; no condition on the processor (64 bits).
            guard word(at) == 0x0303, word(at + 16) == 0, word(at + 20) == 0 else { continue }
            paths[text(Int(word(at + 4))), default: []].append(text(Int(word(at + 8))))
        }
        return paths
    }

    private static func contents(_ path: String) -> [UInt8]? {
        guard let file = fopen(path, "re") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer[..<count] }
        return bytes
    }
}
