import Glibc
import Testing

@testable import CastorLog

@Suite struct ManifestTests {
    @Test func roundTrip() throws {
        let directory = TemporaryDirectory()
        let manifest = sampleManifest()
        try manifest.write(directory: directory.path)
        #expect(try Manifest(directory: directory.path) == manifest)
        #expect(access("\(directory.path)/manifest.json.new", F_OK) != 0)
    }

    @Test func updateReplaces() throws {
        let directory = TemporaryDirectory()
        let writer = try LogWriter(directory: directory.path, manifest: sampleManifest())
        var manifest = sampleManifest()
        manifest.objects.append(.init(path: SystemString(bytes: [0x2f, 0xc0]), buildID: "", size: .max))
        try writer.updateManifest(manifest)
        try writer.finish(sampleEnding)
        #expect(try LogReader(directory: directory.path).manifest == manifest)
    }

    @Test func onlyItsOwnerMayRead() throws {
        let directory = TemporaryDirectory()
        try writeLog(directory.path, [])
        for (name, mode) in [("", 0o700), ("/events", 0o600), ("/manifest.json", 0o600)] as [(String, mode_t)] {
            var status = stat()
            #expect(stat("\(directory.path)\(name)", &status) == 0)
            #expect(status.st_mode & 0o777 == mode)
        }
    }

    @Test func missingMemberIsNamed() throws {
        guard case .object(let members) = sampleManifest().json else { return }
        for member in members {
            let json = JSON.object(members.filter { $0.name != member.name })
            #expect { try Manifest(json: json) } throws: { ($0 as? MissingMember)?.name == member.name }
        }
    }

    @Test func systemStrings() throws {
        var random = Random(seed: 41)
        for length in 0..<40 {
            for string in [
                SystemString(bytes: random.bytes(length)), SystemString(bytes: Array(repeating: 0x41, count: length)),
            ] {
                let text = string.json.text()
                #expect(SystemString(json: try JSON(parsing: text)) == string)
            }
        }
        #expect(SystemString("é\n\"").json == .string("é\n\""))
        #expect(SystemString(bytes: [0xff]).json.text() == #"{"base64":"/w=="}"#)
    }
}

@Suite struct JSONTests {
    @Test(arguments: [
        "null", "true", "false", "0", "-1", "18446744073709551615", "-9223372036854775808", "1.5", "-2.5e-07", "\"\"",
        #""a\"\\\n\r\t\u0001é😀""#, "[]", "{}", "[1,[2,{}],{\"a\":[]}]", #"{"a":1,"b":{"c":null}}"#,
    ]) func roundTrip(text: String) throws {
        let value = try JSON(parsing: text)
        #expect(value.text() == text)
        #expect(try JSON(parsing: value.text(indented: true)) == value)
    }

    @Test func escapes() throws {
        #expect(try JSON(parsing: #""\/\b\f\u00e9\ud83d\ude00""#) == .string("/\u{8}\u{c}é😀"))
    }

    @Test(arguments: [
        ("", 0), ("nul", 0), ("[1,]", 3), ("[1 2]", 3), ("{\"a\"}", 4), ("{\"a\":1,}", 7), ("{a:1}", 1), ("01", 0),
        ("-", 1), ("1.", 2), ("1e", 2), ("\"", 0), ("\"\n\"", 1), ("\"\\x\"", 2), ("\"\\u12g4\"", 5), ("1 2", 2),
        ("\"\\ud800\"", 3), ("\"\\udc00\"", 3), ("{\"a\":1,\"a\":2}", 7), ("1e999", 0), ("'a'", 0), ("[", 1),
    ]) func refused(text: String, offset: Int) {
        #expect { try JSON(parsing: text) } throws: { ($0 as? JSONError)?.offset == offset }
    }

    @Test func notUTF8() {
        #expect(throws: JSONError.self) { try JSON(parsing: [0x22, 0xff, 0x22]) }
    }

    @Test func depth() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        _ = try JSON(parsing: nested(JSON.depthLimit))
        #expect(throws: JSONError.self) { try JSON(parsing: nested(JSON.depthLimit + 1)) }
        #expect(throws: JSONError.self) { try JSON(parsing: nested(1_000_000)) }
    }

    @Test func anyBytesEndInAValueOrAnError() {
        var random = Random(seed: 42)
        let alphabet = Array("{}[]\",:\\u0123456789eE+-. truefalsn\u{0}\u{ff}".utf8)
        for _ in 0..<20_000 {
            _ = try? JSON(parsing: (0..<random.below(12)).map { _ in alphabet[random.below(alphabet.count)] })
        }
    }
}
