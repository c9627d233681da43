/// Checksums of the log: XXH3-64 with seed 0.
import CZstd

package func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt64 { XXH3_64bits(bytes.baseAddress, bytes.count) }
package func checksum(_ bytes: [UInt8]) -> UInt64 { bytes.withUnsafeBytes { checksum($0) } }

/// Sixteen lower-case digits.
func hexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
}

/// Of both parts, one after the other.
package func checksum(_ first: [UInt8], _ second: UnsafeRawBufferPointer) -> UInt64 {
    if first.isEmpty { return checksum(second) }
    let state = XXH3_createState()!
    defer { XXH3_freeState(state) }
    XXH3_64bits_reset(state)
    _ = first.withUnsafeBytes { XXH3_64bits_update(state, $0.baseAddress, $0.count) }
    XXH3_64bits_update(state, second.baseAddress, second.count)
    return XXH3_64bits_digest(state)
}
