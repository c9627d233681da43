/// A program to be recorded: found, examined, and described for the log.
import CTSXShim
import CastorLog
import Glibc

struct Program {
    let path: SystemString
    /// As in the manifest.
    let interpreter: [SystemString]

    /// Looks a name without slash up in PATH. Refuses what cannot be recorded, with the reason.
    init(named name: SystemString) throws {
        let text = name.description
        let found: String
        if text.contains("/") {
            found = text
        } else {
            guard let path = Program.onPath(text) else { throw CommandError.missing("\(text): command not found") }
            found = path
        }
        var status = stat()
        guard stat(found, &status) == 0 else { throw CommandError.missing("\(found): \(errorText(errno))") }
        guard status.st_mode & S_IFMT == S_IFREG, access(found, X_OK) == 0 else {
            throw CommandError.refused("\(found): not an executable file")
        }
        if status.st_mode & (S_ISUID | S_ISGID) != 0, status.st_uid != getuid() || status.st_mode & S_ISGID != 0 {
            throw CommandError.refused("\(found): setuid and setgid programs cannot be recorded")
        }
        let line = ObjectFile.interpreterLine(path: found)
        let binary = line.first ?? found
        if let bits = ObjectFile.elfClass(path: binary) {
            if bits != 2 { throw CommandError.refused("\(binary): 32-bit programs cannot be recorded") }
            if !ObjectFile.isDynamic(path: binary) {
                throw CommandError.refused("\(binary): statically linked programs cannot be recorded")
            }
        }
        path = SystemString(found)
        interpreter = line.map { SystemString($0) }
    }

    /// Where PATH has a program of this name.
    static func onPath(_ name: String) -> String? {
        let places = (getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin").split(separator: ":")
        return places.map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }

    /// A number under which the program inherits the segment, within its limit of open files.
    static func segmentDescriptor() -> Int32 {
        let soft = RawSystem.limit(Int(RLIMIT_NOFILE.rawValue))?.soft ?? 1024
        return Int32(min(UInt64(CASTOR_SEGMENT_FD), soft - 1))
    }

    /// Everything about the run that replay has to set up again.
    func manifest(words: [SystemString], runtime: String, descriptor: Int32) -> Manifest {
        var cwd = [CChar](repeating: 0, count: 4096)
        let directory = getcwd(&cwd, cwd.count) != nil ? SystemString(cString: cwd) : "/"
        func limit(_ resource: __rlimit_resource) -> Manifest.Limit {
            let pair = RawSystem.limit(Int(resource.rawValue)) ?? (UInt64.max, UInt64.max)
            return Manifest.Limit(soft: pair.soft, hard: pair.hard)
        }
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        var manifest = Manifest(
            castorVersion: Tool.version, program: path, arguments: words,
            environment: Program.environment(runtime: runtime, descriptor: descriptor), workingDirectory: directory,
            resourceLimits: .init(stack: limit(RLIMIT_STACK), openFiles: limit(RLIMIT_NOFILE)),
            started: UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec))
        manifest.interpreter = interpreter
        manifest.cpuModel = SystemFile.value(of: "model name", in: "/proc/cpuinfo") ?? ""
        manifest.cpuFeatures = (SystemFile.value(of: "flags", in: "/proc/cpuinfo") ?? "").split(separator: " ").map(
            String.init)
        var system = utsname()
        uname(&system)
        manifest.kernelRelease = withUnsafeBytes(of: system.release) {
            String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        manifest.glibcVersion = Program.glibcVersion
        return manifest
    }

    private static var glibcVersion: String {
        var buffer = [CChar](repeating: 0, count: 64)
        return confstr(Int32(_CS_GNU_LIBC_VERSION), &buffer, buffer.count) > 6
            ? String(cString: buffer.dropFirst(6).map { $0 }) : ""
    }

    /// The program's environment: castor's own, and what keeps instructions and memory that nobody can intercept from
    /// telling it anything (rseq's CPU number, RDRAND and RDSEED in OpenSSL).
    private static func environment(runtime: String, descriptor: Int32) -> [SystemString] {
        var result: [SystemString] = []
        var preload = runtime
        var tunables = CASTOR_NO_RSEQ
        var capabilities = CASTOR_NO_RDRAND
        var entry = environ
        while let text = entry.pointee {
            let string = SystemString(cString: text)
            entry += 1
            let whole = string.description
            if whole.hasPrefix("LD_PRELOAD=") {
                preload += ":" + whole.dropFirst(11)
            } else if whole.hasPrefix("GLIBC_TUNABLES=") {
                tunables = whole.dropFirst(15) + ":" + tunables
            } else if whole.hasPrefix(CASTOR_OPENSSL + "=") {
                capabilities = String(whole.dropFirst(CASTOR_OPENSSL.count + 1))
            } else if !whole.hasPrefix(CASTOR_ENV + "=") {
                result.append(string)
            }
        }
        return result + [
            SystemString("LD_PRELOAD=" + preload), SystemString("GLIBC_TUNABLES=" + tunables),
            SystemString("\(CASTOR_OPENSSL)=\(capabilities)"), SystemString("\(CASTOR_ENV)=\(descriptor)"),
        ]
    }
}
