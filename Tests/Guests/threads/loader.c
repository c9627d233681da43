// dlopen, dlsym and dlclose of libraries by several threads.
// link: -ldl
#include "../small.h"

#include <dlfcn.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t order = GUEST_HASH_START;

static void *body(void *argument) {
    static const char *const names[] = {"libm.so.6", "libz.so.1", "libresolv.so.2", "libutil.so.1"};
    for (int i = 0; i < 12; i++) {
        const char *name = names[(i + (intptr_t)argument) % 4];
        void *library = dlopen(name, i % 2 ? RTLD_NOW : RTLD_LAZY);
        CHECK(library);
        void *found = dlsym(library, i % 4 == 0 ? "cos" : "no such symbol");
        pthread_mutex_lock(&lock);
        order = guest_hash(order, (uint64_t)library + (uint64_t)found);
        pthread_mutex_unlock(&lock);
        CHECK(dlclose(library) == 0);
    }
    return NULL;
}

int main(void) {
    guest_run_threads(4, body);
    printf("order %016llx\n", (unsigned long long)order);
}
