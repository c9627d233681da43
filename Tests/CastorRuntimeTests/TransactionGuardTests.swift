/// Transactional memory is never assumed: XBEGIN ends a process on a machine without it.
import CTSXGate
import CTSXShim
import Foundation
import Testing

@Suite struct TransactionGuardTests {
    /// The kernel leaves RTM out of its list of features where it made it abort for good.
    static let announced =
        (readWhole("/proc/cpuinfo") ?? "").split(separator: "\n")
        .first { $0.hasPrefix("flags") }?.split(separator: " ").contains("rtm") ?? false

    @Test func theProcessorIsAskedFirst() {
        if !Self.announced { #expect(castor_cpu_has_rtm() == 0) }
        if castor_cpu_has_rtm() == 0 { #expect(castor_rtm_self_test() == 0) }
    }

    /// The word that lets transactions be used is set by the self-test at the start of a recorded program, by nobody else.
    @Test func dormantProcessesUseNone() { #expect(castor_process_now().pointee.has_rtm == 0) }

    @Test func theInstructionsStandInOnePlace() throws {
        let sources = "\(Library.root)/Sources"
        let files = try #require(FileManager.default.enumerator(atPath: sources)).compactMap { $0 as? String }
        var found: [String] = []
        for file in files where [".c", ".h", ".S", ".swift", ".def"].contains(where: file.hasSuffix) {
            let text = try String(contentsOfFile: "\(sources)/\(file)", encoding: .utf8)
            if text.contains("\"xbegin") || text.contains(" xbegin ") || text.contains("_xbegin(") {
                found.append(file)
            }
        }
        #expect(found == ["CTSXShim/tsx.c"])
    }

    /// Not even inlining brings them anywhere else.
    @Test(.enabled(if: Library.exists)) func theLibraryHasThemInOnePlace() {
        let users = Library.functions().filter { $0.value.contains { $0.hasPrefix("xbegin") } }.map(\.key)
        #expect(users.allSatisfy { $0.contains("rtm") }, "\(users.sorted())")
    }
}
