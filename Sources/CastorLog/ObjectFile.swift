/// ELF files as a recording names them: what the program was built from, and whether a file is still that.
import CZstd
import Glibc

public enum ObjectFile {
    /// The GNU build-id in hexadecimal, or `xxh3:` and a hash of the whole file when it has none. nil when the file
    /// cannot be read.
    public static func buildID(path: String) -> String? {
        guard let file = try? ReadableFile(path: path), file.size > 0,
            let bytes = try? file.bytes(at: 0, count: Int(min(file.size, 1 << 31)))
        else { return nil }
        return ELFImage(bytes)?.buildID ?? "xxh3:" + hexadecimal(checksum(bytes))
    }

    /// Class of an ELF file: 1 for 32 bits, 2 for 64; nil for anything else.
    public static func elfClass(path: String) -> UInt8? {
        guard let file = try? ReadableFile(path: path), file.size >= 64, let head = try? file.bytes(at: 0, count: 64),
            head.starts(with: [0x7f, 0x45, 0x4c, 0x46])
        else { return nil }
        return head[4]
    }

    /// For a script: the absolute path of the object file that runs it, then the words that interpreter lines (there may be
    /// scripts that are run by scripts) put before the script's own path. Empty for anything else.
    public static func interpreterLine(path: String) -> [String] {
        var words: [String] = []
        var file = path
        for _ in 0..<4 {
            guard let script = try? ReadableFile(path: file), script.size > 2,
                let head = try? script.bytes(at: 0, count: Int(min(script.size, 256))),
                head.starts(with: [UInt8(ascii: "#"), UInt8(ascii: "!")])
            else { break }
            let line = String(decoding: head.dropFirst(2).prefix { $0 != 10 }, as: UTF8.self)
            let parts = line.drop { $0 == " " || $0 == "\t" }.split(maxSplits: 1) { $0 == " " || $0 == "\t" }
            guard let interpreter = parts.first else { break }
            var argument = parts.count > 1 ? parts[1].drop { $0 == " " || $0 == "\t" } : ""
            while argument.last == " " || argument.last == "\t" { argument.removeLast() }
            words = [String(interpreter)] + (argument.isEmpty ? [] : [String(argument)]) + words
            file = String(interpreter)
        }
        guard !words.isEmpty, let real = realpath(file, nil) else { return [] }
        defer { free(real) }
        return [String(cString: real)] + words
    }

    /// Whether an ELF file names a program interpreter, that is, is started by the dynamic loader.
    public static func isDynamic(path: String) -> Bool {
        guard let file = try? ReadableFile(path: path),
            let head = try? file.bytes(at: 0, count: Int(min(file.size, 65536)))
        else { return false }
        return ELFImage(head)?.segment(ELFImage.Segment.interpreter) != nil
    }
}
