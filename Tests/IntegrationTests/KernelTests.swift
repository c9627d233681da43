/// Kernels of the benchmarks (Samples/kernels): every way in which their threads meet replays, in both orders.
import Foundation
import Testing

struct Kernel: CustomTestStringConvertible, Sendable {
    let testDescription: String
    var name: String { String(testDescription.prefix { $0 != " " }) }
    var arguments: [String] { testDescription.split(separator: " ").dropFirst().map(String.init) }

    init(_ words: String) { testDescription = words }

    static let all = [
        Kernel("locks 4 1 20000"), Kernel("locks 4 4 20000"), Kernel("barriers 4 300"), Kernel("queue 4 4000"),
        Kernel("steal 4 11"), Kernel("nbody 4 10"), Kernel("ocean 4 50"), Kernel("idlers 4 96 5000"),
    ]
}

extension Integration {
    @Suite struct KernelTests {
        @Test(arguments: Kernel.all)
        func replaysExactly(_ kernel: Kernel) throws {
            let workspace = try Workspace()
            let program = try Repository.sample("kernels/\(kernel.name)")
            let recording = try Recording.make([program] + kernel.arguments, in: workspace, timeout: 60)
            workspace.expect(recording.outcome.status == 0, "the kernel failed: \(recording.outcome)")
            workspace.expect(recording.outcome.outputText.contains("result "), recording.outcome.outputText)
            recording.expectSame()
        }

        /// None is left out above.
        @Test func kernelsAreFound() throws {
            let sources = try FileManager.default.contentsOfDirectory(atPath: "\(Repository.root)/Samples/kernels")
            let names = Set(sources.filter { $0.hasSuffix(".c") }.map { String($0.dropLast(2)) })
            #expect(names == Set(Kernel.all.map(\.name)))
        }
    }
}
