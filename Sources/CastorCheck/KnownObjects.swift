/// Libraries whose instructions are known to do no harm, each with the reason. docs/CHECK.md says what each assumes.

public struct KnownObject: Sendable {
    /// The library's name up to `.so`.
    public let name: String
    /// What is known; nil: everything.
    public let kinds: Set<SiteKind>?
    public let reason: String
    /// Holds only if castor's runtime answers this function in the library's place.
    public let requires: String?

    init(_ name: String, _ kinds: Set<SiteKind>? = nil, requires: String? = nil, because reason: String) {
        self.name = name
        self.kinds = kinds
        self.requires = requires
        self.reason = reason
    }

    static let locks = "its locks are recorded where they are called"

    public static let all: [KnownObject] = [
        KnownObject("libcastor", because: "castor's own"),
        KnownObject("libCastorRuntime", because: "castor's own"),
        KnownObject("libc", because: locks),
        KnownObject("ld-linux-x86-64", because: "loads and relocates in recorded order"),
        KnownObject("libpthread", because: locks),
        KnownObject("libm", because: "computes, and shares nothing"),
        KnownObject("libmvec", because: "computes, and shares nothing"),
        KnownObject("libdl", because: locks),
        KnownObject("librt", because: locks),
        KnownObject("libutil", because: "empty since glibc 2.34"),
        KnownObject("libatomic", requires: "__atomic_fetch_add_8", because: "castor answers in its place"),
        KnownObject(
            "libstdc++", [.lock, .xchg, .cmpxchg, .xadd],
            because:
                "reference counts of strings, locales and exceptions; what they free goes to a deterministic allocator"),
        KnownObject(
            "libstdc++", [.rdrand, .rdseed, .rdtsc], requires: "_ZNSt13random_device9_M_getvalEv",
            because: "std::random_device is recorded where it is called"),
        KnownObject(
            "libcrypto", [.rdrand, .rdseed], because: "recording asks OpenSSL not to use them (OPENSSL_ia32cap)"),
    ]

    /// The rows for a library; `answered` are the names that castor's runtime exports.
    static func rows(for name: String, answered: Set<String>) -> [KnownObject] {
        let stem = name.range(ofSubstring: ".so").map { String(name[..<$0]) } ?? name
        return all.filter { $0.name == stem && ($0.requires.map(answered.contains) ?? true) }
    }
}

extension String {
    /// Where the substring begins.
    func range(ofSubstring text: String) -> Index? {
        var rest = self[...]
        while !rest.isEmpty {
            if rest.hasPrefix(text) { return rest.startIndex }
            rest = rest.dropFirst()
        }
        return nil
    }
}
