/// Object files: compiled samples, stripped ones, instrumented ones, and bytes that only look like an object.
import CastorLog
import Foundation
import Testing

@testable import CastorCheck

@Suite struct ObjectTests {
    private let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private static let counter = """
        #include <x86intrin.h>
        long counter;
        __attribute__((noinline)) void add(void) { __atomic_fetch_add(&counter, 2, __ATOMIC_SEQ_CST); }
        __attribute__((noinline)) void store(long v) { __atomic_store_n(&counter, v, __ATOMIC_SEQ_CST); }
        __attribute__((noinline)) long now(void) { return (long)__rdtsc(); }
        __attribute__((noinline)) void fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
        int main(void) { add(); store(3); fence(); return now() == counter; }
        """

    private func analysis(_ path: String) throws -> ObjectAnalysis {
        let image = try #require(ELFImage(path: path))
        return ObjectAnalysis(image, loading: Loading(image))
    }

    @Test func functionsAreNamed() throws {
        let found = try analysis(scratch.compile(Self.counter, "counter"))
        #expect(!found.isInstrumented)
        #expect(found.counts == [.lock: 1, .xchg: 1, .rdtsc: 1])
        #expect(Set(found.functions.map(\.name)) == ["add", "store", "now"])
    }

    /// The unwinder's table still tells the functions apart.
    @Test func strippedFunctionsHaveAddresses() throws {
        let found = try analysis(scratch.compile(Self.counter, "counter", "-s"))
        #expect(found.counts == [.lock: 1, .xchg: 1, .rdtsc: 1])
        #expect(Set(found.functions.map(\.name)).count == 3)
        #expect(found.functions.allSatisfy { $0.name.hasPrefix("0x") || $0.name.hasPrefix("near ") })
    }

    /// A file that has lost its sections, or all that says where functions are.
    @Test func withoutSectionsAndUnwindingTables() throws {
        let path = try scratch.compile(Self.counter, "bare", "-s", "-fno-asynchronous-unwind-tables")
        #expect(try analysis(path).counts == [.lock: 1, .xchg: 1, .rdtsc: 1])
        var bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
        for at in Array(40..<48) + [60, 61, 62, 63] { bytes[at] = 0 }
        let image = try #require(ELFImage(bytes))
        #expect(image.sections.isEmpty)
        #expect(ObjectAnalysis(image, loading: Loading(image)).counts == [.lock: 1, .xchg: 1, .rdtsc: 1])
    }

    /// A table among the code is none, whatever instructions its bytes would be.
    @Test func tablesAreNoCode() throws {
        let table = (0..<64).map { ["0xf0, 0x0f, 0xc1, 0x07, 0x06", "0x87, 0x07, 0x0e, 0xea, 0x27"][$0 % 2] }
        let found = try analysis(
            scratch.compile(
                "asm(\".text\\n.byte \(table.joined(separator: ", "))\\n\"); int main(void) { return 0; }", "table"))
        #expect(found.counts == [:])
    }

    @Test func assemblyWithoutTypesIsNamed() throws {
        let found = try analysis(
            scratch.compile(
                "asm(\".text\\n.globl bump\\nbump: lock incl (%rdi)\\nret\\n\"); int main(void) { return 0; }", "label")
        )
        #expect(found.functions.map(\.name) == ["bump"])
    }

    /// Regions and values keep their instructions; what is beside them is a gap.
    @Test(arguments: [[], ["-fno-plt"], ["-Wl,-z,now"], ["-fcf-protection"]])
    func instrumentedCode(_ options: [String]) throws {
        try scratch.compile(
            """
            void __castor_region_begin(void *p) {} void __castor_region_end(void *p) {}
            unsigned long __castor_value(unsigned long v) { return v; }
            """, "libcastor.so", "-shared", "-fPIC")
        let source = """
            void __castor_region_begin(void *p); void __castor_region_end(void *p);
            unsigned long __castor_value(unsigned long v);
            long word;
            __attribute__((noinline)) void region(void) {
                __castor_region_begin(&word); asm volatile("lock incq %0" : "+m"(word)); __castor_region_end(&word); }
            __attribute__((noinline)) long value(void) {
                unsigned a, d; asm volatile("rdtsc" : "=a"(a), "=d"(d)); return __castor_value(a) + __castor_value(d); }
            __attribute__((noinline)) void gap(void) { asm volatile("lock incq %0" : "+m"(word)); }
            int main(void) { region(); gap(); return value() == 3; }
            """
        try source.write(toFile: scratch("source.c"), atomically: true, encoding: .utf8)
        try scratch.run(
            "gcc",
            ["-O2", "-o", scratch("program"), scratch("source.c")] + options + [
                "-L.", "-lcastor", "-Wl,-rpath,$ORIGIN",
            ])
        let found = try analysis(scratch("program"))
        #expect(found.isInstrumented)
        #expect(found.functions.map(\.name) == ["gap"])
    }

    /// Cut off anywhere, or with a byte changed in its headers, a file is read without harm.
    @Test func damagedFiles() throws {
        let whole = Array(try Data(contentsOf: URL(fileURLWithPath: scratch.compile(Self.counter, "counter"))))
        func read(_ bytes: [UInt8]) {
            guard let image = ELFImage(bytes) else { return }
            _ = image.buildID
            _ = ObjectAnalysis(image, loading: Loading(image))
        }
        for length in stride(from: 0, to: whole.count, by: 611) { read(Array(whole[..<length])) }
        let headers = Array(0..<64 + 14 * 56) + Array(whole.count - 31 * 64..<whole.count)
        for (number, at) in headers.enumerated() where number % 4 == 0 || number < 64 {
            var bytes = whole
            bytes[at] = [0xff, 0x7f, whole[at] ^ 1][number % 3]
            read(bytes)
            // The highest byte of a number in a header.
            bytes = whole
            bytes[min(at | 7, whole.count - 1)] = 0x7f
            read(bytes)
        }
    }

    @Test func otherFiles() {
        for path in ["/etc/passwd", "/", "/nowhere", "/dev/null"] {
            #expect(ELFImage(path: path) == nil)
            #expect(ProgramCheck(path: path).verdict == .notSupported("it is not a program for x86-64"))
        }
    }
}
