/// Libraries are found where the loader finds them; ldd is the witness.
import CastorLog
import Foundation
import Testing

@testable import CastorCheck

@Suite struct LoadingTests {
    private let scratch: Scratch

    init() throws { scratch = try Scratch() }

    /// A library `libitem.so` whose function `item` adds atomically, in a directory of its own.
    private func makeLibrary(_ directory: String) throws {
        try scratch.makeDirectory(directory)
        try scratch.compile(
            "int word; int item(void) { return __atomic_fetch_add(&word, 1, 0); }", "\(directory)/libitem.so",
            "-shared", "-fPIC",
            "-Wl,-soname,libitem.so")
    }

    private func makeProgram(_ options: String...) throws -> String {
        try "int item(void); int main(void) { return item(); }"
            .write(toFile: scratch("source.c"), atomically: true, encoding: .utf8)
        try scratch.run(
            "gcc", ["-o", scratch("program"), scratch("source.c"), "-L\(scratch("a"))", "-litem"] + options)
        return scratch("program")
    }

    private func place(_ check: ProgramCheck) -> String? { check.objects.first { $0.name == "libitem.so" }?.path }

    @Test(arguments: ["--enable-new-dtags", "--disable-new-dtags"])
    func runpathAndRpath(_ tags: String) throws {
        try makeLibrary("a")
        try makeLibrary("b")
        let program = try makeProgram("-Wl,\(tags),-rpath,$ORIGIN/a")
        let check = ProgramCheck(path: program)
        #expect(check.verdict == .unlessTheseRace)
        #expect(place(check) == scratch("a/libitem.so"))
        // LD_LIBRARY_PATH comes before RUNPATH, after RPATH.
        let other = ProgramCheck(path: program, environment: ["LD_LIBRARY_PATH": scratch("b")])
        #expect(place(other) == scratch(tags == "--enable-new-dtags" ? "b/libitem.so" : "a/libitem.so"))
    }

    /// A program is where it lies, not where a link to it does.
    @Test func originOfALink() throws {
        try makeLibrary("a")
        let program = try makeProgram("-Wl,-rpath,$ORIGIN/a")
        try scratch.makeDirectory("links")
        try FileManager.default.createSymbolicLink(atPath: scratch("links/program"), withDestinationPath: program)
        #expect(place(ProgramCheck(path: scratch("links/program"))) == scratch("a/libitem.so"))
    }

    @Test func preloadedAndMissing() throws {
        try makeLibrary("a")
        let program = try makeProgram()
        #expect(ProgramCheck(path: program).verdict == .notSupported("libitem.so is missing"))
        let preloaded = ProgramCheck(path: program, environment: ["LD_PRELOAD": scratch("a/libitem.so")])
        #expect(preloaded.verdict == .unlessTheseRace)
    }

    /// As ldd lists them.
    @Test(arguments: ["/usr/bin/redis-server", "/usr/sbin/nginx", "/usr/bin/curl", "/bin/bash"])
    func systemPrograms(_ program: String) throws {
        guard FileManager.default.fileExists(atPath: program) else { return }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/ldd")
        process.arguments = [program]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        let expected = text.split(separator: "\n").compactMap { line -> String? in
            line.split(separator: " ").first { $0.contains("/") }.map { $0.trimmingCharacters(in: .whitespaces) }
        }
        let found = ProgramCheck(path: program).objects.dropFirst().map(\.path)
        func names(_ paths: [String]) -> Set<String> { Set(paths.map { Loading.baseName($0) }) }
        #expect(names(Array(found)) == names(expected))
        #expect(Set(found.filter { !$0.contains("ld-linux") }).isSubset(of: expected))
    }

    @Test func loaderCacheOfForeignBytes() {
        let magic = Array("glibc-ld.so.cache1.1".utf8)
        #expect(LoaderCache.parse([]).isEmpty)
        #expect(LoaderCache.parse(magic).isEmpty)
        #expect(LoaderCache.parse(magic + [UInt8](repeating: 0xff, count: 500)).isEmpty)
    }

    @Test func loaderCacheOneEntry() {
        func word(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
        var bytes = Array("glibc-ld.so.cache1.1".utf8) + word(2) + word(20) + [UInt8](repeating: 0, count: 20)
        let strings = UInt32(48 + 2 * 24)
        bytes += word(0x0303) + word(strings) + word(strings + 5) + word(0) + word(0) + word(0)
        // A variant for newer processors, which is passed over.
        bytes += word(0x0303) + word(strings) + word(strings) + word(0) + word(0) + word(1 << 30)
        bytes += Array("liba\0/x/liba\0".utf8)
        #expect(LoaderCache.parse(bytes) == ["liba": ["/x/liba"]])
    }
}
