import CTSXShim
import Glibc
import Testing

/// The table of the instruction plane is complete, agrees with the kernel's header and with itself.
@Suite struct SyscallTableTests {
    /// First number after the last system call of Linux 6.18.
    static let end = 470
    /// Numbers that x86-64 left out so that new calls have the same number on every architecture.
    static let gap = 337..<424

    struct Row: CustomStringConvertible {
        let number: Int
        let name: String
        let note: String
        let raw: castor_syscall_row
        let arguments: [castor_argument]
        var description: String { "\(number) \(name)" }

        init?(_ number: Int) {
            let raw = castor_syscall_row_at(UInt64(number)).pointee
            guard let name = raw.name else { return nil }
            self.number = number
            self.name = String(cString: name)
            self.note = raw.note.map { String(cString: $0) } ?? ""
            self.raw = raw
            self.arguments = withUnsafeBytes(of: raw.args) {
                Array($0.bindMemory(to: castor_argument.self).prefix(Int(raw.count)))
            }
        }

        func role(_ index: Int) -> UInt8 {
            index < arguments.count ? arguments[index].role : UInt8(CASTOR_ARG_NONE)
        }
    }

    static var rows: [Row] { (0..<Int(CASTOR_SYSCALLS)).compactMap { Row($0) } }

    @Test func everyNumberUpToTheLastIsClassified() {
        for number in 0..<Self.end where !Self.gap.contains(number) {
            #expect(Row(number) != nil, "no row for \(number)")
        }
    }

    @Test func numbersThatDoNotExistHaveNoRow() {
        for number in Array(Self.gap) + Array(Self.end..<Int(CASTOR_SYSCALLS)) {
            #expect(Row(number) == nil, "row for \(number)")
        }
        // What lies beyond the table is answered with its last, empty row.
        #expect(castor_syscall_row_at(UInt64.max).pointee.name == nil)
    }

    @Test func namesAreTheKernels() throws {
        let header = try #require(Self.read("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"))
        var seen = 0
        for line in header.split(separator: "\n") where line.hasPrefix("#define __NR_") {
            let words = line.split(separator: " ")
            guard words.count == 3, let number = Int(words[2]) else { continue }
            #expect(Row(number)?.name == String(words[1].dropFirst("__NR_".count)))
            seen += 1
        }
        #expect(seen > 300, "the header was not understood")
    }

    @Test func limitsAreExplained() {
        for row in Self.rows where row.raw.support != UInt8(CASTOR_SUPPORT_FULL) {
            #expect(!row.note.isEmpty, "\(row)")
        }
    }

    @Test func callsAnsweredWithENOSYSAreNeverReplayed() {
        for row in Self.rows {
            let refused = row.raw.support == UInt8(CASTOR_SUPPORT_ENOSYS)
            #expect(refused == (row.raw.replay == UInt8(CASTOR_REPLAY_NEVER)), "\(row)")
        }
    }

    @Test func ordersHaveAnObject() {
        for row in Self.rows {
            let ordered = row.raw.order != UInt8(CASTOR_ORDER_NONE)
            #expect(ordered == (row.raw.object != UInt8(CASTOR_OBJ_NONE)), "\(row)")
        }
    }

    @Test func descriptorEffectsMatchTheArguments() {
        let fd = UInt8(CASTOR_ARG_FD)
        for row in Self.rows {
            if row.raw.object == UInt8(CASTOR_OBJ_FD0) { #expect(row.role(0) == fd, "\(row)") }
            switch Int(row.raw.descriptors) {
            case Int(CASTOR_FD_DUPS), Int(CASTOR_FD_CLOSES), Int(CASTOR_FD_FCNTL):
                #expect(row.role(0) == fd, "\(row)")
            case Int(CASTOR_FD_PAIR0): #expect(Self.isPair(row, 0), "\(row)")
            case Int(CASTOR_FD_PAIR3): #expect(Self.isPair(row, 3), "\(row)")
            default: break
            }
        }
    }

    @Test func indexesOfOtherArgumentsAreInRange() {
        for row in Self.rows {
            for (index, argument) in row.arguments.enumerated() {
                guard let expected = Self.roleOfAux[Int(argument.role)] else {
                    #expect(argument.aux == 0, "\(row), argument \(index)")
                    continue
                }
                #expect(argument.aux < row.raw.count && Int(argument.aux) != index, "\(row), argument \(index)")
                #expect(Int(row.role(Int(argument.aux))) == expected, "\(row), argument \(index)")
            }
        }
    }

    @Test func fixedSizesAreGiven() {
        let fixed = [CASTOR_ARG_IN_FIXED, CASTOR_ARG_OUT_FIXED, CASTOR_ARG_INOUT_FIXED, CASTOR_ARG_OUT_EINTR]
            .map { UInt8($0) }
        for row in Self.rows {
            for argument in row.arguments where fixed.contains(argument.role) {
                #expect(argument.size > 0, "\(row)")
            }
        }
    }

    /// docs/COVERAGE.md is made from the table by `castor syscalls --markdown`; this finds it left behind.
    @Test func coverageDocumentIsUpToDate() throws {
        let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
        let lines = try #require(Self.read(root + "/docs/COVERAGE.md")).split(separator: "\n")
        let documented = lines.filter { $0.first == "|" && $0.dropFirst(2).first?.isNumber == true }
        #expect(documented.count == Self.rows.count)
        let support = ["full", "partial", "enosys", "unsupported"]
        for (row, line) in zip(Self.rows, documented) {
            #expect(line.hasPrefix("| \(row.number) | `\(row.name)` | \(support[Int(row.raw.support)]) |"))
            #expect(line.hasSuffix("| \(row.note) |"), "\(row)")
        }
    }

    /// Roles that take a length from another argument, and the role that one must have.
    static let roleOfAux: [Int: Int] = {
        var roles: [Int: Int] = [:]
        for role in [
            CASTOR_ARG_IN, CASTOR_ARG_IN_IOV, CASTOR_ARG_IN_MMSG, CASTOR_ARG_OUT_LEN, CASTOR_ARG_OUT_IOV,
            CASTOR_ARG_OUT_MMSG, CASTOR_ARG_INOUT_LEN, CASTOR_ARG_FDSET,
        ] { roles[Int(role)] = Int(CASTOR_ARG_VALUE) }
        roles[Int(CASTOR_ARG_OUT_SOCKLEN)] = Int(CASTOR_ARG_LENGTH)
        return roles
    }()

    static func isPair(_ row: Row, _ index: Int) -> Bool {
        row.role(index) == UInt8(CASTOR_ARG_OUT_FIXED) && row.arguments[index].size == 8
    }

    static func read(_ path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        while case let c = getc(file), c != EOF { bytes.append(UInt8(c)) }
        return String(decoding: bytes, as: UTF8.self)
    }
}
