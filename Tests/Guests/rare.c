// A bug that takes bad luck: one thread publishes a pair in two critical sections, another one aborts when it finds the
// pair torn for 40 looks in a row, some 5 ms, that is, when the first stands still between the two sections for so long.
// Prints after how many pairs that was, or that it was not. rare [PAIRS]
#include "guest.h"

enum { LOOKS = 40 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long first, second, pairs;
static bool done;

static void put(long *where, long what) {
    pthread_mutex_lock(&lock);
    *where = what;
    pthread_mutex_unlock(&lock);
}

static void *publisher(void *unused) {
    for (long i = 1; i <= pairs; i++) {
        put(&first, i);
        put(&second, i);
        if (i % 64 == 0) {
            struct timespec pause = {0, 50000};
            nanosleep(&pause, NULL);
        }
    }
    pthread_mutex_lock(&lock);
    done = true;
    pthread_mutex_unlock(&lock);
    return unused;
}

int main(int count, char **arguments) {
    pairs = guest_number(count, arguments, 1, 500000, 1000000000);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, publisher, NULL) == 0);
    for (int torn = 0;;) {
        pthread_mutex_lock(&lock);
        bool is_torn = first != second, is_done = done;
        long at = first;
        pthread_mutex_unlock(&lock);
        torn = is_torn ? torn + 1 : 0;
        if (torn == LOOKS) {
            printf("torn at pair %ld\n", at);
            fflush(stdout);
            abort();
        }
        if (is_done) break;
        struct timespec pause = {0, 50000};
        nanosleep(&pause, NULL);
    }
    CHECK(pthread_join(thread, NULL) == 0);
    printf("whole\n");
    return 0;
}
