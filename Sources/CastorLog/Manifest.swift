/// What a recording was made of: everything replay must put back, and what people ask about a log.
///
/// The file `manifest.json` is JSON whose first line holds the XXH3-64 of every byte after that line:
///
///     {"checksum": "0123456789abcdef",
public struct Manifest: Equatable, Sendable {
    /// A resource limit; RLIM_INFINITY is UInt64.max.
    public struct Limit: Equatable, Sendable {
        public var soft: UInt64
        public var hard: UInt64
        public init(soft: UInt64, hard: UInt64) {
            self.soft = soft
            self.hard = hard
        }
    }

    public struct ResourceLimits: Equatable, Sendable {
        /// Bytes. The mapping base of the kernel depends on the soft limit.
        public var stack: Limit
        public var openFiles: Limit
        public init(stack: Limit, openFiles: Limit) {
            self.stack = stack
            self.openFiles = openFiles
        }
    }

    /// One entry of the auxiliary vector: an AT_ number and its value.
    public struct Auxiliary: Equatable, Sendable {
        public var type: UInt64
        public var value: UInt64
        public init(type: UInt64, value: UInt64) {
            self.type = type
            self.value = value
        }
    }

    /// An ELF file that was mapped.
    public struct Object: Equatable, Sendable {
        public var path: SystemString
        /// Lower-case hexadecimal; empty when the file has none.
        public var buildID: String
        /// Bytes.
        public var size: UInt64
        public init(path: SystemString, buildID: String, size: UInt64) {
            self.path = path
            self.buildID = buildID
            self.size = size
        }
    }

    public internal(set) var formatVersion = UInt64(logFormatVersion)
    public var castorVersion: String
    /// The path that was executed (AT_EXECFN).
    public var program: SystemString
    /// With argument 0.
    public var arguments: [SystemString]
    /// `NAME=value`, in the order that the program saw.
    public var environment: [SystemString]
    public var workingDirectory: SystemString
    public var resourceLimits: ResourceLimits
    public var auxiliary: [Auxiliary] = []
    /// For a script: the absolute path of the object file that runs it, then the words that its first line puts before the
    /// arguments. Empty for a program.
    public var interpreter: [SystemString] = []
    public var objects: [Object] = []
    public var cpuModel = ""
    public var cpuFeatures: [String] = []
    public var kernelRelease = ""
    public var glibcVersion = ""
    public var options: [String: String] = [:]
    /// Nanoseconds since 1970-01-01 UTC.
    public var started: UInt64

    public init(
        castorVersion: String, program: SystemString, arguments: [SystemString], environment: [SystemString],
        workingDirectory: SystemString, resourceLimits: ResourceLimits, started: UInt64
    ) {
        self.castorVersion = castorVersion
        self.program = program
        self.arguments = arguments
        self.environment = environment
        self.workingDirectory = workingDirectory
        self.resourceLimits = resourceLimits
        self.started = started
    }
}

// MARK: - JSON

extension Manifest {
    /// The members of the manifest, without the checksum.
    public var json: JSON {
        func limit(_ limit: Limit) -> JSON {
            .object([.init("soft", JSON(limit.soft)), .init("hard", JSON(limit.hard))])
        }
        func strings(_ strings: [SystemString]) -> JSON { .array(strings.map(\.json)) }
        return .object([
            .init("formatVersion", JSON(formatVersion)),
            .init("castorVersion", .string(castorVersion)),
            .init("program", program.json),
            .init("arguments", strings(arguments)),
            .init("environment", strings(environment)),
            .init("workingDirectory", workingDirectory.json),
            .init(
                "resourceLimits",
                .object([
                    .init("stack", limit(resourceLimits.stack)), .init("openFiles", limit(resourceLimits.openFiles)),
                ])),
            .init("auxiliary", .array(auxiliary.map { [JSON($0.type), JSON($0.value)] })),
            .init("interpreter", strings(interpreter)),
            .init(
                "objects",
                .array(
                    objects.map {
                        .object([
                            .init("path", $0.path.json), .init("buildID", .string($0.buildID)),
                            .init("size", JSON($0.size)),
                        ])
                    })),
            .init("cpuModel", .string(cpuModel)),
            .init("cpuFeatures", .array(cpuFeatures.map(JSON.string))),
            .init("kernelRelease", .string(kernelRelease)),
            .init("glibcVersion", .string(glibcVersion)),
            .init(
                "options",
                .object(options.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) })),
            .init("started", JSON(started)),
        ])
    }

    /// Throws the name of the first member that is missing or has the wrong type.
    init(json: JSON) throws(MissingMember) {
        formatVersion = try member(json, "formatVersion") { $0.integer(UInt64.self) }
        castorVersion = try member(json, "castorVersion", \.string)
        program = try member(json, "program", SystemString.init(json:))
        arguments = try member(json, "arguments", systemStrings)
        environment = try member(json, "environment", systemStrings)
        workingDirectory = try member(json, "workingDirectory", SystemString.init(json:))
        resourceLimits = try member(json, "resourceLimits") {
            guard let stack = limit($0["stack"]), let files = limit($0["openFiles"]) else { return nil }
            return ResourceLimits(stack: stack, openFiles: files)
        }
        auxiliary = try member(json, "auxiliary") {
            all($0) {
                guard let pair = $0.array, pair.count == 2, let type = pair[0].integer(UInt64.self),
                    let value = pair[1].integer(UInt64.self)
                else { return nil }
                return Auxiliary(type: type, value: value)
            }
        }
        interpreter = try member(json, "interpreter", systemStrings)
        objects = try member(json, "objects") {
            all($0) {
                guard let path = $0["path"].flatMap(SystemString.init(json:)), let buildID = $0["buildID"]?.string,
                    let size = $0["size"]?.integer(UInt64.self)
                else { return nil }
                return Object(path: path, buildID: buildID, size: size)
            }
        }
        cpuModel = try member(json, "cpuModel", \.string)
        cpuFeatures = try member(json, "cpuFeatures") { all($0, \.string) }
        kernelRelease = try member(json, "kernelRelease", \.string)
        glibcVersion = try member(json, "glibcVersion", \.string)
        options = try member(json, "options") {
            guard let members = $0.members else { return nil }
            var options: [String: String] = [:]
            for member in members {
                guard let value = member.value.string else { return nil }
                options[member.name] = value
            }
            return options
        }
        started = try member(json, "started") { $0.integer(UInt64.self) }
    }
}

