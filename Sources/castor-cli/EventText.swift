/// One event in words and as JSON: the rows of the tables say what its fields mean.
import CTSXShim
import CastorLog

struct EventText {
    let entry: castor_entry
    let payload: UnsafeRawBufferPointer

    private static let kinds = [
        "none", "syscall", "begin", "symbol", "clock", "signal", "start", "exit", "fatal", "unsupported", "end",
        "cut", "seen", "exec",
        "atomic", "load", "repeat", "value", "poll", "taken", "owned",
    ]
    /// Bytes of a string or a payload that are shown.
    private static let previewLength = 48

    var kind: String {
        Int(entry.kind) < EventText.kinds.count ? EventText.kinds[Int(entry.kind)] : "kind \(entry.kind)"
    }

    /// The call, signal or other thing that the event is about.
    var name: String {
        switch entry.kind {
        case CASTOR_EV_SYSCALL, CASTOR_EV_SYSCALL_BEGIN, CASTOR_EV_CLOCK, CASTOR_EV_UNSUPPORTED:
            EventText.syscallName(entry.nr)
        case CASTOR_EV_SYMBOL: castor_symbol_name(UInt32(entry.nr)).map { String(cString: $0) } ?? "symbol \(entry.nr)"
        case CASTOR_EV_ATOMIC, CASTOR_EV_LOAD: EventText.operationName(entry.nr)
        case CASTOR_EV_SIGNAL, CASTOR_EV_FATAL: SystemNames.signal(Int(entry.nr))
        default: kind
        }
    }

    private var programPath: String { String(decoding: payload.prefix { $0 != 0 }, as: UTF8.self) }

    private static func syscallName(_ number: UInt16) -> String {
        guard UInt32(number) < CASTOR_SYSCALLS else { return "system call \(number)" }
        let name = castor_syscall_row_at(UInt64(number)).pointee.name
        return name.map { String(cString: $0) } ?? "system call \(number)"
    }

    private static let operations = [
        "load", "store", "exchange", "fetch_add", "fetch_sub", "fetch_and", "fetch_or", "fetch_xor", "fetch_nand",
        "fetch_max", "fetch_min", "fetch_umax", "fetch_umin", "compare_exchange", "volatile_load", "volatile_store",
        "region", "plain_store",
    ]
    /// An operation of the compiler plane and its size in bytes: `fetch_add_4`.
    private static func operationName(_ number: UInt16) -> String {
        let operation = Int(number >> 3)
        guard operation < operations.count else { return "operation \(number)" }
        return operation == Int(CASTOR_OP_REGION) ? "region" : operations[operation] + "_\(1 << (number & 7))"
    }

    /// Where the owner of a shard stood: its stream, and how many operations it had done on shards of its own.
    private static func place(_ place: UInt64) -> String {
        "\(place & (1 << UInt64(CASTOR_WORD_BITS) - 1)) by stream \((place >> UInt64(CASTOR_WORD_BITS)) - 1)"
    }

    // MARK: - Words

