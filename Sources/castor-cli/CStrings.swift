/// Words for exec: a null-terminated array of C strings, which lives as long as `body` runs.
import CastorLog
import Glibc

func withCStrings<T>(
    _ strings: [SystemString], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> T
) -> T {
    var pointers: [UnsafeMutablePointer<CChar>?] = strings.map { string in
        let copy = malloc(string.bytes.count + 1)!.assumingMemoryBound(to: CChar.self)
        for (i, byte) in string.bytes.enumerated() { copy[i] = CChar(bitPattern: byte) }
        copy[string.bytes.count] = 0
        return copy
    }
    pointers.append(nil)
    defer { for pointer in pointers { free(pointer) } }
    return pointers.withUnsafeMutableBufferPointer { body($0.baseAddress!) }
}
