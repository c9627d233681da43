/// What a sanitizer wrote about the program that it ended. In a replay it names no functions itself, for it would start
/// another program for that; it writes where they are, in this form:
///
///         #0 0x5555556290f3 (/path/of/the/program+0xd50f3)

public struct SanitizerReport: Sendable, Equatable {
    /// A place in an object file.
    public struct Place: Hashable, Sendable {
        public let file: String
        public let offset: UInt64
        public init(file: String, offset: UInt64) {
            self.file = file
            self.offset = offset
        }
    }

    /// As an option of the sanitizer.
    public static let format = "stack_trace_format='    #%n %p (%m+%o)'"

    public let lines: [String]

    /// The first report in the text, without the rulers around it.
    public init?(_ text: String) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard let start = lines.firstIndex(where: { $0.contains("Sanitizer: ") || $0.contains("Sanitizer:DEADLY") })
        else {
            return nil
        }
        let rest = lines[start...]
        let end = rest.firstIndex { $0.allSatisfy { $0 == "=" } && $0.count > 10 } ?? rest.endIndex
        self.lines = Array(rest[..<end])
    }

    public var isRace: Bool { lines.contains { $0.contains("ThreadSanitizer: ") && $0.contains("race") } }

    /// Every place that it names.
    public var places: [Place] { lines.compactMap { SanitizerReport.frame($0)?.place } }

    /// With functions in the place of places, where they are known: the innermost first, where one was inlined. Castor's own
    /// are left out.
    public func text(_ names: [Place: [String]]) -> String {
        var result: [String] = []
        var top: String?
        var number = 0
        for line in lines {
            if let (level, place) = SanitizerReport.frame(line) {
                if level == 0 { number = 0 }
                if place.file.hasSuffix("/libCastorRuntime.so") { continue }
                let unknown = "(\(place.file)+0x\(String(place.offset, radix: 16)))"
                for name in names[place] ?? [unknown] {
                    if top == nil { top = name }
                    result.append("    #\(number) \(name)")
                    number += 1
                }
            } else if line.contains("Location is global '<null>'") {  // it names no variables either
                continue
            } else if line.hasPrefix("SUMMARY: "), let top, let open = line.firstIndex(of: "(") {
                result.append(line[..<open] + top)
            } else {
                result.append(line)
            }
        }
        while result.last?.isEmpty == true { result.removeLast() }
        return result.joined(separator: "\n") + "\n"
    }

    /// A line of a stack.
    static func frame(_ line: String) -> (level: Int, place: Place)? {
        let words = line.split(separator: " ", maxSplits: 2)
        guard words.count == 3, words[0].hasPrefix("#"), let level = Int(words[0].dropFirst()),
            words[1].hasPrefix("0x"), words[2].hasPrefix("("), let end = words[2].lastIndex(of: ")"),
            let plus = words[2][..<end].lastIndex(of: "+"), words[2][plus..<end].hasPrefix("+0x"),
            let offset = UInt64(words[2][plus..<end].dropFirst(3), radix: 16)
        else { return nil }
        let file = String(words[2][words[2].index(after: words[2].startIndex)..<plus])
        return (level, Place(file: file, offset: offset))
    }
}
