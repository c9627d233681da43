// One FILE that several threads write to, read and seek, while another flushes everything.
#include "../small.h"

static FILE *file;

static void *body(void *argument) {
    char line[64];
    for (int i = 0; i < 40; i++) {
        fprintf(file, "%d.%d\n", (int)(intptr_t)argument, i);
        fputs("text ", file);
        putc('x', file);
        if (i % 8 == 0) fflush(NULL);
        if (i % 10 == 0) {
            flockfile(file);
            long at = ftell(file);
            rewind(file);
            if (fgets(line, sizeof line, file)) printf("%d: %ld %s", (int)(intptr_t)argument, at, line);
            fseek(file, 0, SEEK_END);
            funlockfile(file);
        }
    }
    return NULL;
}

int main(void) {
    file = tmpfile();
    CHECK(file);
    guest_run_threads(4, body);
    rewind(file);
    uint64_t hash = GUEST_HASH_START;
    for (int c; (c = getc(file)) != EOF;) hash = guest_hash(hash, (uint64_t)c);
    printf("%016llx\n", (unsigned long long)hash);
}
