// fmemopen, open_memstream and wide streams in several threads; getline, ungetc and setvbuf.
#include "../small.h"

#include <wchar.h>

static void *body(void *argument) {
    char *text = NULL, room[100] = "", *line = NULL;
    wchar_t *wide = NULL;
    size_t size = 0, wide_size = 0, capacity = 0;
    FILE *memory = open_memstream(&text, &size), *wides = open_wmemstream(&wide, &wide_size);
    FILE *fixed = fmemopen(room, sizeof room, "w+");
    setvbuf(fixed, NULL, _IOFBF, 512);
    for (int i = 0; i < 20; i++) fprintf(memory, "%d %d\n", (int)(intptr_t)argument, i), fwprintf(wides, L"%d.", i);
    fprintf(fixed, "fixed %p", (void *)memory);
    fclose(memory), fclose(wides);
    rewind(fixed);
    ungetc('>', fixed);
    CHECK(getline(&line, &capacity, fixed) > 0);
    printf("%d: %zu %zu %s\n", (int)(intptr_t)argument, size, wide_size, line);
    fclose(fixed), free(text), free(wide), free(line);
    return NULL;
}

int main(void) { guest_run_threads(6, body); }
