/// TLS over one connection, without its socket: bytes in, bytes out. OpenSSL's object is not for two threads at a time, so a lock is
/// around it; it works on memory, so nobody holds the lock while a socket keeps him waiting. Whoever sends must send what the calls
/// return in their order.
///
/// The end of the connection is not sealed (close_notify): the protocol says itself how it ends, and a process that was killed
/// seals nothing.
import CastorLog
import COpenSSL
import Glibc

final class TLSSession: @unchecked Sendable {
    enum Side: Sendable {
        /// Checks that the listener's certificate is for this host.
        case caller(host: String)
        case listener
    }

    private let monitor = Monitor()
    private let ssl: OpaquePointer
    /// What came and is not deciphered yet; what is to be sent. They belong to `ssl`.
    private let incoming: OpaquePointer
    private let outgoing: OpaquePointer
    private var scratch = [UInt8](repeating: 0, count: 64 << 10)
    /// Under the present key.
    private var records = 0
    /// AES-GCM is good for 2^24.5 full records under one key (RFC 8446, 5.5).
    private static let recordsPerKey = 1 << 22
    private static let recordSize = 16 << 10

    init(_ context: TLSContext, _ side: Side) throws(TLSFailure) {
        guard let ssl = SSL_new(context.context), let incoming = BIO_new(BIO_s_mem()), let outgoing = BIO_new(BIO_s_mem()) else {
            throw TLSFailure("no memory for TLS")
        }
        (self.ssl, self.incoming, self.outgoing) = (ssl, incoming, outgoing)
        SSL_set_bio(ssl, incoming, outgoing)
        switch side {
        case .caller(let host):
            SSL_set_connect_state(ssl)
            try TLSSession.expect(context.peerName ?? host, of: ssl)
        case .listener:
            SSL_set_accept_state(ssl)
            if let name = context.peerName { try TLSSession.expect(name, of: ssl) }
        }
    }

    deinit { SSL_free(ssl) }

    /// The other side's certificate must have this name or address among its alternative names.
    private static func expect(_ name: String, of ssl: OpaquePointer) throws(TLSFailure) {
        let parameters = SSL_get0_param(ssl)
        X509_VERIFY_PARAM_set_hostflags(parameters, UInt32(X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
        guard X509_VERIFY_PARAM_set1_ip_asc(parameters, name) == 1 || X509_VERIFY_PARAM_set1_host(parameters, name, 0) == 1 else {
            throw TLSFailure("'\(name)' is no name for a certificate")
        }
        ERR_clear_error()
    }

    /// Goes on with the handshake after `received`. `reply` is to be sent in any case: when it fails it tells the other side why.
    func handshake(_ received: ArraySlice<UInt8>, reply: inout [UInt8]) throws(TLSFailure) -> Bool {
        monitor.lock()
        defer { monitor.unlock() }
        take(received)
        ERR_clear_error()
        let code = SSL_do_handshake(ssl)
        let isWaiting = code != 1 && SSL_get_error(ssl, code) == SSL_ERROR_WANT_READ
        reply = drain()
        if code != 1, !isWaiting { throw TLSFailure(queuedBy: ssl) }
        return code == 1
    }

    /// What is to be sent for these bytes.
    func seal(_ bytes: ArraySlice<UInt8>) throws(TLSFailure) -> [UInt8] {
        monitor.lock()
        defer { monitor.unlock() }
        records += bytes.count / TLSSession.recordSize + 1
        if records > TLSSession.recordsPerKey {
            records = 0
            SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED)
        }
        ERR_clear_error()
        let written = bytes.withUnsafeBytes { SSL_write(ssl, $0.baseAddress, Int32($0.count)) }
        guard written == bytes.count else { throw TLSFailure(queuedBy: ssl) }
        return drain()
    }

    /// What these bytes say, as far as they are whole records; more was known before perhaps.
    func open(_ bytes: ArraySlice<UInt8>, _ body: (ArraySlice<UInt8>) -> Void) throws(TLSFailure) {
        monitor.lock()
        defer { monitor.unlock() }
        take(bytes)
        while true {
            ERR_clear_error()
            let n = SSL_read(ssl, &scratch, Int32(scratch.count))
            if n > 0 {
                body(scratch[..<Int(n)])
                continue
            }
            switch SSL_get_error(ssl, n) {
            case SSL_ERROR_WANT_READ, SSL_ERROR_ZERO_RETURN: return
            default: throw TLSFailure(queuedBy: ssl)
            }
        }
    }

    private func take(_ bytes: ArraySlice<UInt8>) {
        if bytes.isEmpty { return }
        let taken = bytes.withUnsafeBytes { BIO_write(incoming, $0.baseAddress, Int32($0.count)) }
        precondition(taken == bytes.count, "memory took \(taken) of \(bytes.count) bytes")
    }

    private func drain() -> [UInt8] {
        let count = BIO_ctrl_pending(outgoing)
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            initialized = count == 0 ? 0 : Int(max(0, BIO_read(outgoing, buffer.baseAddress, Int32(count))))
        }
    }
}
