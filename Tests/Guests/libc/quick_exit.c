// at_quick_exit and quick_exit.
// ends: 4
#include "../small.h"

static void handler(void) {
    stamp("handler");
    fflush(stdout);
}

int main(void) {
    at_quick_exit(handler);
    atexit(abort); // not called
    stamp("main");
    fflush(stdout);
    quick_exit(4);
}
