// Numbers that Linux reserves and does not implement, and calls that it no longer has.
#include "guest.h"

#include <sys/syscall.h>

int main(void) {
    static const int numbers[] = {SYS_create_module, SYS_get_kernel_syms, SYS_query_module, SYS_nfsservctl, SYS_getpmsg,
                                  SYS_putpmsg, SYS_afs_syscall, SYS_tuxcall, SYS_security, SYS_set_thread_area,
                                  SYS_get_thread_area, SYS_lookup_dcookie, SYS_epoll_ctl_old, SYS_epoll_wait_old,
                                  SYS_vserver, SYS__sysctl};
    for (int i = 0; i < (int)(sizeof numbers / sizeof *numbers); i++) {
        long result = syscall(numbers[i], 0, 0, 0, 0, 0, 0);
        printf("%d: %ld errno %d at %llu\n", numbers[i], result, errno, guest_now());
        CHECK(result == -1);
    }
    return 0;
}
