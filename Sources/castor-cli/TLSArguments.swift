/// How `castor ft` protects what crosses the network.
import CastorLog
import Glibc

enum TLSArguments {
    static let options: [Option] = [
        .value("tls-cert", nil, "FILE", .file, "This side's certificate and what leads to its authority, in PEM form."),
        .value("tls-key", nil, "FILE", .file, "The certificate's key, in PEM form, without a passphrase."),
        .value("tls-ca", nil, "FILE", .file, "The authority that must have signed the other side's certificate."),
        .value(
            "tls-name", nil, "NAME", .text,
            "The name or address that the other side's certificate must be for; a primary takes its replica's HOST otherwise."),
        .flag("insecure", nil, "Let the log, with all that the program reads, cross the network in plain text."),
    ]
    private static let files = ["tls-cert", "tls-key", "tls-ca"]

    /// The agent's words; empty when all is plain text, which must not leave the machine unless that is asked for.
    static func words(_ arguments: ParsedArguments, _ endpoints: [Endpoint]) throws -> [String] {
        let given = (files + ["tls-name"]).filter { arguments.value($0) != nil }
        if given.isEmpty {
            if !arguments.flag("insecure"), let open = endpoints.first(where: { !$0.isLoopback }) {
                throw CommandError.usage(
                    "the log would cross the network to \(open) in plain text; --insecure allows that, --tls-cert and its like encrypt it")
            }
            return []
        }
        if arguments.flag("insecure") { throw CommandError.usage("--insecure and --\(given[0]) contradict each other") }
        guard files.allSatisfy(given.contains) else { throw CommandError.usage("--tls-cert, --tls-key and --tls-ca belong together") }
        for file in files.compactMap(arguments.text) where access(file, R_OK) != 0 {
            throw CommandError.failed("\(file): \(errorText(errno))")
        }
        return given.map { "\($0)=\(arguments.text($0)!)" }
    }
}
