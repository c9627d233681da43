// Libc functions that take private locks, called by many threads at once: streams shared by all, rand, the environment,
// the time zone. The interleaving on stdout is the transcript.
#include "guest.h"

#include <unistd.h>

static int threads, iterations;
static FILE *shared;  // written by all, then read by all
static FILE *scratch; // tmpfile()
static pthread_barrier_t barrier;
static pthread_mutex_t static_result_lock = PTHREAD_MUTEX_INITIALIZER; // for functions that return static memory

struct outcome {
    uint64_t random;
    uint64_t lines;
    int line_count;
};

static struct outcome outcomes[GUEST_THREADS_MAX];

// Each call takes the stream's lock by itself, so the pieces of different threads mix.
static void write_pieces(FILE *stream, int thread, int i) {
    fputs("<", stream);
    fprintf(stream, "%d.%d", thread, i);
    putc('>', stream);
    fwrite(" ", 1, 1, stream);
    if (i % 8 == 7) putc('\n', stream);
}

static void write_whole_line(FILE *stream, int thread, int i) {
    flockfile(stream);
    fprintf(stream, "line %d", thread);
    putc_unlocked(' ', stream);
    fprintf(stream, "%d\n", i);
    funlockfile(stream);
}

static void print_time(int thread) {
    static const time_t moment = 1700000000;
    time_t now = time(NULL);
    struct tm parts;
    char text[64];
    localtime_r(&now, &parts);
    strftime(text, sizeof text, "%F %T %Z", &parts);
    pthread_mutex_lock(&static_result_lock);
    struct tm *fixed = localtime(&moment);
    printf("time %d now %s fixed %d:%02d\n", thread, text, fixed->tm_hour, fixed->tm_min);
    pthread_mutex_unlock(&static_result_lock);
}

static void set_environment(int thread) {
    char name[32], value[32];
    snprintf(name, sizeof name, "GUEST_%d", thread);
    for (int i = 0; i < 4; i++) {
        snprintf(value, sizeof value, "%d", thread * 100 + i);
        CHECK(setenv(name, value, 1) == 0);
    }
    snprintf(name, sizeof name, "GUEST_GONE_%d", thread);
    CHECK(setenv(name, "x", 1) == 0);
    CHECK(unsetenv(name) == 0);
}

// Streams that come and go: libc links every open one into a list with a lock.
static void open_and_close(struct outcome *outcome) {
    char text[64] = "";
    FILE *stream = fopen("/dev/null", "r+");
    CHECK(stream);
    fprintf(stream, "nothing");
    fclose(stream);
    char memory[64];
    FILE *in_memory = fmemopen(memory, sizeof memory, "w+");
    CHECK(in_memory);
    fprintf(in_memory, "%llu", (unsigned long long)outcome->random);
    rewind(in_memory);
    CHECK(fgets(text, sizeof text, in_memory));
    fclose(in_memory);
    outcome->lines = guest_hash_bytes(outcome->lines, text, strlen(text));
}

static void read_lines(struct outcome *outcome) {
    char line[256];
    while (fgets(line, sizeof line, shared)) {
        outcome->lines = guest_hash_bytes(outcome->lines, line, strlen(line));
        outcome->line_count++;
        int c = getc(shared);
        if (c != EOF) ungetc(c, shared);
    }
}

static void *stream_thread(void *argument) {
    int thread = (int)(intptr_t)argument;
    struct outcome *outcome = &outcomes[thread];
    outcome->random = outcome->lines = GUEST_HASH_START;
    for (int i = 0; i < iterations; i++) {
        write_pieces(stdout, thread, i);
        write_whole_line(stdout, thread, i);
        write_whole_line(shared, thread, i);
        write_pieces(scratch, thread, i);
        outcome->random = guest_hash(outcome->random, (uint64_t)rand());
        outcome->random = guest_hash(outcome->random, (uint64_t)random());
        if (i % 16 == 0) open_and_close(outcome);
        if (i % 32 == 0) print_time(thread);
    }
    set_environment(thread);
    if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) rewind(shared);
    pthread_barrier_wait(&barrier);
    read_lines(outcome);
    return NULL;
}

static uint64_t hash_stream(FILE *stream, long *length) {
    uint64_t hash = GUEST_HASH_START;
    rewind(stream);
    for (int c = getc(stream); c != EOF; c = getc(stream)) hash = guest_hash(hash, (uint64_t)c);
    *length = ftell(stream);
    return hash;
}

int main(int count, char **arguments) {
    extern char **environ;
    threads = guest_threads(count, arguments);
    iterations = guest_iterations(count, arguments, 100);
    srand((unsigned)time(NULL));
    srandom(42);
    setenv("TZ", "Europe/Zurich", 1);

    char path[] = "/tmp/castor-guest-XXXXXX";
    int file = mkstemp(path);
    CHECK(file >= 0);
    printf("temporary file %s\n", path);
    shared = fdopen(file, "w+");
    scratch = tmpfile();
    CHECK(shared && scratch);
    unlink(path);
    pthread_barrier_init(&barrier, NULL, (unsigned)threads);

    guest_run_threads(threads, stream_thread);

    printf("\n");
    long shared_length, scratch_length;
    uint64_t shared_hash = hash_stream(shared, &shared_length);
    uint64_t scratch_hash = hash_stream(scratch, &scratch_length);
    printf("shared %ld bytes %016llx\nscratch %ld bytes %016llx\n", shared_length, (unsigned long long)shared_hash,
           scratch_length, (unsigned long long)scratch_hash);
    for (int i = 0; i < threads; i++)
        printf("thread %d random %016llx lines %d %016llx\n", i, (unsigned long long)outcomes[i].random,
               outcomes[i].line_count, (unsigned long long)outcomes[i].lines);
    // Their order in the environment is the order of the threads' first setenv.
    for (char **variable = environ; *variable; variable++)
        if (strncmp(*variable, "GUEST_", 6) == 0) printf("%s\n", *variable);
    fclose(scratch);
    fclose(shared);
    return 0;
}
