// Signals: handlers that interrupt waits, signals sent by the program to itself and to its threads, an alternate stack,
// a fault recovered with siglongjmp. Signals are observed between calls only, never inside a pure compute loop:
// where in such a loop a signal arrives is not an event.
#include "guest.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

static int threads, iterations;

// Written by handlers in the thread that reads them.
static __thread volatile sig_atomic_t alarms, users;
static volatile sig_atomic_t on_alternate_stack;
static char *alternate_stack;
static sigjmp_buf recovery;
static volatile uintptr_t fault_address;
static volatile sig_atomic_t fault_code;

static uint64_t user_order[GUEST_THREADS_MAX];
static int user_count[GUEST_THREADS_MAX];
static pthread_t peers[GUEST_THREADS_MAX];
static pthread_barrier_t barrier;

static void on_alarm(int signal) {
    (void)signal;
    alarms = alarms + 1;
}

static void on_user(int signal) {
    (void)signal;
    users = users + 1;
}

static void on_other_stack(int signal, siginfo_t *info, void *context) {
    (void)signal;
    (void)context;
    char here;
    on_alternate_stack = &here >= alternate_stack && &here < alternate_stack + SIGSTKSZ && info->si_pid == getpid();
}

static void on_fault(int signal, siginfo_t *info, void *context) {
    (void)signal;
    (void)context;
    fault_address = (uintptr_t)info->si_addr;
    fault_code = info->si_code;
    siglongjmp(recovery, 1);
}

static void install(int signal, void (*handler)(int), int flags) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigemptyset(&action.sa_mask);
    CHECK(sigaction(signal, &action, NULL) == 0);
}

static void install_with_info(int signal, void (*handler)(int, siginfo_t *, void *), int flags) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = flags | SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    CHECK(sigaction(signal, &action, NULL) == 0);
}

static void set_timer(long microseconds, long interval) {
    struct itimerval timer = {.it_value.tv_usec = microseconds, .it_interval.tv_usec = interval};
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

// The alarm repeats, so a wait that it just misses is interrupted by the next one.
static void interrupt_waits(void) {
    int pipes[2];
    char byte;
    CHECK(pipe(pipes) == 0);
    install(SIGALRM, on_alarm, 0);
    set_timer(2000, 2000);
    ssize_t status = read(pipes[0], &byte, 1);
    printf("read %zd %s\n", status, status < 0 ? strerror(errno) : "");
    struct timespec left = {0};
    int slept = nanosleep(&(struct timespec){.tv_sec = 5}, &left);
    printf("nanosleep %d left %lld.%09ld\n", slept, (long long)left.tv_sec, left.tv_nsec);
    set_timer(0, 0);
    printf("alarms %d\n", (int)alarms);
    close(pipes[0]);
    close(pipes[1]);
}

struct late_writer {
    int pipe;
};

static void *write_late(void *argument) {
    const struct late_writer *writer = argument;
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    CHECK(write(writer->pipe, "z", 1) == 1);
    return NULL;
}

// With SA_RESTART the read goes on after each alarm until the other thread writes.
static void restart_wait(void) {
    int pipes[2];
    char byte = 0;
    pthread_t thread;
    sigset_t alarm_set;
    CHECK(pipe(pipes) == 0);
    install(SIGALRM, on_alarm, SA_RESTART);
    alarms = 0;
    sigemptyset(&alarm_set);
    sigaddset(&alarm_set, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarm_set, NULL); // inherited: only this thread is to get the alarms
    struct late_writer writer = {.pipe = pipes[1]};
    CHECK(pthread_create(&thread, NULL, write_late, &writer) == 0);
    pthread_sigmask(SIG_UNBLOCK, &alarm_set, NULL);
    set_timer(1000, 1000);
    ssize_t status = read(pipes[0], &byte, 1);
    set_timer(0, 0);
    CHECK(pthread_join(thread, NULL) == 0);
    printf("restarted read %zd %c alarms %d\n", status, byte, (int)alarms);
    close(pipes[0]);
    close(pipes[1]);
}

// How many calls fit between alarms is decided by time alone.
static void count_calls(void) {
    alarms = 0;
    set_timer(500, 500);
    for (int expected = 1; expected <= 5; expected++) {
        long calls = 0;
        while (alarms < expected) {
            getppid();
            calls++;
        }
        printf("calls before alarm %d: %ld\n", expected, calls);
    }
    set_timer(0, 0);
}

static void signal_self(void) {
    install(SIGUSR1, on_user, 0);
    users = 0;
    raise(SIGUSR1);
    printf("after raise %d\n", (int)users);
    pthread_kill(pthread_self(), SIGUSR1);
    printf("after pthread_kill %d\n", (int)users);
    kill(getpid(), SIGUSR1);
    printf("after kill %d\n", (int)users);
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, &old);
    raise(SIGUSR1);
    raise(SIGUSR1);
    printf("blocked %d\n", (int)users);
    sigsuspend(&old);
    printf("after sigsuspend %d\n", (int)users);
    raise(SIGUSR1);
    siginfo_t info;
    int number = sigtimedwait(&set, &info, &(struct timespec){.tv_sec = 1});
    printf("sigtimedwait %d own %d\n", number == SIGUSR1, info.si_pid == getpid());
    number = sigtimedwait(&set, &info, &(struct timespec){.tv_nsec = 1000});
    printf("sigtimedwait %d %s\n", number, strerror(errno));
    sigprocmask(SIG_SETMASK, &old, NULL);
}

