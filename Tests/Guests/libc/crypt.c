// crypt and crypt_r of libcrypt.
// link: -lcrypt
#include "../small.h"

#include <crypt.h>

static void *body(void *argument) {
    struct crypt_data *data = calloc(1, sizeof *data);
    char key[32];
    snprintf(key, sizeof key, "%d-%d", (int)getpid(), (int)(intptr_t)argument);
    printf("%s\n", crypt_r(key, "$1$salt$", data));
    free(data);
    return NULL;
}

int main(void) {
    guest_run_threads(4, body);
    printf("%s\n", crypt("key", "ab") ? "known" : strerror(errno));
}
