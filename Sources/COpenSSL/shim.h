/// TLS between a primary and its replicas (libssl, libcrypto). The functions are what Swift does not import: macros and stacks.
#pragma once
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

static inline int castor_tls_set_versions(SSL_CTX *context) {
    return SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) && SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION);
}

/// X509_V_OK, or what is wrong with the context's own certificate in the eyes of its own authority.
static inline int castor_tls_verify_own(SSL_CTX *context) {
    STACK_OF(X509) *chain = NULL;
    SSL_CTX_get0_chain_certs(context, &chain);
    X509_STORE_CTX *verification = X509_STORE_CTX_new();
    int code = X509_V_ERR_OUT_OF_MEM;
    if (verification && X509_STORE_CTX_init(verification, SSL_CTX_get_cert_store(context), SSL_CTX_get0_certificate(context), chain)) {
        code = X509_verify_cert(verification) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(verification);
    }
    X509_STORE_CTX_free(verification);
    return code;
}