    /// What happened, without the stream and the order.
    var text: String {
        switch entry.kind {
        case CASTOR_EV_SYSCALL: "\(name)(\(arguments.joined(separator: ", "))) \(outcome)"
        case CASTOR_EV_SYSCALL_BEGIN: "\(name) begins"
        case CASTOR_EV_SYMBOL:
            "\(name)(\(hex(entry.object))) \(outcome)" + (entry.value == 0 ? "" : ", value \(number(entry.value))")
        case CASTOR_EV_CLOCK: "\(name)(\(entry.object)) \(outcome), \(entry.value) \(entry.hash)"
        case CASTOR_EV_SIGNAL: "\(name) is delivered"
        case CASTOR_EV_THREAD_START:
            UInt32(truncatingIfNeeded: entry.value) == .max
                ? "thread \(entry.result) of process \(entry.hash) starts"
                : "thread \(entry.result) of process \(entry.hash) starts, made by stream \(entry.value)"
        case CASTOR_EV_THREAD_EXIT: "the thread ends"
        case CASTOR_EV_FATAL: "dies of \(name) at \(hex(entry.object)), instruction \(hex(entry.value))"
        case CASTOR_EV_UNSUPPORTED:
            entry.nr == .max ? "not supported: \(preview(Array(payload)))" : "not supported: \(name)"
        case CASTOR_EV_END: "the recording ends"
        case CASTOR_EV_EXEC:
            "executes \(programPath)"
                + (entry.flags & CASTOR_UNRECORDED != 0 ? ", unrecorded" : " as stream \(entry.value)")
        case CASTOR_EV_FORK_CUT: "a fork finds the other threads at \(placesFound)"
        case CASTOR_EV_ATOMIC: "\(name)(\(hex(entry.object))) = \(number(UInt64(bitPattern: entry.result)))"
        case CASTOR_EV_LOAD:
            "\(name)(\(hex(entry.object))) = \(number(UInt64(bitPattern: entry.result)))"
                + (entry.value == 0 ? "" : ", after \(EventText.place(entry.value))")
        case CASTOR_EV_TAKEN: "the shard is taken from its owner, after \(EventText.place(entry.value))"
        case CASTOR_EV_OWNED:
            "\(entry.value) operations on shards that the thread owns, then \(entry.object)"
                + (entry.nr == 0 ? "" : ", without the last")
        case CASTOR_EV_REPEAT:
            "\(entry.value) loads repeat the last " + (entry.object == 1 ? "one" : "\(entry.object)")
        case CASTOR_EV_VALUE: "an instruction gave \(hex(UInt64(bitPattern: entry.result)))"
        case CASTOR_EV_POLL: "signals are due at poll \(entry.value)"
        case CASTOR_EV_FORK_SEEN: "another thread has forked"
        default:
            "\(kind) \(entry.nr) object \(hex(entry.object)) hash \(hex(entry.hash)) value \(hex(entry.value)) \(outcome)"
        }
    }

    /// The other threads at a fork as `stream:event`, with a + where the thread was computing.
    private var placesFound: String {
        let size = MemoryLayout<castor_place>.stride
        return (0..<payload.count / size)
            .map { payload.loadUnaligned(fromByteOffset: $0 * size, as: castor_place.self) }
            .filter { $0.stream != .max }
            .map { "\($0.stream):\($0.events)" + ($0.quiet == 0 ? "+" : "") }
            .joined(separator: ", ")
    }

    /// `shard.version`; nil when the event has no order beside its thread's.
    var place: String? { entry.shard == .max ? nil : "\(entry.shard).\(entry.version)" }

    private var outcome: String {
        if entry.flags & CASTOR_STARTED != 0 { return "never returns" }
        if let errno = errnoName { return "= \(errno)" }
        return "= " + (entry.result > 0xffff_ffff ? hex(UInt64(entry.result)) : "\(entry.result)")
    }

    private var errnoName: String? {
        if entry.kind == CASTOR_EV_SYMBOL, name.hasPrefix("pthread_") { return SystemNames.errno(Int(entry.result)) }
        return entry.result < 0 && entry.result > -4096 ? SystemNames.errno(-Int(entry.result)) : nil
    }

    private func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
    private func number(_ value: UInt64) -> String { value < 1 << 20 ? "\(value)" : hex(value) }

