/// Certificates as `openssl` makes them: two authorities, and what they sign.
import Foundation

final class Certificates {
    private let workspace: Workspace

    init(_ workspace: Workspace) throws {
        self.workspace = workspace
        for name in ["ca", "other-ca"] {
            try openssl(["req", "-x509"] + Certificates.newKey + ["-keyout", key(name), "-out", file(name), "-days", "2", "-subj", "/CN=\(name)"])
        }
    }

    private static let newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]

    func file(_ name: String) -> String { workspace("\(name).pem") }
    func key(_ name: String) -> String { workspace("\(name).key") }

    /// `names`: as in a certificate's subjectAltName. Days may be negative.
    func sign(_ name: String, for names: String, by authority: String = "ca", days: Int = 2) throws {
        try openssl(["req", "-new"] + Certificates.newKey + ["-keyout", key(name), "-out", workspace("\(name).csr"), "-subj", "/CN=\(name)"])
        let extensions = try workspace.write("\(name).ext", Data("subjectAltName=\(names)\n".utf8))
        try openssl([
            "x509", "-req", "-in", workspace("\(name).csr"), "-CA", file(authority), "-CAkey", key(authority), "-CAcreateserial",
            "-days", "\(days)", "-extfile", extensions, "-out", file(name),
        ])
    }

    /// What castor is told to use them.
    func options(_ name: String, authority: String = "ca") -> [String] {
        ["--tls-cert", file(name), "--tls-key", key(name), "--tls-ca", file(authority)]
    }

    private func openssl(_ words: [String]) throws {
        let outcome = try Child(["openssl"] + words).wait(timeout: 30)
        guard outcome.status == 0 else { throw Failure("openssl \(words.joined(separator: " ")): \(outcome.errorText)") }
    }
}
