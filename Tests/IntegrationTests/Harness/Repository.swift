/// Where the tests find what they run: the castor of the release build, the guest and sample programs.
import Foundation

enum Repository {
    static let root: String = {
        var path = URL(fileURLWithPath: #filePath)
        for _ in 0..<4 { path.deleteLastPathComponent() }
        return path.path
    }()

    /// The environment variable CASTOR names another build.
    static let castor: String =
        ProcessInfo.processInfo.environment["CASTOR"] ?? "\(root)/.build/release/castor"

    static func guest(_ name: String) throws -> String { try "\(programs.get())/guests/\(name)" }
    /// A guest in the folder of an area, as in `files/vectors`.
    static func areaGuest(_ name: String) throws -> String { try "\(programs.get())/areas/\(name)" }
    static func sample(_ name: String) throws -> String { try "\(programs.get())/samples/\(name)" }
    /// kvload's words for a load that brings kvserver's planted bug out in seconds; its defaults take longer.
    static let crashingLoad = ["-d", "60", "-c", "64", "--keys-per-get", "16"]
    static func guestSource(_ name: String) -> String { "\(root)/Tests/Guests/\(name)" }

    /// The directory in which the guests and samples were built, once per run, as by `make guests samples`. It outlives
    /// the run, because a log that a failure left behind needs the very programs that ran.
    private static let programs = Result {
        try build(["guests", "samples"], from: ["Tests/Guests/build.mk", "Samples/build.mk"])
    }

    /// A guest of the compiler plane, as in `clang-O2/spinlock`.
    static func atomicGuest(_ name: String) throws -> String { try "\(atomics.get())/atomics/\(name)" }

    private static let atomics = Result { try build(["atomics"], from: ["Tests/Guests/atomics/build.mk"]) }

    private static func build(_ goals: [String], from files: [String]) throws -> String {
        guard FileManager.default.isExecutableFile(atPath: castor) else {
            throw Failure("no castor at \(castor): build it (swift build -c release) or set CASTOR")
        }
        let build = "\(root)/.build/artifacts"
        let makefile = """
            BUILD := \(build)
            CASTOR := \(castor)
            CC := gcc
            CXX := g++
            GUESTS_DIR := \(root)/Tests/Guests
            SAMPLES_DIR := \(root)/Samples
            all: programs
            \(files.map { "include \(root)/\($0)" }.joined(separator: "\n"))
            programs: \(goals.joined(separator: " "))
            """
        let result = try Child(["make", "--silent", "--file=-"], input: .bytes(Array(makefile.utf8))).wait()
        guard result.status == 0 else { throw Failure("the guest programs do not build:\n\(result.errorText)") }
        return build
    }
}

/// What the harness itself could not do.
struct Failure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// CASTOR_SOAK=1 runs the full series; without it they are short. CASTOR_PART=2/3 runs the second of three equal parts of the longest,
/// so that several runs, on one machine or on several, can share them; CASTOR_GUESTS=rcu,seqlock those of the named guests alone.
enum Series {
    static let isSoak = ProcessInfo.processInfo.environment["CASTOR_SOAK"] == "1"
    static func count(soak: Int, reduced: Int) -> Int { isSoak ? soak : reduced }

    private static let part: (number: UInt64, of: UInt64)? = {
        guard let text = ProcessInfo.processInfo.environment["CASTOR_PART"] else { return nil }
        let words = text.split(separator: "/").compactMap { UInt64($0) }
        precondition(words.count == 2 && words[0] >= 1 && words[0] <= words[1], "CASTOR_PART=\(text) is no part like 2/3")
        return (words[0] - 1, words[1])
    }()
    private static let guests = ProcessInfo.processInfo.environment["CASTOR_GUESTS"]?.split(separator: ",").map(String.init)
    /// Whether a guest's case belongs to this run's part. Its text alone decides (FNV-1a).
    static func includes(_ text: String, of guest: String) -> Bool {
        if let guests, !guests.contains(guest) { return false }
        guard let part else { return true }
        let hash = text.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        return (hash >> 32) % part.of == part.number
    }
}

/// SplitMix64. Every test draws from the run's seed and its own name, so a test that runs alone draws the same.
struct Random: RandomNumberGenerator {
    /// Printed once; CASTOR_SEED repeats it.
    static let seed: UInt64 = {
        let given = ProcessInfo.processInfo.environment["CASTOR_SEED"].flatMap { UInt64($0) }
        let seed = given ?? UInt64.random(in: 0..<1 << 32)
        print("integration tests: CASTOR_SEED=\(seed)\(Series.isSoak ? " CASTOR_SOAK=1" : "")")
        return seed
    }()

    private var state: UInt64

    init(_ name: String) {
        state = name.utf8.reduce(Random.seed ^ 0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }

    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

    mutating func bytes(_ count: Int) -> Data {
        var words = (0..<(count + 7) / 8).map { _ in next() }
        return Data(bytes: &words, count: count)
    }
}
