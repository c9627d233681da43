/// A JSON value (RFC 8259) as the manifest and the tools' `--json` output need it: object members keep their
/// order, integers are exact over the whole range of Int64 and UInt64.
public enum JSON: Equatable, Sendable {
    case null
    case bool(Bool)
    /// A number without fraction or exponent.
    case integer(Int128)
    /// Any other number; finite.
    case number(Double)
    case string(String)
    case array([JSON])
    case object([Member])

    public struct Member: Equatable, Sendable {
        public var name: String
        public var value: JSON
        public init(_ name: String, _ value: JSON) {
            self.name = name
            self.value = value
        }
    }

    public init(_ value: some FixedWidthInteger) { self = .integer(Int128(truncatingIfNeeded: value)) }

    /// The member of an object; nil when there is none or this is not an object.
    public subscript(name: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    public var string: String? { if case .string(let value) = self { value } else { nil } }
    public var array: [JSON]? { if case .array(let value) = self { value } else { nil } }
    public var members: [Member]? { if case .object(let value) = self { value } else { nil } }
    public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }

    /// The number, when it is a whole one that fits.
    public func integer<T: FixedWidthInteger>(_ type: T.Type) -> T? {
        if case .integer(let value) = self { T(exactly: value) } else { nil }
    }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByBooleanLiteral {
    public init(stringLiteral value: String) { self = .string(value) }
    public init(arrayLiteral elements: JSON...) { self = .array(elements) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
}

// MARK: - Writing

extension JSON {
    /// The value as UTF-8 text. `indented`: one member or element per line, two spaces a level, where an array
    /// of plain values stays on one line.
    public func text(indented: Bool = false) -> String {
        var result: [UInt8] = []
        write(to: &result, indented: indented, depth: 0)
        return String(decoding: result, as: UTF8.self)
    }

    func write(to text: inout [UInt8], indented: Bool, depth: Int) {
        switch self {
        case .null: text += "null".utf8
        case .bool(let value): text += (value ? "true" : "false").utf8
        case .integer(let value): text += String(value).utf8
        case .number(let value): text += (value.isFinite ? "\(value)" : "null").utf8
        case .string(let value): JSON.quote(value, to: &text)
        case .array(let elements):
            let lines = indented && elements.contains { $0.isContainer }
            JSON.list("[", "]", elements, to: &text, lines: lines, depth: depth) { element, text in
                element.write(to: &text, indented: indented, depth: depth + 1)
            }
        case .object(let members):
            JSON.list("{", "}", members, to: &text, lines: indented, depth: depth) { member, text in
                JSON.quote(member.name, to: &text)
                text += (indented ? ": " : ":").utf8
                member.value.write(to: &text, indented: indented, depth: depth + 1)
            }
        }
    }

    private var isContainer: Bool {
        switch self {
        case .array, .object: true
        default: false
        }
    }

    private static func list<T>(
        _ opening: String, _ closing: String, _ items: [T], to text: inout [UInt8], lines: Bool, depth: Int,
        _ write: (T, inout [UInt8]) -> Void
    ) {
        text += opening.utf8
        for (index, item) in items.enumerated() {
            if index > 0 { text.append(UInt8(ascii: ",")) }
            if lines { newline(depth + 1, to: &text) }
            write(item, &text)
        }
        if lines && !items.isEmpty { newline(depth, to: &text) }
        text += closing.utf8
    }

    private static func newline(_ depth: Int, to text: inout [UInt8]) {
        text.append(UInt8(ascii: "\n"))
        text += repeatElement(UInt8(ascii: " "), count: depth * 2)
    }

    static func quote(_ string: String, to text: inout [UInt8]) {
        let digits = Array("0123456789abcdef".utf8)
        text.append(UInt8(ascii: "\""))
        for byte in string.utf8 {
            switch byte {
            case UInt8(ascii: "\""): text += "\\\"".utf8
            case UInt8(ascii: "\\"): text += "\\\\".utf8
            case UInt8(ascii: "\n"): text += "\\n".utf8
            case UInt8(ascii: "\r"): text += "\\r".utf8
            case UInt8(ascii: "\t"): text += "\\t".utf8
            case 0..<0x20, 0x7f:
                text += "\\u00".utf8
                text.append(digits[Int(byte >> 4)])
                text.append(digits[Int(byte & 15)])
            default: text.append(byte)
            }
        }
        text.append(UInt8(ascii: "\""))
    }
}
