/// Response files: `@file` on a compiler's command line stands for the words in the file. The compiler reads them itself;
/// castor only needs to know what they say.
import CastorLog

enum ResponseFile {
    /// A file that names itself ends here.
    private static let depth = 16

    /// `words` with each `@file` that `read` finds replaced by what it holds. One that is not found is a file's name.
    static func expanded(
        _ words: [SystemString], read: (SystemString) -> [UInt8]?, depth: Int = depth
    ) -> [SystemString] {
        words.flatMap { word -> [SystemString] in
            guard depth > 0, word.bytes.first == UInt8(ascii: "@"),
                let bytes = read(SystemString(bytes: Array(word.bytes.dropFirst())))
            else { return [word] }
            return expanded(Self.words(in: bytes), read: read, depth: depth - 1)
        }
    }

    /// Words as the drivers of gcc and clang take them: apart by white space, quoted by either quote, with a backslash
    /// before any character.
    static func words(in bytes: [UInt8]) -> [SystemString] {
        var words: [SystemString] = []
        var word: [UInt8]?
        var quote: UInt8?
        var rest = bytes[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "\\"):
                word = (word ?? []) + rest.prefix(1)
                rest = rest.dropFirst()
            case quote: quote = nil
            case UInt8(ascii: "'") where quote == nil, UInt8(ascii: "\"") where quote == nil:
                quote = byte
                word = word ?? []
            case UInt8(ascii: " ") where quote == nil, 9...13 where quote == nil:
                if let ended = word { words.append(SystemString(bytes: ended)) }
                word = nil
            default: word = (word ?? []) + [byte]
            }
        }
        return words + (word.map { [SystemString(bytes: $0)] } ?? [])
    }
}
