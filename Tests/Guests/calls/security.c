// What guards the process: security modules, Landlock, seccomp's answers; the kernel's log.
#include "guest.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/klog.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

int main(void) {
    uint64_t modules[16] = {0};
    uint32_t size = 4;
    int status;
    printf("pid %d at %llu\n", getpid(), guest_now());
    long result = syscall(461, modules, &size, 0);
    printf("too small %ld errno %d size %u\n", result, errno, size);
    size = sizeof modules;
    result = syscall(461, modules, &size, 0);
    printf("modules %ld %u %llx\n", result, size, (unsigned long long)modules[0]);
    char attribute[256] = "";
    size = sizeof attribute;
    result = syscall(459, 100, attribute, &size, 0);
    printf("own %ld errno %d\n", result, result < 0 ? errno : 0);
    printf("landlock version %ld errno %d\n", syscall(SYS_landlock_create_ruleset, NULL, 0, 1), errno);
    fflush(stdout);
    if (fork() == 0) {
        uint64_t handled = 1 << 1 | 1 << 2; // writing to and reading files
        int rules = (int)syscall(SYS_landlock_create_ruleset, &handled, 8, 0);
        if (rules >= 0) {
            CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
            CHECK(syscall(SYS_landlock_restrict_self, rules, 0) == 0);
            printf("then %d errno %d\n", open("/etc/passwd", O_RDONLY), errno);
        }
        fflush(stdout);
        _exit(0);
    }
    CHECK(wait(&status) > 0 && status == 0);
    printf("log of %d bytes\n", klogctl(10, NULL, 0));
    char log[512] = "";
    result = klogctl(3, log, sizeof log - 1);
    printf("read %ld errno %d %016llx\n", result, result < 0 ? errno : 0,
           (unsigned long long)guest_hash_bytes(GUEST_HASH_START, log, sizeof log));
    return 0;
}
