/// Where an object's functions lie, and what they are called.
import CastorLog

struct Functions {
    private struct Symbol {
        let address: UInt64
        let size: UInt64
        /// Of its name, in the file.
        let name: Int
        let isFunction: Bool
    }

    private let image: ELFImage
    /// Sorted by address, one for each.
    private let symbols: [Symbol]
    /// Code that begins with an instruction.
    struct Piece {
        let start: UInt64
        /// Where it surely ends; `start` when it is not known whether it is code at all.
        fileprivate(set) var end: UInt64
    }

    /// Sorted, each start once: symbols, and what the unwinder knows, also in stripped files. What lies between the end
    /// of one and the next start may be code that nobody describes, or a table.
    let pieces: [Piece]

    init(_ image: ELFImage) {
        self.image = image
        symbols = Functions.symbols(image)
        let known = symbols.map { Piece(start: $0.address, end: $0.address &+ $0.size) } + Functions.unwound(image)
        var pieces: [Piece] = []
        for piece in known.sorted(by: { $0.start < $1.start }) {
            if let last = pieces.last, last.start == piece.start {
                pieces[pieces.count - 1].end = max(last.end, piece.end)
            } else {
                pieces.append(piece)
            }
        }
        self.pieces = pieces
    }

    /// Number of the piece that begins at the address or before; nil before the first.
    func index(of address: UInt64) -> Int? {
        let after = pieces.partitioningIndex { $0.start > address }
        return after > 0 ? after - 1 : nil
    }

    /// `name`; `near name+0x10` if the symbol ends before; else the address.
    func name(of address: UInt64) -> String {
        let hexadecimal = "0x" + String(address, radix: 16)
        let after = symbols.partitioningIndex { $0.address > address }
        guard after > 0 else { return hexadecimal }
        let symbol = symbols[after - 1]
        let name = image.text(symbol.name)
        let distance = address - symbol.address
        if distance < symbol.size || symbol.size == 0 || distance == 0 { return name }
        return "near \(name)+0x\(String(distance, radix: 16))"
    }

    /// Functions by symbols; labels of assembly that are of no type only where no function is.
    private static func symbols(_ image: ELFImage) -> [Symbol] {
        var all: [Symbol] = []
        let executable = image.sections.map { $0.flags & ELFImage.Section.executable != 0 }
        for section in image.sections
        where section.type == ELFImage.Section.symbols || section.type == ELFImage.Section.dynamicSymbols {
            guard section.link < image.sections.count else { continue }
            let names = image.sections[section.link].range.lowerBound
            for at in stride(from: section.range.lowerBound, to: section.range.upperBound - 23, by: 24) {
                guard let name: UInt32 = image.load(at), let info: UInt8 = image.load(at + 4),
                    let home: UInt16 = image.load(at + 6), let address: UInt64 = image.load(at + 8),
                    let size: UInt64 = image.load(at + 16)
                else { break }
                let isFunction = info & 15 == 2 || info & 15 == 10  // STT_FUNC, STT_GNU_IFUNC
                guard isFunction || info & 15 == 0, name != 0, Int(home) < executable.count, executable[Int(home)]
                else {
                    continue
                }
                all.append(Symbol(address: address, size: size, name: names + Int(name), isFunction: isFunction))
            }
        }
        all.sort {
            ($0.address, $0.isFunction ? 0 : 1, $1.size, $0.name) < (
                $1.address, $1.isFunction ? 0 : 1, $0.size, $1.name
            )
        }
        var chosen: [Symbol] = []
        var end: UInt64 = 0
        for symbol in all where chosen.last?.address != symbol.address {
            if !symbol.isFunction, symbol.address < end { continue }
            if symbol.isFunction { end = max(end, symbol.address &+ symbol.size) }
            chosen.append(symbol)
        }
        return chosen
    }

    /// By the sorted table of .eh_frame_hdr (Linux Standard Base, Core, 10.6.2), in the one form that linkers write:
    /// 32-bit offsets from the section itself. The lengths are in the entries that the table leads to.
    private static func unwound(_ image: ELFImage) -> [Piece] {
        guard let segment = image.segment(ELFImage.Segment.exceptionFrames) else { return [] }
        let at = segment.range.lowerBound
        guard let form: UInt32 = image.load(at), form == 0x3b_03_1b_01, let count: UInt32 = image.load(at + 8),
            segment.range.count >= 12, Int(count) <= (segment.range.count - 12) / 8
        else { return [] }
        func address(_ base: UInt64, _ place: Int) -> UInt64? {
            image.load(place, as: Int32.self).map { base &+ UInt64(bitPattern: Int64($0)) }
        }
        return (0..<Int(count)).compactMap { number in
            let row = at + 12 + 8 * number
            guard let start = address(segment.address, row), let entry = address(segment.address, row + 4) else {
                return nil
            }
            // Length, place of the common entry, start (relative to itself), length of the code.
            guard let place = image.offset(of: entry), address(entry &+ 8, place + 8) == start,
                let length: UInt32 = image.load(place + 12)
            else { return Piece(start: start, end: start) }
            return Piece(start: start, end: start &+ UInt64(length))
        }
    }
}
