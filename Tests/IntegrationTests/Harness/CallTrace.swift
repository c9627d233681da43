/// What `strace -ff -i` wrote about a recorded program, one file for each thread, and whether a system call went past
/// castor's gate. strace does not see calls that the kernel turned away (they raise SIGSYS before it looks).
import Foundation

struct CallTrace {
    private(set) var violations: [String] = []
    /// Calls after the dispatch was armed.
    private(set) var checked = 0
    /// Programs that armed it.
    private(set) var armed = 0

    private let directory: String
    /// Of the library, as linked.
    private let gate: Range<UInt64>
    private var gates: [pid_t: Range<UInt64>] = [:]
    private var made: [pid_t] = []

    /// Judges the files `trace.PID` in `directory`.
    init(_ directory: String) throws {
        self.directory = directory
        gate = try CallTrace.gateSymbols()
        let names = try FileManager.default.contentsOfDirectory(atPath: directory)
        var rest = Set(names.compactMap { pid_t($0.dropFirst("trace.".count)) })
        // Who was made by nobody is strace's own child: castor. All others come after who made them.
        guard let root = rest.min() else { throw Failure("strace wrote nothing") }
        made = [root]
        while let pid = made.popLast() {
            if rest.remove(pid) != nil { try judge(pid) }
        }
        if !rest.isEmpty { violations.append("made by nobody: \(rest.sorted())") }
    }

    private static func gateSymbols() throws -> Range<UInt64> {
        let library = URL(fileURLWithPath: Repository.castor).deletingLastPathComponent().path + "/libCastorRuntime.so"
        let symbols = try Child(["nm", library]).wait().outputText.split(separator: "\n")
        func value(_ name: String) throws -> UInt64 {
            let line = symbols.first { $0.hasSuffix(" \(name)") }
            guard let value = line.flatMap({ UInt64($0.prefix { $0 != " " }, radix: 16) }) else {
                throw Failure("\(library) has no symbol \(name)")
            }
            return value
        }
        return try value("castor_gate_start")..<(try value("castor_gate_end"))
    }

    private mutating func judge(_ pid: pid_t) throws {
        guard let data = FileManager.default.contents(atPath: "\(directory)/trace.\(pid)") else { return }
        let text = String(decoding: data, as: UTF8.self)
        var now = gates[pid]  // nil: its program has not armed, or never will
        let wasBornArmed = now != nil
        var mustArm: Substring?
        var openedLibrary = false
        var base: UInt64 = 0
        for line in text.split(separator: "\n") {
            // [00007ffff7c58019] getpid() = 7271
            guard line.hasPrefix("["), let end = line.firstIndex(of: "]"),
                let address = UInt64(
                    line[line.index(after: line.startIndex)..<end], radix: 16)
            else { continue }
            let call = line[end...].dropFirst(2)
            if call.hasPrefix("---") || call.hasPrefix("+++") { continue }
            if let range = now {
                checked += 1
                if !range.contains(address) { violations.append("\(pid): \(line)") }
            }
            if ["clone(", "clone3(", "fork(", "vfork("].contains(where: { call.hasPrefix($0) }),
                let child = call.split(separator: " ").last.flatMap({ pid_t($0) }), child > 0
            {
                gates[child] = now
                made.append(child)
            }
            if call.hasPrefix("execve("), call.hasSuffix("= 0") {
                mustArm = now != nil ? call : nil
                now = nil
            } else if now == nil {
                if call.hasPrefix("openat(") { openedLibrary = call.contains("/libCastorRuntime.so\"") }
                if openedLibrary, call.hasPrefix("mmap(NULL, ") {
                    base = call.split(separator: "x").last.flatMap { UInt64($0, radix: 16) } ?? 0
                    openedLibrary = false
                }
                if call.hasPrefix("prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON") {
                    let range = gate.lowerBound + base..<gate.upperBound + base
                    let said = "0x\(String(range.lowerBound, radix: 16)), 0x\(String(range.count, radix: 16)),"
                    if !call.contains(said) || !range.contains(address) {
                        violations.append("\(pid): not its gate (\(said)): \(line)")
                    }
                    now = range
                    mustArm = nil
                    armed += 1
                }
            }
        }
        if wasBornArmed, let mustArm { violations.append("\(pid): never armed: \(mustArm)") }
    }
}
