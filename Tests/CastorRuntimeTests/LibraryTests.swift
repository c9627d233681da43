/// The library as it is built: what it needs, what it offers, and that the path of an event keeps to itself — general
/// registers only, nothing of libc. Reads `.build/release/libCastorRuntime.so`, or the one that CASTOR_RUNTIME names.
import Foundation
import Testing

enum Library {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path
    static let path =
        ProcessInfo.processInfo.environment["CASTOR_RUNTIME"] ?? "\(root)/.build/release/libCastorRuntime.so"
    static let exists = FileManager.default.fileExists(atPath: path)

    /// What a tool of binutils prints.
    static func output(_ command: String, _ file: String = path) -> [Substring] {
        guard let pipe = popen("\(command) '\(file)'", "r") else { return [] }
        defer { pclose(pipe) }
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while case let n = fread(&buffer, 1, buffer.count, pipe), n > 0 { text += buffer[0..<n] }
        return String(decoding: text, as: UTF8.self).split(separator: "\n")
    }

    /// Symbols without their versions.
    static func dynamicSymbols(_ kind: String) -> Set<String> {
        Set(
            output("nm -D \(kind)").compactMap {
                $0.split(separator: " ").last?.split(separator: "@").first.map(String.init)
            })
    }

    /// The names in castor.map, which has one anonymous node.
    static func mapNames() throws -> Set<String> {
        let text = try String(contentsOfFile: "\(root)/Sources/CTSXShim/Interpose/castor.map", encoding: .utf8)
        let code = text.split(separator: "\n").map { $0.prefix { $0 != "#" } }.joined(separator: " ")
        let global = code.components(separatedBy: "global:")[1].components(separatedBy: "local:")[0]
        return Set(global.split { $0 == ";" || $0.isWhitespace }.map(String.init))
    }

    /// Every function with its instructions, without the padding behind it.
    static func functions() -> [String: [Substring]] {
        var all: [String: [Substring]] = [:]
        var current = ""
        for line in output("objdump -d --no-show-raw-insn") {
            if line.hasSuffix(">:"), let open = line.firstIndex(of: "<") {
                current = String(line[line.index(after: open)...].dropLast(2))
            } else if let tab = line.firstIndex(of: "\t") {
                let instruction = line[line.index(after: tab)...]
                if instruction != "int3", !instruction.hasPrefix("nop") {
                    all[current, default: []].append(instruction)
                }
            }
        }
        return all
    }

    /// The function that a direct call or jump leads to, if it is one.
    static func target(_ instruction: Substring) -> String? {
        let words = instruction.split(separator: " ", omittingEmptySubsequences: true)
        guard words.count >= 3, words[0] == "call" || words[0].hasPrefix("j"), words[2].hasPrefix("<") else {
            return nil
        }
        return String(words[2].dropFirst().prefix { $0 != ">" && $0 != "+" })
    }
}

@Suite(.enabled(if: Library.exists, "there is no release build (swift build -c release)"))
struct LibraryTests {
    /// Everything the library takes from libc and libgcc. Each is for a moment when a thread is the program's anyway
    /// (a wrapper, the constructor); a new name here needs a reason.
    static let undefined: Set<String> = [
        // the real functions behind the wrappers
        "dladdr1", "dlsym", "dlvsym", "_dl_find_object",
        // threads: attributes, cancellation, unwinding through wrappers
        "pthread_attr_getdetachstate", "pthread_attr_getguardsize", "pthread_attr_getstack",
        "pthread_attr_getstacksize", "pthread_attr_setguardsize",
        "pthread_attr_init", "pthread_getcpuclockid", "pthread_attr_setdetachstate", "pthread_attr_setstack", "pthread_self",
        "pthread_testcancel",
        "_Unwind_Resume", "__gcc_personality_v0", "backtrace",
        // streams: what the ordered calls stand in for or look at
        "_IO_list_all", "_IO_list_lock", "_IO_list_unlock", "__overflow", "stderr", "stdin", "stdout", "uselocale",
        "mbrtowc", "vasprintf", "waitpid",
        // a fortified function's end
        "__chk_fail",
        // castor_printf
        "vsnprintf",
        "__errno_location", "abort", "exit", "syscall",
        // the C start files
        "_ITM_deregisterTMCloneTable", "_ITM_registerTMCloneTable", "__cxa_finalize", "__gmon_start__",
    ]

    @Test func itTakesLittleFromOutside() {
        let found = Library.dynamicSymbols("--undefined-only")
        #expect(!found.isEmpty)
        #expect(found.subtracting(Self.undefined).sorted() == [])
    }

