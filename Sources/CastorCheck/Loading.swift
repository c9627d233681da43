/// What the dynamic loader reads in an object: its dynamic section.
import CastorLog

public struct Loading: Sendable, Equatable {
    public var needed: [String] = []
    public var soname = ""
    /// Directories as written, `$ORIGIN` and all.
    public var rpath: [String] = []
    public var runpath: [String] = []
    /// DF_1_NODEFLIB: neither the cache nor the system's directories.
    public var skipsDefaults = false
    public var interpreter: String?
    /// A program, be it position-independent.
    public var isProgram = false

    public init() {}

    public init(_ image: ELFImage) {
        let entries = image.dynamic
        let table = entries.first { $0.tag == 5 }.flatMap { image.offset(of: $0.value) }
        let text = { (value: UInt64) in
            table.map { image.text($0 + Int(truncatingIfNeeded: value & 0xffff_ffff)) } ?? ""
        }
        for entry in entries {
            switch entry.tag {
            case 1: needed.append(text(entry.value))
            case 14: soname = text(entry.value)
            case 15: rpath = Loading.directories(text(entry.value))
            case 29: runpath = Loading.directories(text(entry.value))
            case 0x6fff_fffb:
                skipsDefaults = entry.value & 0x800 != 0
                isProgram = entry.value & 0x0800_0000 != 0
            default: break
            }
        }
        interpreter = image.interpreter
        // Some libraries can be run as well (libc.so.6, libcap.so.2).
        if interpreter != nil && soname.isEmpty || image.type == 2 { isProgram = true }
        // A RUNPATH makes the loader forget the RPATH beside it.
        if !runpath.isEmpty { rpath = [] }
    }

    static func directories(_ list: String) -> [String] {
        list.split(separator: ":", omittingEmptySubsequences: true).map(String.init)
    }

    public static func baseName(_ path: String) -> String { path.split(separator: "/").last.map(String.init) ?? path }
    static func directory(_ path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