// Every thread signals the next one while it makes calls itself; it notes after which call a signal had arrived.
static void *peer_thread(void *argument) {
    int thread = (int)(intptr_t)argument;
    uint64_t order = GUEST_HASH_START;
    users = 0;
    peers[thread] = pthread_self();
    pthread_barrier_wait(&barrier);
    int seen = 0;
    for (int position = 0; position < iterations; position++) {
        if (position % 4 == 0) CHECK(pthread_kill(peers[(thread + 1) % threads], SIGUSR1) == 0);
        getppid();
        int arrived = users;
        if (arrived == seen) continue;
        order = guest_hash(order, (uint64_t)position << 32 | (uint64_t)(arrived - seen));
        seen = arrived;
    }
    pthread_barrier_wait(&barrier); // nobody signals a thread that has ended
    user_order[thread] = order;
    user_count[thread] = users;
    return NULL;
}

static void use_alternate_stack(void) {
    alternate_stack = malloc(SIGSTKSZ);
    stack_t stack = {.ss_sp = alternate_stack, .ss_size = SIGSTKSZ};
    CHECK(sigaltstack(&stack, NULL) == 0);
    install_with_info(SIGUSR2, on_other_stack, SA_ONSTACK);
    raise(SIGUSR2);
    printf("alternate stack %d\n", (int)on_alternate_stack);
    stack.ss_flags = SS_DISABLE;
    CHECK(sigaltstack(&stack, NULL) == 0);
    free(alternate_stack);
}

static void recover_from_fault(void) {
    install_with_info(SIGSEGV, on_fault, 0);
    char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    for (volatile int i = 0; i < 3; i++) {
        if (sigsetjmp(recovery, 1) == 0) {
            *(volatile char *)(page + i * 8) = 1;
            CHECK(false);
        }
        printf("fault at page + %d code %d\n", (int)(fault_address - (uintptr_t)page), (int)fault_code);
    }
    munmap(page, 4096);
    signal(SIGSEGV, SIG_DFL);
}

int main(int count, char **arguments) {
    threads = guest_threads(count, arguments);
    iterations = guest_iterations(count, arguments, 2000);
    interrupt_waits();
    restart_wait();
    count_calls();
    signal_self();
    use_alternate_stack();
    recover_from_fault();
    pthread_barrier_init(&barrier, NULL, (unsigned)threads);
    guest_run_threads(threads, peer_thread);
    for (int i = 0; i < threads; i++)
        printf("thread %d signals %d order %016llx\n", i, user_count[i], (unsigned long long)user_order[i]);
    return 0;
}
