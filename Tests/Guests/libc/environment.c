// setenv, putenv, unsetenv and clearenv: whose value wins.
#include "../small.h"

extern char **environ;

static void *body(void *argument) {
    char value[32];
    for (int i = 0; i < 50; i++) {
        snprintf(value, sizeof value, "%d.%d", (int)(intptr_t)argument, i);
        setenv("SHARED", value, i % 3 != 0);
        if (i % 10 == 9) unsetenv("SHARED");
        getenv("PATH");
    }
    return NULL;
}

int main(void) {
    guest_run_threads(4, body);
    const char *left = getenv("SHARED");
    printf("SHARED=%s\n", left ? left : "(none)");
    putenv("PUT=1");
    printf("%s %s at %p\n", getenv("PUT"), secure_getenv("PUT"), (void *)environ);
    clearenv();
    printf("%s\n", getenv("PUT") ? "left" : "cleared");
    stamp("end");
}
