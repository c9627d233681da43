import CastorLog
import Foundation
import Testing

@testable import CastorCheck

@Suite struct SanitizerTests {
    private static let race = """
        ==================
        WARNING: ThreadSanitizer: data race (pid=7)
          Write of size 8 at 0x7fff by thread T2:
            #0 0x5555556290f3 (/home/me/ser ver+0xd50f3)
            #1 0x7ffff0000010 (/usr/lib/castor/libCastorRuntime.so+0x10)
            #2 0x555555629200 (/home/me/ser ver+0xd5200)

          Previous write of size 8 at 0x7fff by thread T1:
            #0 0x5555556290f3 (/home/me/ser ver+0xd50f3)

          Location is global '<null>' at 0x000000000000 ([stack]+0x202f0)

        SUMMARY: ThreadSanitizer: data race (/home/me/ser ver+0xd50f3)
        ==================
        ThreadSanitizer: reported 1 warnings
        """

    @Test func reportsAreRead() throws {
        let report = try #require(SanitizerReport(Self.race))
        #expect(report.isRace)
        #expect(report.places.map(\.offset) == [0xd50f3, 0x10, 0xd5200, 0xd50f3])
        #expect(report.places[0].file == "/home/me/ser ver")
        #expect(SanitizerReport("listening on 127.0.0.1:80\n") == nil)
        let other = try #require(SanitizerReport("==7==ERROR: AddressSanitizer: heap-use-after-free on address 0x1\n"))
        #expect(!other.isRace && other.places.isEmpty)
    }

    /// Inlined functions are frames of their own, castor's are none, and what has no name stays a place.
    @Test func namesTakeTheirPlaces() throws {
        let report = try #require(SanitizerReport(Self.race))
        let place = report.places[0]
        #expect(
            report.text([place: ["add counter.c:3", "work worker.c:9"]]) == """
                WARNING: ThreadSanitizer: data race (pid=7)
                  Write of size 8 at 0x7fff by thread T2:
                    #0 add counter.c:3
                    #1 work worker.c:9
                    #2 (/home/me/ser ver+0xd5200)

                  Previous write of size 8 at 0x7fff by thread T1:
                    #0 add counter.c:3
                    #1 work worker.c:9


                SUMMARY: ThreadSanitizer: data race add counter.c:3

                """)
    }

    @Test func namespacesAreKnown() {
        for name in ["_ZN11__sanitizer13internal_openEPKci", "_ZNK6__tsan3FooEv", "_ZN6__asan4initEv"] {
            #expect(SanitizerBuild.isOwn(name))
        }
        // What a program defines for a sanitizer to call is the program's.
        for name in ["__asan_default_options", "main", "_ZN3app11__sanitizerE", "_Z3foov"] {
            #expect(!SanitizerBuild.isOwn(name))
        }
    }

    @Test(arguments: ["address", "thread"]) func buildsAreKnown(_ name: String) throws {
        let scratch = try Scratch()
        let image = try #require(
            ELFImage(path: try scratch.compile("int main(void) { return 0; }", "sanitized", "-fsanitize=\(name)")))
        let build = SanitizerBuild(image)
        #expect(build.kind == (name == "thread" ? .thread : .address))
        #expect(build.library != nil || !build.code.isEmpty)
        let plain = SanitizerBuild(
            try #require(ELFImage(path: try scratch.compile("int main(void) { return 0; }", "plain"))))
        #expect(plain.kind == nil && plain.library == nil && plain.code.isEmpty)
        #expect(plain.entry != 0)
    }
}
