// Threads are made while another thread loads and closes libraries with thread-local storage: libc makes one wait for the
// other behind a lock of its own. Who is called while the loader is at work may wait for a thread that makes another.
#include "guest.h"

#include <dlfcn.h>
#include <link.h>

enum { LOADS = 60, CREATED = 200 };

static const char *const libraries[] = {"libz.so.1", "libstdc++.so.6", "libresolv.so.2", "libcrypt.so.1", "libzstd.so.1"};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int loaded, order;

static void *load(void *unused) {
    (void)unused;
    for (int i = 0; i < LOADS; i++) {
        void *library = dlopen(libraries[i % 5], RTLD_NOW | RTLD_LOCAL);
        pthread_mutex_lock(&lock);
        loaded += library != NULL;
        order = order * 31 + 1;
        pthread_mutex_unlock(&lock);
        if (library) dlclose(library);
    }
    return NULL;
}

static void *work(void *number) {
    char *memory = malloc((size_t)(1 + (long)number % 5000));
    pthread_mutex_lock(&lock);
    order = order * 31 + 2;
    pthread_mutex_unlock(&lock);
    free(memory);
    return NULL;
}

static void *create(void *unused) {
    (void)unused;
    for (long i = 0; i < CREATED; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, work, (void *)i) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
    return NULL;
}

static void *create_one(void *unused) {
    (void)unused;
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, work, (void *)7L) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    return NULL;
}

/// As the constructor of a library might.
static int visit(struct dl_phdr_info *info, size_t size, void *unused) {
    (void)info, (void)size, (void)unused;
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, create_one, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    return 1;
}

int main(void) {
    pthread_t threads[3];
    CHECK(pthread_create(&threads[0], NULL, load, NULL) == 0);
    for (int i = 1; i < 3; i++) CHECK(pthread_create(&threads[i], NULL, create, NULL) == 0);
    for (int i = 0; i < 3; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(dl_iterate_phdr(visit, NULL) == 1);
    printf("%d loaded, order %d\n", loaded, order);
    return 0;
}
