/// Functions, files and lines of places in object files, as addr2line (binutils) tells them.
import CastorCheck
import Glibc

enum AddressNames {
    static func of(_ places: [SanitizerReport.Place]) -> [SanitizerReport.Place: [String]] {
        var names: [SanitizerReport.Place: [String]] = [:]
        for (file, group) in Dictionary(grouping: Set(places), by: \.file) where file.hasPrefix("/") {
            let offsets = group.map { "0x" + String($0.offset, radix: 16) }
            ask(file, offsets).forEach { names[SanitizerReport.Place(file: file, offset: $0.key)] = $0.value }
        }
        return names
    }

    /// `function file:line` of each, the innermost first where functions were inlined.
    private static func ask(_ file: String, _ offsets: [String]) -> [UInt64: [String]] {
        let quoted = "'" + file.replacing("'", with: "'\\''") + "'"
        guard let pipe = popen("addr2line -afiC -e \(quoted) \(offsets.joined(separator: " ")) 2>/dev/null", "r") else {
            return [:]
        }
        defer { pclose(pipe) }
        var names: [UInt64: [String]] = [:]
        var place: UInt64?
        var function: String?
        var buffer = [CChar](repeating: 0, count: 1 << 16)
        while fgets(&buffer, Int32(buffer.count), pipe) != nil {
            let line = String(
                decoding: buffer.prefix { $0 != 0 && $0 != 10 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            if line.hasPrefix("0x"), let address = UInt64(line.dropFirst(2), radix: 16) {
                (place, function) = (address, nil)
            } else if let known = function, let place {
                function = nil
                let line = line.firstIndex(of: " ").map { String(line[..<$0]) } ?? line  // "(discriminator 1)" may follow
                if known != "??" { names[place, default: []].append(line.hasPrefix("??") ? known : "\(known) \(line)") }
            } else {
                function = line
            }
        }
        return names
    }
}
