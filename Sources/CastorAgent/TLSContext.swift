/// What a node shows to the other side and whom it believes: a certificate, its key, and the authority that signs both sides'.
import COpenSSL
import Glibc

final class TLSContext: @unchecked Sendable {
    let context: OpaquePointer
    /// The other side's certificate must be for this name or address; nil: the caller checks the host that it calls, the listener none.
    let peerName: String?

    /// Reads the files, which are in PEM form, and looks whether they fit together.
    init(certificate: String, key: String, authority: String, peerName: String?) throws(TLSFailure) {
        self.peerName = peerName
        for file in [certificate, key, authority] where access(file, R_OK) != 0 {
            throw TLSFailure("\(file): \(String(cString: strerror(errno)))")
        }
        guard let context = SSL_CTX_new(TLS_method()) else { throw TLSFailure("OpenSSL does not start") }
        self.context = context
        guard castor_tls_set_versions(context) == 1 else { throw TLSFailure("this OpenSSL has no TLS 1.3") }
        // Both have keys already: nothing is to be resumed.
        SSL_CTX_set_num_tickets(context, 0)
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
        // Or OpenSSL would ask on the terminal.
        SSL_CTX_set_default_passwd_cb(context) { _, _, _, _ in 0 }
        ERR_clear_error()
        guard SSL_CTX_use_certificate_chain_file(context, certificate) == 1 else {
            throw TLSFailure("\(certificate): no certificate in PEM form")
        }
        guard SSL_CTX_load_verify_locations(context, authority, nil) == 1 else {
            throw TLSFailure("\(authority): no certificate in PEM form")
        }
        ERR_clear_error()
        guard SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1, SSL_CTX_check_private_key(context) == 1 else {
            let isOther = ERR_GET_LIB(ERR_peek_last_error()) == ERR_LIB_X509
            throw TLSFailure(isOther ? "\(key) is not the key of \(certificate)" : "\(key): no key in PEM form without a passphrase")
        }
        let verified = castor_tls_verify_own(context)
        guard verified == X509_V_OK else {
            throw TLSFailure("\(certificate): the certificate \(TLSFailure.text(ofCertificate: verified)) (\(authority))")
        }
    }

    deinit { SSL_CTX_free(context) }
}