struct MissingMember: Error { var name: String }

private func member<T>(_ json: JSON, _ name: String, _ convert: (JSON) -> T?) throws(MissingMember) -> T {
    guard let value = json[name], let result = convert(value) else { throw MissingMember(name: name) }
    return result
}

private func all<T>(_ json: JSON, _ convert: (JSON) -> T?) -> [T]? {
    guard let elements = json.array else { return nil }
    let result = elements.compactMap(convert)
    return result.count == elements.count ? result : nil
}

private func systemStrings(_ json: JSON) -> [SystemString]? { all(json, SystemString.init(json:)) }

private func limit(_ json: JSON?) -> Manifest.Limit? {
    guard let soft = json?["soft"]?.integer(UInt64.self), let hard = json?["hard"]?.integer(UInt64.self) else {
        return nil
    }
    return Manifest.Limit(soft: soft, hard: hard)
}

// MARK: - File

extension Manifest {
    static let fileName = "manifest.json"
    /// Bytes before the part that the checksum covers: `{"checksum": "` 16 digits `",` newline.
    private static let prefix = Array("{\"checksum\": \"".utf8)
    private static let prefixEnd = Array("\",\n".utf8)
    private static var coveredFrom: Int { prefix.count + 16 + prefixEnd.count }
    private static let sizeLimit: UInt64 = 64 << 20

    /// Replaces the manifest of the log in `directory` in one step.
    func write(directory: String) throws(LogError) {
        var body: [UInt8] = []
        json.write(to: &body, indented: true, depth: 0)
        // The rest of the object: everything after its opening brace and newline.
        let rest = Array(body.dropFirst(2)) + [UInt8(ascii: "\n")]
        let bytes = Manifest.prefix + hexadecimal(checksum(rest)).utf8 + Manifest.prefixEnd + rest
        try replaceFile(directory: directory, name: Manifest.fileName, bytes: bytes)
    }

    /// Keeps a manifest as another machine has it, byte for byte, if it is one.
    public static func store(_ bytes: [UInt8], directory: String) throws(LogError) -> Manifest {
        try replaceFile(directory: directory, name: Manifest.fileName, bytes: bytes)
        return try Manifest(directory: directory)
    }

    /// Reads and checks the manifest of the log in `directory`.
    public init(directory: String) throws(LogError) {
        let file = try ReadableFile(path: "\(directory)/\(Manifest.fileName)")
        func damaged(_ offset: Int, _ reason: String) -> LogError {
            .damaged(path: file.path, offset: UInt64(offset), reason: reason)
        }
        guard file.size <= Manifest.sizeLimit else { throw damaged(0, "too large for a manifest") }
        let bytes = try file.bytes(at: 0, count: Int(file.size))
        guard bytes.count > Manifest.coveredFrom else { throw damaged(bytes.count, "the file ends early") }
        let rest = Array(bytes[Manifest.coveredFrom...])
        let expected = Manifest.prefix + hexadecimal(checksum(rest)).utf8 + Manifest.prefixEnd
        guard bytes.starts(with: expected) else { throw damaged(0, "the checksum does not match") }
        do {
            let json = try JSON(parsing: bytes)
            // The version first: other members may be different in other versions.
            if let version = json["formatVersion"]?.integer(UInt64.self), !readableLogFormats.contains(version) {
                throw LogError.version(found: version)
            }
            try self.init(json: json)
        } catch let error as JSONError {
            throw damaged(error.offset, error.reason)
        } catch let error as MissingMember {
            throw damaged(0, "member '\(error.name)' is missing or of the wrong type")
        } catch let error as LogError {
            throw error
        } catch {
            throw damaged(0, "\(error)")
        }
    }
}

extension Manifest {
    /// A manifest as `json.text()` wrote it, without checksum: how the command line tool hands it to the agent.
    public init(text: String) throws(LogError) {
        do {
            try self.init(json: JSON(parsing: text))
        } catch {
            throw .invalid("manifest: \(error)")
        }
    }
}
