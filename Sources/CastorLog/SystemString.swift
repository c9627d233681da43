/// A string of the system: an argument, a path, an environment variable. Any bytes but NUL; usually, not
/// always, UTF-8. In JSON it is a string when it is valid UTF-8, else `{"base64": "…"}`.
public struct SystemString: Hashable, Sendable {
    public var bytes: [UInt8]

    public init(bytes: [UInt8]) { self.bytes = bytes }
    public init(_ string: String) { bytes = Array(string.utf8) }
    public init(cString: UnsafePointer<CChar>) {
        var length = 0
        while cString[length] != 0 { length += 1 }
        bytes = Array(UnsafeRawBufferPointer(start: cString, count: length))
    }

    public var json: JSON {
        if let text = String(validating: bytes, as: UTF8.self) { return .string(text) }
        return .object([JSON.Member("base64", .string(Base64.encode(bytes)))])
    }

    /// nil when the value is neither of the two forms.
    public init?(json: JSON) {
        if let text = json.string {
            self.init(text)
        } else if json.members?.count == 1, let text = json["base64"]?.string, let bytes = Base64.decode(text) {
            self.init(bytes: bytes)
        } else {
            return nil
        }
    }
}

extension SystemString: CustomStringConvertible, ExpressibleByStringLiteral {
    /// For people; bytes that are not UTF-8 are replaced.
    public var description: String { String(decoding: bytes, as: UTF8.self) }
    public init(stringLiteral value: String) { self.init(value) }
}

/// RFC 4648 with padding.
enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    static func encode(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            var word: UInt32 = 0
            for index in 0..<3 { word = word << 8 | UInt32(start + index < group.endIndex ? bytes[start + index] : 0) }
            for index in 0..<4 {
                text.append(
                    index <= group.count ? alphabet[Int(word >> UInt32(18 - 6 * index) & 63)] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    static func decode(_ text: String) -> [UInt8]? {
        let characters = Array(text.utf8)
        guard characters.count % 4 == 0 else { return nil }
        let padding = characters.reversed().prefix { $0 == UInt8(ascii: "=") }.count
        guard padding <= 2 else { return nil }
        var bytes: [UInt8] = []
        var word: UInt32 = 0
        for (index, character) in characters.dropLast(padding).enumerated() {
            guard let digit = alphabet.firstIndex(of: character) else { return nil }
            word = word << 6 | UInt32(digit)
            if index % 4 != 0 { bytes.append(UInt8(truncatingIfNeeded: word >> UInt32(6 - 2 * (index % 4)))) }
        }
        return bytes
    }
}
