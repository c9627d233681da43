// Calls that the recorder answers with ENOSYS, so that programs take their other way. Natively some of them work.
#include "guest.h"

#include <sys/syscall.h>

int main(void) {
    char parameters[120] = "";
    void *context = NULL;
    long ring = syscall(SYS_io_uring_setup, 4, parameters);
    if (ring >= 0) close((int)ring);
    long setup = syscall(SYS_io_setup, 1, &context);
    if (setup == 0) syscall(SYS_io_destroy, context);
    long library = syscall(SYS_uselib, "/nonexistent");
    printf("pid %d io_uring %s aio %s uselib %ld\n", getpid(), ring >= 0 ? "works" : "refused",
           setup == 0 ? "works" : "refused", library);
    printf("io_uring_enter %ld\n", syscall(SYS_io_uring_enter, -1, 0, 0, 0, NULL, 0));
    return 0;
}
