/// Which sanitizer a program was built with, and where its runtime is. `castor replay --exe` lets what the runtime does for
/// itself pass: its system calls are known by their place.
import CastorLog

public struct SanitizerBuild: Sendable, Equatable {
    public enum Kind: String, Sendable {
        case address = "AddressSanitizer"
        case thread = "ThreadSanitizer"
        case memory = "MemorySanitizer"

        /// Of its functions and its library.
        fileprivate var name: String {
            switch self {
            case .address: "asan"
            case .thread: "tsan"
            case .memory: "msan"
            }
        }
        /// The environment variable with its options.
        public var variable: String { name.uppercased() + "_OPTIONS" }
    }

    /// nil: none.
    public private(set) var kind: Kind?
    /// Name of the library that holds the runtime; nil when the program's file does.
    public private(set) var library: String?
    /// The runtime's code in the program's file, by addresses as the file has them; empty in a stripped file.
    public private(set) var code: Range<UInt64> = 0..<0
    /// The program's entry point.
    public let entry: UInt64
    /// `castor cc` compiled it.
    public let isInstrumented: Bool

    public init(_ image: ELFImage) {
        let loading = Loading(image)
        entry = image.load(24) ?? 0
        isInstrumented = Instrumentation(image, loading: loading).isPresent
        for candidate in [Kind.address, .thread, .memory] {
            if let needed = loading.needed.first(where: {
                $0.hasPrefix("lib\(candidate.name).so") || $0.hasPrefix("libclang_rt.\(candidate.name)")
            }) {
                (kind, library) = (candidate, needed)
                return
            }
        }
        let functions = Functions(image)
        let names = functions.pieces.map { functions.name(of: $0.start) }
        kind = [Kind.address, .thread, .memory].first { kind in names.contains("__\(kind.name)_init") }
        guard kind != nil else { return }
        // The runtime comes from an archive, so it lies in one piece. Programs define functions of its C interface, but
        // none in its namespaces.
        let own = names.indices.filter { SanitizerBuild.isOwn(names[$0]) }
        if let first = own.first, let last = own.last {
            code = functions.pieces[first].start..<functions.pieces[last].end
        }
    }

    private static let namespaces = ["11__sanitizer", "6__tsan", "6__asan", "6__msan", "6__lsan", "14__interception"]

    /// A mangled name in one of the namespaces.
    static func isOwn(_ name: String) -> Bool {
        guard name.hasPrefix("_ZN") else { return false }
        return namespaces.contains { name.dropFirst(3).hasPrefix($0) || name.dropFirst(4).hasPrefix($0) }
    }
}
