// Capabilities by version, read and dropped.
#include "guest.h"

#include <linux/capability.h>
#include <sys/syscall.h>

int main(void) {
    struct __user_cap_header_struct header = {.version = 0, .pid = 0};
    struct __user_cap_data_struct data[2] = {0};
    printf("no version: %ld errno %d", syscall(SYS_capget, &header, NULL), errno);
    printf(" kernel's %x\n", header.version);
    header.version = 1;
    printf("no such version: %ld errno %d", syscall(SYS_capget, &header, data), errno);
    printf(" kernel's %x\n", header.version);
    header.version = _LINUX_CAPABILITY_VERSION_3;
    header.pid = getpid();
    CHECK(syscall(SYS_capget, &header, data) == 0);
    printf("%d: %x %x %x, %x %x %x\n", header.pid, data[0].effective, data[0].permitted, data[0].inheritable,
           data[1].effective, data[1].permitted, data[1].inheritable);
    data[0].effective &= ~1u;
    printf("drop %ld\n", syscall(SYS_capset, &header, data));
    CHECK(syscall(SYS_capget, &header, data) == 0);
    printf("%x\n", data[0].effective);
    header.version = _LINUX_CAPABILITY_VERSION_1;
    struct { struct __user_cap_data_struct data; uint64_t after; } one = {.after = 0x1234};
    CHECK(syscall(SYS_capget, &header, &one) == 0);
    printf("version 1: %x, after it %llx\n", one.data.effective, (unsigned long long)one.after);
    return 0;
}