    @Test func itNeedsOnlyLibc() {
        let needed = Library.output("readelf -d").filter { $0.contains("(NEEDED)") }
            .compactMap { $0.split { $0 == "[" || $0 == "]" }.last.map(String.init) }
        #expect(needed.sorted() == ["libc.so.6", "libgcc_s.so.1"])
    }

    /// Exactly the names in castor.map: a name that the map has and the code has not is a wrapper that was forgotten,
    /// one too many would stand in for the program's own. A name that ends in * stands for all that begin so: those of the
    /// compiler plane, which are made for every size.
    @Test func itOffersWhatTheMapSays() throws {
        let offered = Library.dynamicSymbols("--defined-only")
        let named = try Library.mapNames()
        #expect(named.count > 100)
        let heads = named.filter { $0.hasSuffix("*") }.map { $0.dropLast() }
        let unnamed = offered.subtracting(named).filter { name in !heads.contains { name.hasPrefix($0) } }
        #expect(unnamed.sorted() == [], "exported without standing in castor.map")
        let withoutCode = named.subtracting(offered).filter { name in
            !name.hasSuffix("*") || !offered.contains { $0.hasPrefix(name.dropLast()) }
        }
        #expect(withoutCode.sorted() == [], "in castor.map without code")
    }

    /// Interposition needs symbols without a version, and a library that starts first and stays.
    @Test func itIsLinkedToStandBeforeOthers() {
        let dynamic = Library.output("readelf -d").joined(separator: "\n")
        for flag in ["INITFIRST", "NODELETE", "NOW"] { #expect(dynamic.contains(flag)) }
        #expect(!dynamic.contains("(VERDEF)"))
        #expect(!dynamic.contains("TEXTREL"))
    }

    /// Where the program's registers are live: every function that can be reached from the gate, the clocks, the signal
    /// entry and the record path of the symbol plane.
    static let entries = [
        "castor_gate_entry", "castor_syscall_enter", "castor_syscall_exit", "castor_clock", "castor_symbol_record",
        "castor_sigsys", "castor_signal_entry", "castor_deliver_pending", "castor_child_started", "castor_patch",
    ]
    static func reached(_ functions: [String: [Substring]]) -> (names: Set<String>, outside: Set<String>) {
        var (names, outside, open) = (Set<String>(), Set<String>(), entries)
        while let name = open.popLast() {
            guard let body = functions[name] else {
                outside.insert(name)
                continue
            }
            if names.insert(name).inserted { open += body.compactMap(Library.target) }
        }
        return (names, outside)
    }
    static func isVector(_ instruction: Substring) -> Bool {
        ["%xmm", "%ymm", "%zmm", "%mm", "%st"].contains { instruction.contains($0) }
    }

    @Test func theGatePathUsesGeneralRegistersOnly() {
        let functions = Library.functions()
        let (names, _) = Self.reached(functions)
        #expect(names.count > 30)
        for name in names.sorted() {
            let bad = functions[name]?.first(where: Self.isVector)
            #expect(bad == nil, "\(name): \(bad ?? "")")
        }
    }

    @Test func theGatePathCallsNothingOfLibc() {
        let (names, outside) = Self.reached(Library.functions())
        #expect(names.union(outside).filter { $0.hasSuffix("@plt") }.sorted() == [])
        #expect(outside.sorted() == [], "called, but not in the library")
    }

    @Test func theGatesObjectsUseGeneralRegistersOnly() throws {
        let directory = URL(fileURLWithPath: Library.path).deletingLastPathComponent().path + "/CTSXGate.build"
        let objects =
            (try? FileManager.default.contentsOfDirectory(atPath: directory))?.filter { $0.hasSuffix(".o") } ?? []
        if objects.isEmpty { return }  // a library that was given without its objects
        for object in objects {
            let bad = Library.output("objdump -d --no-show-raw-insn", "\(directory)/\(object)").first(
                where: Self.isVector)
            #expect(bad == nil, "\(object): \(bad ?? "")")
        }
    }

    /// A program's vector registers are live in the gate, and a stack of its own is small: the functions that every
    /// event runs through stay short. A budget may shrink; let it grow only for a reason.
    @Test(arguments: [
        ("castor_symbol_record", 190), ("castor_clock", 200), ("castor_syscall_enter", 410),
        ("castor_syscall_exit", 410),
        ("castor_allocate", 80), ("castor_free", 110),
    ]) func instructionBudget(_ function: String, _ budget: Int) throws {
        let count = try #require(Library.functions()[function]).count
        #expect(count <= budget, "\(function) has \(count) instructions")
    }
}
