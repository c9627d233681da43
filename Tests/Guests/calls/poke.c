// Memory written by the kernel for process_vm_writev, into this process: what it may not do is refused.
#include "guest.h"

#include <sys/uio.h>

int main(void) {
    char from[32], to[32] = "untouched";
    snprintf(from, sizeof from, "%d at %llu", getpid(), guest_now());
    struct iovec local = {from, sizeof from}, remote = {to, sizeof to};
    ssize_t length = process_vm_writev(getpid(), &local, 1, &remote, 1, 0);
    printf("%zd errno %d: %s\n", length, length < 0 ? errno : 0, to);
    length = process_vm_writev(0x7ffffff0, &local, 1, &remote, 1, 0);
    printf("nobody: %zd errno %d\n", length, errno);
    return 0;
}