    /// In quotes, with escapes, cut at a length.
    private func preview(_ bytes: [UInt8]) -> String {
        var text = "\""
        for byte in bytes.prefix(EventText.previewLength) {
            switch byte {
            case UInt8(ascii: "\""): text += "\\\""
            case UInt8(ascii: "\\"): text += "\\\\"
            case UInt8(ascii: "\n"): text += "\\n"
            case UInt8(ascii: "\r"): text += "\\r"
            case UInt8(ascii: "\t"): text += "\\t"
            case 0x20..<0x7f: text.unicodeScalars.append(Unicode.Scalar(byte))
            default: text += "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }
        return text + (bytes.count > EventText.previewLength ? "\"…" : "\"")
    }

    // MARK: - Arguments

    /// The system call's arguments as far as the event holds them. An event keeps argument 0, a hash of the bytes
    /// that go in mixed with argument 1, and a mix of the other plain arguments: one alone can be shown, `…` stands
    /// for more, `#` for a hash. Then come paths and the bytes that came out, from the payload.
    var arguments: [String] {
        guard UInt32(entry.nr) < CASTOR_SYSCALLS else { return [] }
        let row = castor_syscall_row_at(UInt64(entry.nr)).pointee
        let all = row.args
        let roles = [all.0, all.1, all.2, all.3, all.4, all.5].prefix(Int(row.count)).map(\.role)
        let contents = roles.filter(EventText.isContent).count
        let mixed = roles.indices.filter {
            $0 > 0 && (roles[$0] == CASTOR_ARG_FD || $0 > 1 && roles[$0] == CASTOR_ARG_VALUE)
        }
        var rest = payload[...]
        // Once output of unknown length has come, paths behind it cannot be found.
        var outputsShown = false
        return roles.enumerated().map { index, role in
            if entry.flags & CASTOR_STARTED != 0, index > 0 { return "…" }
            switch role {
            case CASTOR_ARG_FD where index == 0: return "\(Int32(truncatingIfNeeded: entry.object))"
            case CASTOR_ARG_VALUE where index == 0: return number(entry.object)
            case CASTOR_ARG_VALUE where index == 1: return contents == 0 ? number(entry.hash) : "…"
            case CASTOR_ARG_VALUE, CASTOR_ARG_FD:
                if mixed.count > 1 { return "…" }
                return role == CASTOR_ARG_FD ? "\(Int32(truncatingIfNeeded: entry.value))" : number(entry.value)
            case CASTOR_ARG_PATH:
                return outputsShown ? "…" : takePath(&rest) ?? "…"
            case CASTOR_ARG_IGNORE, CASTOR_ARG_LENGTH, CASTOR_ARG_NONE: return "_"
            case _ where EventText.isContent(role): return contents == 1 ? "#\(hex(entry.hash))" : "#…"
            default:
                defer { outputsShown = true }
                return outputsShown || rest.isEmpty ? "_" : preview(Array(rest.prefix(EventText.previewLength + 1)))
            }
        }
    }

    private static func isContent(_ role: UInt8) -> Bool {
        switch role {
        case CASTOR_ARG_PATH, CASTOR_ARG_IN, CASTOR_ARG_IN_FIXED, CASTOR_ARG_IN_IOV, CASTOR_ARG_IN_MSG,
            CASTOR_ARG_IN_MMSG:
            true
        default: false
        }
    }

    /// A length in four bytes, then the string.
    private func takePath(_ rest: inout Slice<UnsafeRawBufferPointer>) -> String? {
        guard rest.count >= 4 else { return nil }
        let length = UnsafeRawBufferPointer(rebasing: rest).loadUnaligned(as: UInt32.self)
        guard Int(length) <= rest.count - 4 else { return nil }
        let text = preview(Array(rest.dropFirst(4).prefix(Int(length))))
        rest = rest.dropFirst(4 + Int(length))
        return text
    }

    // MARK: - JSON

    /// All fields, and what they mean.
    func json(stream: UInt32, index: UInt64) -> JSON {
        var members: [JSON.Member] = [
            .init("stream", JSON(stream)), .init("event", JSON(index)), .init("kind", .string(kind)),
            .init("nr", JSON(entry.nr)), .init("name", .string(name)), .init("result", JSON(entry.result)),
        ]
        if let errno = errnoName { members.append(.init("errno", .string(errno))) }
        if entry.kind == CASTOR_EV_SYSCALL { members.append(.init("arguments", .array(arguments.map(JSON.string)))) }
        if entry.shard != .max {
            members.append(.init("shard", JSON(entry.shard)))
            members.append(.init("version", JSON(entry.version)))
        }
        if entry.stamp != 0 { members.append(.init("stamp", JSON(entry.stamp))) }
        members.append(.init("object", JSON(entry.object)))
        members.append(.init("hash", JSON(entry.hash)))
        members.append(.init("value", JSON(entry.value)))
        members.append(.init("flags", JSON(entry.flags)))
        if !payload.isEmpty {
            members.append(.init("payload", JSON(payload.count)))
            members.append(.init("preview", .string(preview(Array(payload.prefix(EventText.previewLength + 1))))))
        }
        return .object(members)
    }
}
