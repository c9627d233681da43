/// A directory for one test: its inputs, its logs, a store of its own. It goes away with the object unless the test
/// failed.
import Foundation
import Testing

final class Workspace {
    let path: String
    private(set) var isKept = false

    init() throws {
        let parent = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
        var template = Array("\(parent)/castor-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Failure("no temporary directory in \(parent): errno \(errno)") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        if !isKept { try? FileManager.default.removeItem(atPath: path) }
    }

    /// The path of a file or directory in it.
    func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }

    @discardableResult
    func makeDirectory(_ name: String) throws -> String {
        try FileManager.default.createDirectory(atPath: self(name), withIntermediateDirectories: true)
        return self(name)
    }

    @discardableResult
    func write(_ name: String, _ bytes: Data) throws -> String {
        guard FileManager.default.createFile(atPath: self(name), contents: bytes) else {
            throw Failure("cannot write \(self(name))")
        }
        return self(name)
    }

    func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: self(name)) }

    /// castor, with this directory as the user's store and cache.
    func castor(_ words: String..., input: Child.Input = .null, timeout: Double = 120) throws -> Outcome {
        try castor(words, input: input, timeout: timeout)
    }

    func castor(_ words: [String], input: Child.Input = .null, timeout: Double = 120) throws -> Outcome {
        try keptOnError { try startCastor(words, input: input).wait(timeout: timeout) }
    }

    func keptOnError<T>(_ body: () throws -> T) throws -> T {
        do { return try body() } catch {
            isKept = true
            throw error
        }
    }

    func startCastor(
        _ words: [String], input: Child.Input = .null, environment: [String: String?] = [:], directory: String? = nil,
        wrapper: [String] = []
    ) throws -> Child {
        let own: [String: String?] = ["XDG_DATA_HOME": self("data"), "XDG_CACHE_HOME": self("cache")]
        return try Child(
            wrapper + [Repository.castor] + words, input: input, environment: own.merging(environment) { $1 },
            directory: directory ?? path)
    }

    /// As `#expect`, and keeps the directory for a look at it.
    func expect(
        _ condition: Bool, _ message: @autoclosure () -> String, _ location: SourceLocation = #_sourceLocation
    ) {
        if !condition { fail(message(), location) }
    }

    func fail(_ message: String, _ location: SourceLocation = #_sourceLocation) {
        isKept = true
        Issue.record("\(message)\nkept: \(path)", sourceLocation: location)
    }
}
