/// Requests over HTTP, one at a time, over connections that are kept.
import CCurl
import CastorStandby
import Glibc

final class HTTPClient {
    private var curl = castor_curl()
    private let handle: UnsafeMutableRawPointer
    /// As long as the handle: libcurl does not copy it.
    private let headers: UnsafeMutablePointer<curl_slist>?
    private var answer: [UInt8] = []
    /// No answer of a store is longer.
    private static let limit = 1 << 20

    /// `authority`: a file with the certificates that a server's must be signed by; nil: the system's.
    /// `identity`: this client's own certificate and key.
    init(authority: String?, identity: StoreAddress.Identity?) throws(StoreFailure) {
        guard castor_curl_load(&curl) else {
            throw StoreFailure("libcurl cannot be used: \(dlerror().map { String(cString: $0) } ?? "it is too old")")
        }
        guard let handle = curl.open() else { throw StoreFailure("libcurl: out of memory") }
        self.handle = handle
        headers = curl.append(nil, "Content-Type: application/json")
        set(CURLOPT_NOSIGNAL, 1)
        set(CURLOPT_TCP_NODELAY, 1)
        set(CURLOPT_PROTOCOLS, Int(CURLPROTO_HTTP | CURLPROTO_HTTPS))
        set(CURLOPT_POST, 1)
        castor_curl_set_pointer(&curl, handle, CURLOPT_HTTPHEADER, headers)
        // A store is asked directly, whatever the environment says of proxies.
        set(CURLOPT_PROXY, "")
        if let authority { set(CURLOPT_CAINFO, authority) }
        if let identity {
            set(CURLOPT_SSLCERT, identity.certificate)
            set(CURLOPT_SSLKEY, identity.key)
        }
    }

    deinit { curl.close(handle) }

    /// The status and the body of the answer, when there is one within `milliseconds`.
    func post(_ url: String, _ body: String, milliseconds: Int) throws(StoreFailure) -> (status: Int, body: [UInt8]) {
        set(CURLOPT_URL, url)
        set(CURLOPT_TIMEOUT_MS, milliseconds)
        set(CURLOPT_CONNECTTIMEOUT_MS, milliseconds)
        set(CURLOPT_POSTFIELDSIZE, body.utf8.count)
        set(CURLOPT_COPYPOSTFIELDS, body)
        answer = []
        castor_curl_set_writer(
            &curl, handle,
            { bytes, size, count, context in
                let client = Unmanaged<HTTPClient>.fromOpaque(context!).takeUnretainedValue()
                return client.take(UnsafeRawBufferPointer(start: bytes, count: size * count))
            }, Unmanaged.passUnretained(self).toOpaque())
        let code = curl.perform(handle)
        guard code == CURLE_OK else { throw StoreFailure(String(cString: curl.text(code)!)) }
        return (castor_curl_status(&curl, handle), answer)
    }

    /// How many bytes were taken; fewer than there are end the request.
    private func take(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard answer.count + bytes.count <= HTTPClient.limit else { return 0 }
        answer += bytes
        return bytes.count
    }

    private func set(_ option: CURLoption, _ value: Int) { castor_curl_set(&curl, handle, option, value) }
    private func set(_ option: CURLoption, _ value: String) {
        _ = value.withCString { castor_curl_set_pointer(&curl, handle, option, $0) }
    }
}
