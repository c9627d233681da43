/// What is known to do no harm, and what is kept between runs.
import CastorLog
import Foundation
import Testing

@testable import CastorCheck

@Suite struct KnownObjectTests {
    @Test func namesWithVersions() {
        for name in ["libc.so.6", "ld-linux-x86-64.so.2", "libm.so.6", "libcastor.so", "libCastorRuntime.so"] {
            #expect(KnownObject.rows(for: name, answered: []).contains { $0.kinds == nil }, "\(name)")
        }
        for name in ["libcap.so.2", "libcrypt.so.1", "libmine.so", "program", ""] {
            #expect(KnownObject.rows(for: name, answered: []).isEmpty, "\(name)")
        }
    }

    /// libatomic does no harm only where the runtime answers in its place.
    @Test func conditions() {
        #expect(KnownObject.rows(for: "libatomic.so.1", answered: []).isEmpty)
        #expect(!KnownObject.rows(for: "libatomic.so.1", answered: ["__atomic_fetch_add_8"]).isEmpty)
    }
}

@Suite struct SummaryCacheTests {
    private let scratch: Scratch
    private let program: String
    private static let atomic = "int word; int main(void) { return __atomic_fetch_add(&word, 1, 0); }"

    init() throws {
        scratch = try Scratch()
        program = try scratch.compile(Self.atomic, "program")
    }

    private func check() throws -> ProgramCheck {
        ProgramCheck(path: program, cache: try #require(SummaryCache(directory: scratch("cache/castor"))))
    }

    private func kept() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: scratch("cache/castor")).map {
            scratch("cache/castor/\($0)")
        }
    }

    @Test func theSecondTimeSaysTheSame() throws {
        let first = try check()
        let second = try check()
        #expect(first.verdict == .unlessTheseRace && second.verdict == .unlessTheseRace)
        #expect(!first.objects[0].functions.isEmpty && second.objects[0].functions.isEmpty)
        #expect(first.objects.map(\.counts) == second.objects.map(\.counts))
        #expect(first.objects.map(\.path) == second.objects.map(\.path))
    }

    @Test func aChangedFileIsLookedAtAgain() throws {
        _ = try check()
        try scratch.compile("int main(void) { return 0; }", "program")
        #expect(try check().verdict == .exact)
    }

    @Test func damageIsNotBelieved() throws {
        _ = try check()
        for text in ["", "{", "[]", "{\"file\": 1}", String(repeating: "x", count: 100_000)] {
            for file in try kept() { try text.write(toFile: file, atomically: false, encoding: .utf8) }
            #expect(try check().verdict == .unlessTheseRace)
        }
    }

    @Test func whatOthersMayWriteIsNotBelieved() throws {
        _ = try check()
        for file in try kept() {
            let text = try String(contentsOfFile: file, encoding: .utf8)
            try text.replacing("\"lock\":1", with: "\"lock\":7").write(toFile: file, atomically: false, encoding: .utf8)
            #expect(chmod(file, 0o666) == 0)
        }
        #expect(try check().objects[0].counts == [.lock: 1])
        #expect(chmod(scratch("cache/castor"), 0o777) == 0)
        #expect(SummaryCache(directory: scratch("cache/castor")) == nil)
        #expect(SummaryCache(directory: "relative") == nil)
        #expect(SummaryCache(directory: "/proc/castor") == nil)
    }
}
