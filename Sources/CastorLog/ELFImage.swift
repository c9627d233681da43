/// An ELF file's bytes and where things lie in them (System V ABI, 64-bit, little endian). Every offset that the file
/// gives is checked: a file may be cut off or made to mislead, and is then empty in that place.

public struct ELFImage: Sendable {
    public let bytes: [UInt8]
    public let segments: [Segment]
    public let sections: [Section]

    public struct Segment: Sendable {
        public let type: UInt32
        public let flags: UInt32
        public let address: UInt64
        /// In the file; lies within it.
        public let range: Range<Int>

        public static let load: UInt32 = 1
        public static let dynamic: UInt32 = 2
        public static let interpreter: UInt32 = 3
        public static let note: UInt32 = 4
        public static let exceptionFrames: UInt32 = 0x6474_e550
        public static let executable: UInt32 = 1
    }

    public struct Section: Sendable {
        public let name: String
        public let type: UInt32
        public let flags: UInt64
        public let address: UInt64
        /// In the file; lies within it.
        public let range: Range<Int>
        /// Number of the section that this one refers to: a symbol table's strings.
        public let link: Int

        public static let program: UInt32 = 1
        public static let symbols: UInt32 = 2
        public static let dynamicSymbols: UInt32 = 11
        public static let executable: UInt64 = 4
    }

