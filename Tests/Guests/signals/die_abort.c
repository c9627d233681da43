// abort() with a handler for SIGABRT that returns.
// ends: 134
#include "../small.h"

#include <sys/resource.h>

static void on_abort(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    printf("handler %d\n", (int)getpid());
    fflush(stdout);
}

int main(void) {
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    handle(SIGABRT, on_abort, 0);
    stamp("main");
    abort();
}
