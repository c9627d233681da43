/// Words as a shell takes them back.
import CastorLog

extension SystemString {
    private static let plain = Set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+,./:@%^".utf8)

    /// In single quotes, if it needs any.
    public var quotedForShell: SystemString {
        if !bytes.isEmpty, bytes.allSatisfy(SystemString.plain.contains) { return self }
        let quote = UInt8(ascii: "'")
        let inner = bytes.flatMap { $0 == quote ? Array("'\\''".utf8) : [$0] }
        return SystemString(bytes: [quote] + inner + [quote])
    }
}