    /// nil for anything but a 64-bit, little-endian ELF file.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count >= 64, bytes.starts(with: [0x7f, 0x45, 0x4c, 0x46, 2, 1]) else { return nil }
        self.bytes = bytes
        segments = ELFImage.segments(bytes)
        sections = ELFImage.sections(bytes)
    }

    /// nil when there is no such file, too.
    public init?(path: String) {
        guard let file = try? ReadableFile(path: path), file.size >= 64, file.size < 1 << 31,
            let head = try? file.bytes(at: 0, count: 6), head.starts(with: [0x7f, 0x45, 0x4c, 0x46, 2, 1]),
            let bytes = try? file.bytes(at: 0, count: Int(file.size))
        else { return nil }
        self.init(bytes)
    }

    /// ET_EXEC is 2, ET_DYN 3.
    public var type: UInt16 { load(16) ?? 0 }
    /// x86-64 is 62.
    public var machine: UInt16 { load(18) ?? 0 }

    /// nil when the value does not lie within the file.
    public func load<T: FixedWidthInteger>(_ at: Int, as type: T.Type = T.self) -> T? { ELFImage.load(bytes, at) }

    /// The NUL-terminated text at an offset of the file; empty when there is none.
    public func text(_ at: Int) -> String { ELFImage.text(bytes, at) }

    /// Where a virtual address lies in the file.
    public func offset(of address: UInt64) -> Int? {
        for segment in segments where segment.type == Segment.load && address >= segment.address {
            let distance = address - segment.address
            if distance < UInt64(segment.range.count) { return segment.range.lowerBound + Int(distance) }
        }
        return nil
    }

    public func segment(_ type: UInt32) -> Segment? { segments.first { $0.type == type } }

    /// The dynamic loader that starts the program; nil for a library or a statically linked program.
    public var interpreter: String? { segment(Segment.interpreter).map { text($0.range.lowerBound) } }

    /// The entries of the dynamic section.
    public var dynamic: [(tag: UInt64, value: UInt64)] {
        guard let range = segment(Segment.dynamic)?.range else { return [] }
        var entries: [(tag: UInt64, value: UInt64)] = []
        for at in stride(from: range.lowerBound, to: range.upperBound, by: 16) {
            guard let tag: UInt64 = load(at), let value: UInt64 = load(at + 8), tag != 0 else { break }
            entries.append((tag, value))
        }
        return entries
    }

    /// The GNU build-id in hexadecimal.
    public var buildID: String? {
        for segment in segments where segment.type == Segment.note {
            var at = segment.range.lowerBound
            while at + 12 <= segment.range.upperBound {
                let word = { Int(load(at + 4 * $0, as: UInt32.self) ?? 0) }
                let name = at + 12
                let description = name + (word(0) + 3) / 4 * 4
                let next = description + (word(1) + 3) / 4 * 4
                guard next <= segment.range.upperBound else { break }
                if word(2) == 3, bytes[name..<name + word(0)].starts(with: Array("GNU\0".utf8)) {
                    return bytes[description..<description + word(1)].map { byte in
                        let text = String(byte, radix: 16)
                        return text.count == 1 ? "0" + text : text
                    }.joined()
                }
                at = next
            }
        }
        return nil
    }

    /// The address of a symbol that the file defines for others.
    public func dynamicSymbol(_ name: String) -> UInt64? {
        for section in sections where section.type == Section.dynamicSymbols && section.link < sections.count {
            let names = sections[section.link].range.lowerBound
            for at in stride(from: section.range.lowerBound, to: section.range.upperBound - 23, by: 24) {
                guard let place: UInt32 = load(at), let home: UInt16 = load(at + 6), home != 0 else { continue }
                if text(names + Int(place)) == name { return load(at + 8) }
            }
        }
        return nil
    }

    // MARK: - Tables

    private static func load<T: FixedWidthInteger>(_ bytes: [UInt8], _ at: Int) -> T? {
        guard at >= 0, at <= bytes.count - MemoryLayout<T>.size else { return nil }
        return bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: at, as: T.self) }
    }

    private static func text(_ bytes: [UInt8], _ at: Int) -> String {
        guard at >= 0, at < bytes.count, let end = bytes[at...].firstIndex(of: 0) else { return "" }
        return String(decoding: bytes[at..<end], as: UTF8.self)
    }

    /// Offset of the table that the file's header names, and of each of its entries.
    private static func table(_ bytes: [UInt8], at: Int, size: Int, count: Int, least: Int) -> [Int] {
        guard let start: UInt64 = load(bytes, at), let size: UInt16 = load(bytes, size),
            let count: UInt16 = load(bytes, count), Int(size) >= least, start > 0, start < bytes.count,
            Int(start) + Int(size) * Int(count) <= bytes.count
        else { return [] }
        return (0..<Int(count)).map { Int(start) + $0 * Int(size) }
    }

    /// Where `size` bytes from `offset` on lie, as far as the file has them.
    private static func range(_ bytes: [UInt8], _ offset: UInt64, _ size: UInt64) -> Range<Int> {
        let start = min(offset, UInt64(bytes.count))
        return Int(start)..<Int(start + min(size, UInt64(bytes.count) - start))
    }

    private static func segments(_ bytes: [UInt8]) -> [Segment] {
        table(bytes, at: 32, size: 54, count: 56, least: 56).compactMap { at in
            guard let type: UInt32 = load(bytes, at), let flags: UInt32 = load(bytes, at + 4),
                let offset: UInt64 = load(bytes, at + 8), let address: UInt64 = load(bytes, at + 16),
                let size: UInt64 = load(bytes, at + 32)
            else { return nil }
            return Segment(type: type, flags: flags, address: address, range: range(bytes, offset, size))
        }
    }

    private static func sections(_ bytes: [UInt8]) -> [Section] {
        let entries = table(bytes, at: 40, size: 58, count: 60, least: 64)
        let number = Int(load(bytes, 62) ?? UInt16(0))
        let names = number < entries.count ? Int(clamping: load(bytes, entries[number] + 24) ?? UInt64(0)) : 0
        return entries.map { at in
            let word = { load(bytes, at + $0) ?? UInt32(0) }
            let long = { load(bytes, at + $0) ?? UInt64(0) }
            // What takes no room in the file (.bss) has an offset all the same.
            let range = word(4) == 8 ? 0..<0 : range(bytes, long(24), long(32))
            return Section(
                name: text(bytes, min(names, bytes.count) + Int(word(0))), type: word(4),
                flags: long(8), address: long(16), range: range, link: Int(word(40)))
        }
    }
}
