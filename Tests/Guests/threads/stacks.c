// Threads on stacks of the program's own, on big ones, small ones and with odd guards; asked about with
// pthread_getattr_np.
#include "../small.h"

#include <limits.h>

static void *body(void *argument) {
    pthread_attr_t now;
    void *base;
    size_t size, guard;
    char here;
    CHECK(pthread_getattr_np(pthread_self(), &now) == 0);
    CHECK(pthread_attr_getstack(&now, &base, &size) == 0 && pthread_attr_getguardsize(&now, &guard) == 0);
    CHECK(&here >= (char *)base && &here < (char *)base + size);
    pthread_attr_destroy(&now);
    printf("%d: stack %p size %zu guard %zu\n", (int)(intptr_t)argument, base, size, guard);
    return NULL;
}

int main(void) {
    body((void *)99);
    size_t sizes[] = {PTHREAD_STACK_MIN, 65536, 1 << 20, 32 << 20, 100 << 20};
    for (int round = 0; round < 2; round++) {
        for (intptr_t i = 0; i < 8; i++) {
            pthread_attr_t attributes;
            pthread_t thread;
            void *own = NULL;
            pthread_attr_init(&attributes);
            if (i < 5) pthread_attr_setstacksize(&attributes, sizes[i]);
            if (i == 5) pthread_attr_setguardsize(&attributes, 0);
            if (i == 6) pthread_attr_setguardsize(&attributes, 70000);
            if (i == 7) {
                own = mmap(NULL, 262144, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                pthread_attr_setstack(&attributes, own, 262144);
            }
            CHECK(pthread_create(&thread, &attributes, body, (void *)i) == 0);
            CHECK(pthread_join(thread, NULL) == 0);
            if (own) munmap(own, 262144);
        }
    }
    stamp("end");
}
