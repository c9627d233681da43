// Another process looked into: memory read across, descriptors compared.
#include "guest.h"

#include <linux/kcmp.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

static char words[64];

int main(void) {
    int ready[2], end[2], status;
    char byte, copy[64] = "", other[16] = "";
    CHECK(pipe(ready) == 0 && pipe(end) == 0);
    pid_t child = fork();
    if (child == 0) {
        snprintf(words, sizeof words, "the child's %d at %llu", getpid(), guest_now());
        CHECK(write(ready[1], "", 1) == 1 && read(end[0], &byte, 1) == 1);
        _exit(0);
    }
    CHECK(read(ready[0], &byte, 1) == 1);
    struct iovec local[2] = {{copy, 20}, {other, 16}};
    struct iovec remote = {words, 36};
    ssize_t length = process_vm_readv(child, local, 2, &remote, 1, 0);
    printf("read %zd errno %d: %s|%.16s\n", length, length < 0 ? errno : 0, copy, other);
    printf("same pipe %d, same memory %d\n", syscall(SYS_kcmp, getpid(), child, KCMP_FILE, ready[0], ready[0]) == 0,
           syscall(SYS_kcmp, getpid(), child, KCMP_VM, 0, 0) == 0);
    CHECK(write(end[1], "", 1) == 1 && waitpid(child, &status, 0) == child && status == 0);
    length = process_vm_readv(child, local, 1, &remote, 1, 0);
    printf("after its end %zd errno %d, pid %d\n", length, errno, child);
    return 0;
}
