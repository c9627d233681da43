/// Bytes that may belong to an instruction that `castor check` looks for. Disassembling is slow and most functions have
/// none of these bytes; only those that have some are disassembled. Nothing that is looked for may be missed here, and
/// what is found is not yet an instruction.

enum Candidates {
    private static let interesting: UInt8 = 1
    private static let first: [UInt8] = table { [0x0f, 0x86, 0x87, 0xc7, 0xf0].contains($0) }
    /// What may come after a lock prefix: other prefixes, and opcodes that can be locked.
    private static let locked: [UInt8] = table { byte in
        switch byte {
        case 0x26, 0x2e, 0x36, 0x3e, 0x64...0x67, 0xf2, 0xf3, 0x40...0x4f: true
        case 0x00...0x3f: byte & 6 == 0 || byte == 0x0f
        case 0x80...0x83, 0x86, 0x87, 0xf6, 0xf7, 0xfe, 0xff: true
        default: false
        }
    }

    private static func table(_ contains: (UInt8) -> Bool) -> [UInt8] {
        (0...255).map { contains($0) ? interesting : 0 }
    }

    /// Index of the next candidate from `start` on. The bytes after it decide, as far as there are any.
    static func next(in code: UnsafeRawBufferPointer, from start: Int) -> Int? {
        first.withUnsafeBufferPointer { first in
            locked.withUnsafeBufferPointer { locked in
                var i = start
                let end = code.count - 1
                while i < end {
                    let byte = code[i]
                    if first[Int(byte)] != 0 {
                        let second = code[i + 1]
                        switch byte {
                        case 0xf0: if locked[Int(second)] != 0 { return i }
                        case 0x86, 0x87: if second < 0xc0 { return i }
                        case 0xc7: if second == 0xf8 { return i }
                        default: if isTwoByteOpcode(second, third: i + 2 < code.count ? code[i + 2] : nil) { return i }
                        }
                    }
                    i += 1
                }
                return nil
            }
        }
    }

    /// After 0F: syscall, rdtsc, cpuid, rdtscp, cmpxchg and xadd with memory, and the group of rdrand and cmpxchg8b.
    private static func isTwoByteOpcode(_ second: UInt8, third: UInt8?) -> Bool {
        switch second {
        case 0x05, 0x31, 0xa2: true
        case 0x01: third == 0xf9
        case 0xb0, 0xb1, 0xc0, 0xc1: (third ?? 0xc0) < 0xc0
        case 0xc7: third.map { $0 >= 0xf0 || ($0 < 0xc0 && $0 & 0x38 == 8) } ?? false
        default: false
        }
    }
}
