/// Files that a test makes and compiles.
import Foundation
import Testing

final class Scratch {
    let path: String

    init() throws {
        var template = Array("/tmp/castor-check-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }

    @discardableResult
    func makeDirectory(_ name: String) throws -> String {
        try FileManager.default.createDirectory(atPath: self(name), withIntermediateDirectories: true)
        return self(name)
    }

    /// Compiles C with gcc into the file `name`.
    @discardableResult
    func compile(_ source: String, _ name: String, _ options: String...) throws -> String {
        try source.write(toFile: self("source.c"), atomically: true, encoding: .utf8)
        try run("gcc", ["-O2", "-o", self(name), self("source.c")] + options)
        return self(name)
    }

    func run(_ tool: String, _ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/\(tool)")
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: path)
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "\(tool) \(arguments)")
    }
}
