// A futex in memory that a parent and its children share, by syscall().
#include "guest.h"

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

int main(void) {
    uint32_t *word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status;
    CHECK(word != MAP_FAILED);
    for (int i = 0; i < 3; i++) {
        if (fork()) continue;
        long result = syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL, NULL, 0);
        char line[64];
        int length = snprintf(line, sizeof line, "%d woken %ld at %llu\n", getpid(), result, guest_now());
        CHECK(write(1, line, (size_t)length) == length);
        _exit(0);
    }
    int woken = 0, tries = 0;
    while (woken < 3) {
        long result = syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
        CHECK(result >= 0);
        woken += (int)result;
        if (result == 0) tries++, usleep(200);
    }
    for (int i = 0; i < 3; i++) CHECK(wait(&status) > 0 && status == 0);
    printf("after %d tries at %p\n", tries, (void *)word);
    return 0;
}
