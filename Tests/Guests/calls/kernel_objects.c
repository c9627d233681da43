// Calls that reach into the kernel: whatever they answer, a refusal above all, is the replay's answer too.
#include "guest.h"

#include <fcntl.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>

static void tell(const char *name, long result) {
    printf("%s: %ld, errno %d\n", name, result < 0 ? result : 0, result < 0 ? errno : 0);
    if (result >= 0) close((int)result);
}

int main(void) {
    char attributes[128] = "";
    printf("pid %d at %llu\n", getpid(), guest_now());
    tell("bpf with an unknown command", syscall(SYS_bpf, 9999, attributes, sizeof attributes));
    struct perf_event_attr event = {.type = PERF_TYPE_HARDWARE, .size = sizeof event, .disabled = 1};
    tell("perf_event_open", syscall(SYS_perf_event_open, &event, 0, -1, -1, 0));
    tell("userfaultfd", syscall(SYS_userfaultfd, 1));
    tell("finit_module", syscall(SYS_finit_module, -1, "", 0));
    tell("delete_module", syscall(SYS_delete_module, "castor_no_such_module", O_NONBLOCK));
    tell("kexec_load", syscall(SYS_kexec_load, 0, 1000, NULL, 0));
    tell("init_module", syscall(SYS_init_module, NULL, 0, ""));
    tell("iopl", syscall(SYS_iopl, 9));
    return 0;
}
