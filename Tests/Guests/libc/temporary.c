// Names of temporary files, and the files.
#include "../small.h"

static void *body(void *argument) {
    char path[] = "/tmp/castor-guest-XXXXXX", directory[] = "/tmp/castor-guest-XXXXXX";
    int descriptor = mkstemp(path);
    CHECK(descriptor >= 0 && mkdtemp(directory));
    char *name = tempnam("/tmp", "guest");
    FILE *file = tmpfile();
    CHECK(file && name);
    printf("%d: %s %s %s %d\n", (int)(intptr_t)argument, path, directory, name, fileno(file));
    fclose(file), free(name), close(descriptor), unlink(path), rmdir(directory);
    return NULL;
}

int main(void) { guest_run_threads(5, body); }
