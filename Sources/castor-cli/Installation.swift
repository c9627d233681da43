/// Where the parts of the tool lie: beside the executable in a build, in lib/castor after an installation.
import CastorCompiler
import CastorLog
import Glibc

struct Installation {
    let runtime: String
    let agent: String
    /// The egress gate of a hot standby, for the kernel.
    let gate: String

    static func find() throws -> Installation {
        let parts = ["libCastorRuntime.so", "castor-agent", "castor-gate.bpf.o"]
        let directory = try directory(with: parts)
        let paths = parts.map { part in resolved("\(directory)/\(part)") }
        return Installation(runtime: paths[0], agent: paths[1], gate: paths[2])
    }

    /// What compilers need.
    static func library() throws -> Library {
        Library(directory: SystemString(resolved(try directory(with: [Library.runtime]))))
    }

    private static func directory(with parts: [String]) throws -> String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let n = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        let own = n > 0 ? String(decoding: buffer[..<n].map { UInt8(bitPattern: $0) }, as: UTF8.self) : "castor"
        let beside = own.lastIndex(of: "/").map { String(own[..<$0]) } ?? "."
        let places = [beside, beside + "/../lib/castor"]
        if let place = places.first(where: { place in parts.allSatisfy { access("\(place)/\($0)", R_OK) == 0 } }) {
            return place
        }
        throw CommandError.failed(
            "\(parts.joined(separator: " and ")) \(parts.count > 1 ? "are" : "is") not beside \(own)",
            advice: "Run 'make' or 'make install' again.")
    }

    private static func resolved(_ path: String) -> String {
        guard let real = realpath(path, nil) else { return path }
        defer { free(real) }
        return String(cString: real)
    }
}
