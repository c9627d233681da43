/// The linear sweep: from each function's start, one instruction after the other; where bytes are none, one byte on.
import CCapstone

/// Not thread-safe: one disassembler each.
final class Sweep {
    private var handle: csh = 0
    private let instruction: UnsafeMutablePointer<cs_insn>

    /// What an instruction is to the caller.
    enum Event {
        case site(Site)
        /// A call of this address, or through the pointer at this address.
        case call(UInt64)
        case callThrough(UInt64)
        /// Bytes that are no instruction, or one that programs do not have: what lies here is a table.
        case strange(UInt64)
    }

    init() {
        // Only a lack of memory, or a libcapstone without x86, makes these fail.
        guard cs_open(CS_ARCH_X86, CS_MODE_64, &handle) == CS_ERR_OK else { fatalError("libcapstone has no x86") }
        cs_option(handle, CS_OPT_SKIPDATA, Int(CS_OPT_ON.rawValue))
        instruction = cs_malloc(handle)
    }

    deinit {
        cs_free(instruction, 1)
        cs_close(&handle)
    }

    /// Disassembles `code`, which is linked at `address`. Calls are told only if `withCalls`.
    func run(_ code: UnsafeRawBufferPointer, at address: UInt64, withCalls: Bool, _ body: (Event) -> Void) {
        var next = code.bindMemory(to: UInt8.self).baseAddress
        var size = code.count
        var place = address
        while cs_disasm_iter(handle, &next, &size, &place, instruction) {
            let at = instruction.pointee.address
            let length = Int(instruction.pointee.size)
            let id = instruction.pointee.id
            let offset = Int(at - address)
            let bytes = UnsafeRawBufferPointer(rebasing: code[offset..<offset + length])
            if withCalls, let call = Sweep.call(bytes, next: place) {
                body(call)
            } else if let kind = kind(x86_insn(id), bytes) {
                body(.site(Site(kind: kind, address: at, text: text)))
            } else if id == 0 || Sweep.isPrivileged(bytes) {
                body(.strange(at))
            }
        }
    }

    /// `call rel32`, or `call *[rip + disp32]`; `jmp` likewise, which ends a function as a call.
    private static func call(_ bytes: UnsafeRawBufferPointer, next: UInt64) -> Event? {
        let direct = bytes.count == 5 && (bytes[0] == 0xe8 || bytes[0] == 0xe9)
        let indirect =
            bytes.count >= 6 && bytes[bytes.count - 6] == 0xff && [0x15, 0x25].contains(bytes[bytes.count - 5])
        guard direct || indirect else { return nil }
        let distance = bytes.loadUnaligned(fromByteOffset: bytes.count - 4, as: Int32.self)
        let target = next &+ UInt64(bitPattern: Int64(distance))
        return direct ? .call(target) : .callThrough(target)
    }

    private func kind(_ id: x86_insn, _ bytes: UnsafeRawBufferPointer) -> SiteKind? {
        if id.rawValue == 0 { return nil }  // no instruction
        if Sweep.hasPrefix(0xf0, bytes) { return isFence || !writesMemory ? nil : .lock }
        switch id {
        case X86_INS_XCHG: return hasMemoryOperand ? .xchg : nil
        case X86_INS_CMPXCHG, X86_INS_CMPXCHG8B, X86_INS_CMPXCHG16B: return hasMemoryOperand ? .cmpxchg : nil
        case X86_INS_XADD: return hasMemoryOperand ? .xadd : nil
        case X86_INS_XBEGIN: return .xbegin
        case X86_INS_RDTSC, X86_INS_RDTSCP: return .rdtsc
        case X86_INS_RDRAND: return .rdrand
        // libcapstone 4 takes rdpid for rdseed with a prefix.
        case X86_INS_RDSEED: return Sweep.hasPrefix(0xf3, bytes) ? .rdpid : .rdseed
        case X86_INS_CPUID: return .cpuid
        case X86_INS_SYSCALL: return .syscall
        default: return nil
        }
    }

    /// Of the kernel, or of 16-bit times: ports, hlt, cli, sti, far returns, int.
    private static func isPrivileged(_ bytes: UnsafeRawBufferPointer) -> Bool {
        switch bytes[0] {
        case 0x6c...0x6f, 0xe4...0xe7, 0xec...0xef, 0xf4, 0xfa, 0xfb, 0xca, 0xcb, 0xcd, 0xcf, 0xf1: true
        default: false
        }
    }

    /// Prefixes come first, in any order.
    private static func hasPrefix(_ prefix: UInt8, _ bytes: UnsafeRawBufferPointer) -> Bool {
        for byte in bytes {
            if byte == prefix { return true }
            switch byte {
            case 0x26, 0x2e, 0x36, 0x3e, 0x64...0x67, 0xf0, 0xf2, 0xf3, 0x40...0x4f: continue
            default: return false
            }
        }
        return false
    }

    private var hasMemoryOperand: Bool { operands.contains("[") }

    /// Whether the first operand is memory; with others a lock prefix is no instruction, whatever libcapstone says.
    private var writesMemory: Bool { operands.prefix { $0 != "," }.contains("[") }

    /// `lock or [rsp], 0`, as compilers write a full fence: it changes nothing, and nobody else looks there.
    private var isFence: Bool {
        operands.contains("ptr [rsp") && operands.hasSuffix(", 0") && !mnemonic.hasSuffix("xchg")
    }

    private var mnemonic: String { Sweep.string(instruction.pointee.mnemonic) }
    private var operands: String { Sweep.string(instruction.pointee.op_str) }
    private var text: String { operands.isEmpty ? mnemonic : "\(mnemonic) \(operands)" }

    private static func string<T>(_ characters: T) -> String {
        withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            .trimmingTrailingBlanks
    }
}

extension String {
    fileprivate var trimmingTrailingBlanks: String {
        var text = self[...]
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
