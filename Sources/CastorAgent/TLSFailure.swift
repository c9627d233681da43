/// What is wrong with a certificate, a key or the other side, in words that say what to do.
import COpenSSL
import Glibc

struct TLSFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }

    /// A step of OpenSSL's has failed; `verified` is what it found of the other side's certificate.
    init(queuedBy ssl: OpaquePointer) {
        let verified = Int32(truncatingIfNeeded: SSL_get_verify_result(ssl))
        let code = ERR_peek_last_error()
        let (library, reason) = (ERR_GET_LIB(code), ERR_GET_REASON(code))
        ERR_clear_error()
        if verified != X509_V_OK {
            self.init("the other side's certificate \(TLSFailure.text(ofCertificate: verified))")
        } else if library == ERR_LIB_SSL, let text = TLSFailure.text(ofReason: reason) {
            self.init(text)
        } else {
            let text = ERR_reason_error_string(code).map { String(cString: $0) } ?? "error \(code)"
            self.init("TLS: \(text)")
        }
    }

    /// What follows "the certificate".
    static func text(ofCertificate code: Int32) -> String {
        switch code {
        case X509_V_ERR_CERT_HAS_EXPIRED: "has expired"
        case X509_V_ERR_CERT_NOT_YET_VALID: "is not valid yet"
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
            X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_CERT_SIGNATURE_FAILURE:
            "was not signed by the authority of --tls-ca"
        case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH: "is for another name"
        case X509_V_ERR_INVALID_PURPOSE: "is not for this use (clientAuth and serverAuth)"
        default: "is refused: \(String(cString: X509_verify_cert_error_string(Int(code))))"
        }
    }

    /// Alerts are what the other side says; the rest is what it sent.
    private static func text(ofReason reason: Int32) -> String? {
        switch reason {
        case SSL_R_WRONG_VERSION_NUMBER, SSL_R_PACKET_LENGTH_TOO_LONG, SSL_R_HTTP_REQUEST, SSL_R_BAD_PACKET_LENGTH, SSL_R_UNEXPECTED_MESSAGE:
            "the other side does not speak TLS"
        case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, SSL_R_NO_PROTOCOLS_AVAILABLE: "the other side speaks no TLS 1.3"
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: "the other side has no certificate"
        case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED: "the other side asks for a certificate"
        case SSL_R_TLSV1_ALERT_UNKNOWN_CA: "the other side refuses this side's certificate: its --tls-ca did not sign it"
        case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED: "the other side refuses this side's certificate: it has expired"
        case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE,
            SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, SSL_R_TLSV1_ALERT_DECRYPT_ERROR:
            "the other side refuses this side's certificate"
        case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC: "what came was damaged on its way, or changed"
        default: nil
        }
    }
}
