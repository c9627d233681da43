// What the kernel and the machine say: clocks, sleeps, random bytes, identities. Prints every value, first from the
// main thread, then from all threads, each line under a lock.
#include "guest.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <unistd.h>

static pthread_mutex_t print_lock = PTHREAD_MUTEX_INITIALIZER;
static int iterations;

static const struct {
    clockid_t clock;
    const char *name;
} clocks[] = {
    {CLOCK_REALTIME, "realtime"},
    {CLOCK_MONOTONIC, "monotonic"},
    {CLOCK_PROCESS_CPUTIME_ID, "process"},
    {CLOCK_THREAD_CPUTIME_ID, "thread"},
    {CLOCK_MONOTONIC_RAW, "raw"},
    {CLOCK_REALTIME_COARSE, "realtime_coarse"},
    {CLOCK_MONOTONIC_COARSE, "monotonic_coarse"},
    {CLOCK_BOOTTIME, "boottime"},
    {CLOCK_TAI, "tai"},
};

static void print_clocks(int thread) {
    for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++) {
        struct timespec now;
        CHECK(clock_gettime(clocks[i].clock, &now) == 0);
        pthread_mutex_lock(&print_lock);
        printf("%d %s %lld.%09ld\n", thread, clocks[i].name, (long long)now.tv_sec, now.tv_nsec);
        pthread_mutex_unlock(&print_lock);
    }
    struct timeval day;
    struct timespec utc, resolution;
    struct tms ticks;
    gettimeofday(&day, NULL);
    CHECK(timespec_get(&utc, TIME_UTC) == TIME_UTC);
    CHECK(clock_getres(CLOCK_MONOTONIC, &resolution) == 0);
    clock_t uptime = times(&ticks);
    clock_t processor = clock();
    long long seconds = (long long)time(NULL);
    pthread_mutex_lock(&print_lock);
    printf("%d gettimeofday %lld.%06ld time %lld utc %lld.%09ld resolution %ld times %ld clock %ld\n", thread,
           (long long)day.tv_sec, (long)day.tv_usec, seconds, (long long)utc.tv_sec, utc.tv_nsec, resolution.tv_nsec,
           (long)uptime, (long)processor);
    pthread_mutex_unlock(&print_lock);
}

static void print_sleep(int thread) {
    struct timespec before, after;
    struct timespec left = {0};
    clock_gettime(CLOCK_MONOTONIC, &before);
    int status = nanosleep(&(struct timespec){.tv_nsec = 100000}, &left);
    int second = clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = 1000}, NULL);
    int third = usleep(1);
    clock_gettime(CLOCK_MONOTONIC, &after);
    long long slept = (after.tv_sec - before.tv_sec) * 1000000000LL + after.tv_nsec - before.tv_nsec;
    pthread_mutex_lock(&print_lock);
    printf("%d slept %lld ns, status %d %d %d\n", thread, slept, status, second, third);
    pthread_mutex_unlock(&print_lock);
}

static void print_random(int thread) {
    unsigned char first[16], second[16], third[8];
    CHECK(getrandom(first, sizeof first, 0) == sizeof first);
    int device = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    CHECK(device >= 0);
    CHECK(read(device, second, sizeof second) == sizeof second);
    close(device);
    CHECK(getentropy(third, sizeof third) == 0);
    pthread_mutex_lock(&print_lock);
    printf("%d random ", thread);
    for (size_t i = 0; i < sizeof first; i++) printf("%02x", first[i]);
    printf(" ");
    for (size_t i = 0; i < sizeof second; i++) printf("%02x", second[i]);
    printf(" ");
    for (size_t i = 0; i < sizeof third; i++) printf("%02x", third[i]);
    printf("\n");
    pthread_mutex_unlock(&print_lock);
}

static void print_identity(int thread) {
    unsigned cpu = 0, node = 0;
    CHECK(getcpu(&cpu, &node) == 0);
    int current = sched_getcpu();
    struct rusage usage;
    CHECK(getrusage(RUSAGE_THREAD, &usage) == 0);
    pthread_mutex_lock(&print_lock);
    printf("%d pid %d parent %d tid %d %ld cpu %d %u node %u faults %ld switches %ld\n", thread, getpid(), getppid(),
           gettid(), syscall(SYS_gettid), current, cpu, node, usage.ru_minflt, usage.ru_nvcsw + usage.ru_nivcsw);
    pthread_mutex_unlock(&print_lock);
}

static void print_machine(void) {
    struct utsname names;
    struct sysinfo info;
    cpu_set_t set;
    CHECK(uname(&names) == 0);
    CHECK(sysinfo(&info) == 0);
    CHECK(sched_getaffinity(0, sizeof set, &set) == 0);
    printf("uname %s %s %s %s %s\n", names.sysname, names.nodename, names.release, names.version, names.machine);
    printf("sysinfo uptime %ld free %lu processes %u processors %ld of %d\n", info.uptime, info.freeram, info.procs,
           sysconf(_SC_NPROCESSORS_ONLN), CPU_COUNT(&set));
    printf("user %d %d group %d %d session %d\n", (int)getuid(), (int)geteuid(), (int)getgid(), (int)getegid(),
           (int)getsid(0));
}

static void print_all(int thread) {
    print_clocks(thread);
    print_sleep(thread);
    print_random(thread);
    print_identity(thread);
}

static void *clock_thread(void *argument) {
    for (int i = 0; i < iterations; i++) print_all((int)(intptr_t)argument);
    return NULL;
}

int main(int count, char **arguments) {
    int threads = guest_threads(count, arguments);
    iterations = guest_iterations(count, arguments, 10);
    print_machine();
    print_all(-1);
    guest_run_threads(threads, clock_thread);
    return 0;
}
