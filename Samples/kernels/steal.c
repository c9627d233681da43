// Tasks that make tasks, as in Radiosity: steal [THREADS] [DEPTH]. Each thread has a stack of tasks with a mutex; who finds
// its own empty takes the oldest task of another. A task of some depth computes and makes two of one less, or now and then
// three. What a thread did, in its order, is in the result.
#include "kernel.h"

enum { TASKS = 4096, WORK = 500 };

struct stack {
    _Alignas(LINE) pthread_mutex_t mutex;
    int tasks[TASKS]; // their depth; the oldest at `bottom`
    int bottom, top;
};
static struct stack stacks[64];
static pthread_mutex_t count_mutex = PTHREAD_MUTEX_INITIALIZER;
static long open_tasks = 1;
static uint64_t results[64], met[64];

static bool push(struct stack *stack, int depth) {
    pthread_mutex_lock(&stack->mutex);
    bool fits = stack->top - stack->bottom < TASKS;
    if (fits) stack->tasks[stack->top++ % TASKS] = depth;
    pthread_mutex_unlock(&stack->mutex);
    return fits;
}

// The newest of one's own, the oldest of another's; -1 when there is none.
static int pop(struct stack *stack, bool is_own) {
    int depth = -1;
    pthread_mutex_lock(&stack->mutex);
    if (stack->top > stack->bottom) depth = stack->tasks[(is_own ? --stack->top : stack->bottom++) % TASKS];
    pthread_mutex_unlock(&stack->mutex);
    return depth;
}

static long add_open(long change) {
    pthread_mutex_lock(&count_mutex);
    long open = open_tasks += change;
    pthread_mutex_unlock(&count_mutex);
    return open;
}

static void work(int self, int depth, uint64_t *random) {
    results[self] = mixed(results[self], compute((uint64_t)depth, WORK));
    int children = depth == 0 ? 0 : 2 + (next_random(random) % 8 == 0 && depth > 2);
    add_open(children - 1);
    met[self] += 2 + (uint64_t)children;
    // A stack that is full: they are done at once.
    for (int i = 0; i < children; i++)
        if (!push(&stacks[self], depth - 1)) work(self, depth - 1, random);
}

static void *body(void *argument) {
    int self = (int)(intptr_t)argument;
    uint64_t random = seed_of(self);
    pthread_barrier_wait(&all);
    for (;;) {
        int depth = pop(&stacks[self], true);
        for (int i = 1; depth < 0 && i < threads; i++) depth = pop(&stacks[(self + i) % threads], false);
        if (depth >= 0) work(self, depth, &random);
        else if (add_open(0) == 0) return NULL;
        else nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
    }
}

int main(int count, char **arguments) {
    threads = argument(count, arguments, 1, 4, 64);
    int depth = argument(count, arguments, 2, 12, 24);
    for (int i = 0; i < threads; i++) pthread_mutex_init(&stacks[i].mutex, NULL);
    push(&stacks[0], depth);
    double seconds = run_threads(body);
    uint64_t result = 0, sum = 0;
    for (int i = 0; i < threads; i++) result = mixed(result, results[i]), sum += met[i];
    return report(seconds, sum, result);
}
