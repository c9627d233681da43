/// Parallel compressors: threads that hand blocks to each other, and output whose bytes depend on every input byte.
import Foundation
import Testing

struct Compressor: CustomTestStringConvertible, Sendable {
    let words: [String]
    var testDescription: String { words[0] }

    static let all = [
        Compressor(words: ["pigz", "-p", "4", "-c"]),
        Compressor(words: ["pbzip2", "-p4", "-c"]),
        // Its own choice of blocks would be larger than the short series' file: one block, one thread.
        Compressor(words: ["xz", "-T4", "-3", "--block-size=4MiB", "-c"]),
        Compressor(words: ["zstd", "-q", "-T4", "-c"]),
    ]
}

enum Mixture {
    /// Text, records, noise and holes in turn, in pieces of 64 KiB.
    static func bytes(_ count: Int, _ name: String) -> Data {
        var random = Random(name)
        var result = Data(capacity: count + 1 << 16)
        let words = (0..<500).map { _ in String(random.next() >> UInt64(random.below(50)), radix: 36) }
        let pages = (0..<64).map { _ in
            Data((0..<400).map { _ in words[min(random.below(500), random.below(500))] }.joined(separator: " ").utf8)
        }
        while result.count < count {
            let end = result.count + 1 << 16
            let kind = random.below(4)
            while result.count < end {
                switch kind {
                case 0: result.append(pages[random.below(64)])
                case 1: result.append(Data(String(repeating: "record \(random.below(10_000));", count: 20).utf8))
                case 2: result.append(random.bytes(4096))
                default: result.append(Data(count: 4096))
                }
            }
        }
        return result.prefix(count)
    }
}

extension Integration {
    @Suite struct CompressorTests {
        @Test(arguments: Compressor.all)
        func compressesTheSameAgain(_ compressor: Compressor) throws {
            let workspace = try Workspace()
            let size = Series.count(soak: 100, reduced: 20) << 20
            let input = Mixture.bytes(size, "mixture")
            try workspace.write("input", input)
            let recording = try Recording.make(compressor.words + [workspace("input")], in: workspace)
            workspace.expect(recording.outcome.status == 0, "status \(recording.outcome.status)")
            let unpacked = try Child(
                [compressor.words[0], "-dc"],
                input: .file(
                    try workspace.write("packed", recording.outcome.output))
            ).wait()
            workspace.expect(
                unpacked.status == 0 && unpacked.output == input, "what was recorded is not the file, packed")
            try workspace.remove("packed")
            try workspace.remove("input")
            recording.expectSame()
        }
    }
}
