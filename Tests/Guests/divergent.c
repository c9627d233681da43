// Programs whose replay must diverge, to test that divergence is found and named. divergent event|poll|argument|deadlock
// Each reads the time stamp counter in inline assembly, a fact that no plane of interception sees (a compiler plugin
// that records RDTSC would: build this file without it), so the replay takes another path than the recording.
//
// event:    16 coin flips, each decides whether getppid() or getuid() is called. The replay calls one where the log has
//           the other: the event's kind differs. All flips agree by chance once in 65,536 runs.
// poll:     16 coin flips, each decides whether an empty critical section comes before a call. The replay takes a lock
//           that the log does not have, or misses one: what a thread that polls may do, but this one does not poll.
// argument: writes a line that contains the counter. The call is the same, its bytes differ.
// deadlock: in each of 16 rounds a coin decides which of two threads takes two mutexes first; the other spins on a plain
//           variable, which no lock orders, until the first one is done. When the replay's coin falls the other way,
//           the thread that the log lets go first spins for the other one, and the other one waits for its turn in the
//           log: neither advances. The spin is bounded in time stamp ticks so that the process ends even when nobody
//           notices; natively it ends at once.
#include "guest.h"

#include <unistd.h>

enum { FLIPS = 16 };

// Some 20 s at common clock rates.
#define SPIN_TICKS UINT64_C(60000000000)

static uint64_t read_counter(void) {
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

// Bit 0 is constant on some machines: mix before choosing.
static int flip_coin(void) {
    uint64_t mixed = guest_hash(guest_hash(GUEST_HASH_START, read_counter()), 1);
    return (int)(mixed >> 17 & 1);
}

static void *nothing(void *argument) { return argument; }

static int diverge_in_event(void) {
    long sum = 0;
    for (int i = 0; i < FLIPS; i++) sum += flip_coin() ? getppid() : (long)getuid();
    return sum < 0;
}

static int diverge_in_locks(void) {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    long sum = 0;
    guest_run_threads(1, nothing); // locks of a program with one thread are no events
    for (int i = 0; i < FLIPS; i++) {
        if (flip_coin()) {
            pthread_mutex_lock(&mutex);
            pthread_mutex_unlock(&mutex);
        }
        sum += getppid();
    }
    return sum < 0;
}

static int diverge_in_argument(void) {
    char line[64];
    int length = snprintf(line, sizeof line, "counter %llu\n", (unsigned long long)read_counter());
    return write(STDOUT_FILENO, line, (size_t)length) != length;
}

static pthread_mutex_t first_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t second_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t round_start;
static int first_thread;            // set before the barrier
static volatile int rounds_done[2]; // the racing hand-off: on purpose neither locked nor atomic

static void *round_thread(void *argument) {
    int thread = (int)(intptr_t)argument;
    for (int round = 1; round <= FLIPS; round++) {
        if (thread == 0) first_thread = flip_coin();
        pthread_barrier_wait(&round_start);
        if (thread != first_thread) {
            uint64_t start = read_counter();
            while (rounds_done[first_thread] < round && read_counter() - start < SPIN_TICKS) __asm__ volatile("pause");
        }
        pthread_mutex_lock(&first_mutex);
        pthread_mutex_lock(&second_mutex);
        pthread_mutex_unlock(&second_mutex);
        pthread_mutex_unlock(&first_mutex);
        rounds_done[thread] = round;
        pthread_barrier_wait(&round_start);
    }
    return NULL;
}

static int diverge_in_order(void) {
    pthread_barrier_init(&round_start, NULL, 2);
    guest_run_threads(2, round_thread);
    return 0;
}

int main(int count, char **arguments) {
    const char *kind = count > 1 ? arguments[1] : "";
    if (strcmp(kind, "event") == 0) return diverge_in_event();
    if (strcmp(kind, "poll") == 0) return diverge_in_locks();
    if (strcmp(kind, "argument") == 0) return diverge_in_argument();
    if (strcmp(kind, "deadlock") == 0) return diverge_in_order();
    fprintf(stderr, "usage: divergent event|argument|deadlock\n");
    return 2;
}
