// The C library's streams over files that the replay does not have.
#include "guest.h"

#include <fcntl.h>

int main(void) {
    const char *place = guest_enter();
    char line[64], *long_line = NULL;
    size_t room = 0;
    FILE *file = fopen("file", "w+e");
    CHECK(file);
    for (int i = 0; i < 2000; i++) fprintf(file, "%d %d %llu\n", i, getpid(), guest_now());
    CHECK(fseek(file, 1000, SEEK_SET) == 0 && fgets(line, sizeof line, file) && fgets(line, sizeof line, file));
    printf("%s: %sat %ld\n", place, line, ftell(file));
    CHECK(fseek(file, -20, SEEK_END) == 0 && getline(&long_line, &room, file) > 0);
    printf("last %s", long_line);
    rewind(file);
    int number, process, count = 0;
    unsigned long long when, sum = 0;
    while (fscanf(file, "%d %d %llu", &number, &process, &when) == 3) count++, sum += when;
    printf("%d lines %llu, end %d\n", count, sum, feof(file));
    clearerr(file);
    CHECK(freopen("other", "w", file));
    CHECK(setvbuf(file, NULL, _IOLBF, 100) == 0 && fputs("abc\n", file) >= 0 && fputc('d', file) == 'd');
    CHECK(fclose(file) == 0);
    int descriptor = open("other", O_RDONLY);
    file = fdopen(descriptor, "r");
    CHECK(file && fread(line, 1, sizeof line, file) == 5 && ungetc('z', file) == 'z' && getc(file) == 'z');
    printf("%.5s %d\n", line, fileno(file));
    fclose(file);
    free(long_line);
    CHECK(remove("file") == 0 && remove("other") == 0);
    guest_leave(place);
    return 0;
}
