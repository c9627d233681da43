/// libcurl, loaded when it is first needed: it brings some thirty libraries, which a recording has no use for.
#pragma once
#include <curl/curl.h>
#include <dlfcn.h>
#include <stdbool.h>

struct castor_curl {
    CURL *(*open)(void);
    void (*close)(CURL *);
    CURLcode (*set)(CURL *, CURLoption, ...);
    CURLcode (*get)(CURL *, CURLINFO, ...);
    CURLcode (*perform)(CURL *);
    const char *(*text)(CURLcode);
    struct curl_slist *(*append)(struct curl_slist *, const char *);
};

/// False when the library is not there: dlerror() says why. To be called by one thread at a time.
static inline bool castor_curl_load(struct castor_curl *curl) {
    void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!library) return false;
    CURLcode (*begin)(long) = (CURLcode (*)(long))dlsym(library, "curl_global_init");
    curl->open = (CURL * (*)(void)) dlsym(library, "curl_easy_init");
    curl->close = (void (*)(CURL *))dlsym(library, "curl_easy_cleanup");
    curl->set = (CURLcode(*)(CURL *, CURLoption, ...))dlsym(library, "curl_easy_setopt");
    curl->get = (CURLcode(*)(CURL *, CURLINFO, ...))dlsym(library, "curl_easy_getinfo");
    curl->perform = (CURLcode(*)(CURL *))dlsym(library, "curl_easy_perform");
    curl->text = (const char *(*)(CURLcode))dlsym(library, "curl_easy_strerror");
    curl->append = (struct curl_slist * (*)(struct curl_slist *, const char *)) dlsym(library, "curl_slist_append");
    return begin && curl->open && curl->close && curl->set && curl->get && curl->perform && curl->text && curl->append &&
           begin(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

// Swift calls no function that takes any number of arguments.
static inline CURLcode castor_curl_set(const struct castor_curl *curl, CURL *handle, CURLoption option, long value) {
    return curl->set(handle, option, value);
}
static inline CURLcode castor_curl_set_pointer(const struct castor_curl *curl, CURL *handle, CURLoption option, const void *value) {
    return curl->set(handle, option, value);
}
static inline CURLcode castor_curl_set_writer(
    const struct castor_curl *curl, CURL *handle, size_t (*writer)(char *, size_t, size_t, void *), void *context) {
    curl->set(handle, CURLOPT_WRITEDATA, context);
    return curl->set(handle, CURLOPT_WRITEFUNCTION, writer);
}
static inline long castor_curl_status(const struct castor_curl *curl, CURL *handle) {
    long status = 0;
    curl->get(handle, CURLINFO_RESPONSE_CODE, &status);
    return status;
}
