// Processes: children that print and exit, children that end by a signal, pipes from children, forks made by several
// threads at once. Prints process ids and the order in which children end.
#include "guest.h"

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILDREN = 4 };

static int threads, iterations;

struct outcome {
    uint64_t order;
    pid_t last;
    int statuses;
};

static struct outcome outcomes[GUEST_THREADS_MAX];

// The output is flushed before every fork, or the child would print the parent's part again.
static void fork_that_prints(void) {
    int variable = 1;
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        variable++;
        printf("child %d of %d variable %d\n", getpid(), getppid(), variable);
        exit(7);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    printf("parent %d child %d exited %d with %d variable %d\n", getpid(), child, WIFEXITED(status),
           WEXITSTATUS(status), variable);
}

static void fork_that_is_killed(void) {
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        raise(SIGTERM);
        _exit(1);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    printf("child killed %d by %d\n", WIFSIGNALED(status), WTERMSIG(status));
}

// Several children at once: which one ends first, and how their lines mix in the pipe, is up to the scheduler.
static void fork_many(void) {
    int pipes[2];
    CHECK(pipe(pipes) == 0);
    fflush(stdout);
    for (int i = 0; i < CHILDREN; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child > 0) continue;
        close(pipes[0]);
        for (int j = 0; j < 5; j++) {
            char line[64];
            int length = snprintf(line, sizeof line, "child %d line %d pid %d\n", i, j, getpid());
            CHECK(write(pipes[1], line, (size_t)length) == length);
            sched_yield();
        }
        _exit(10 + i);
    }
    close(pipes[1]);
    char buffer[256];
    ssize_t length;
    while ((length = read(pipes[0], buffer, sizeof buffer)) > 0) fwrite(buffer, 1, (size_t)length, stdout);
    close(pipes[0]);
    for (int i = 0; i < CHILDREN; i++) {
        int status;
        pid_t child = waitpid(-1, &status, 0);
        CHECK(child > 0);
        printf("ended %d with %d\n", child, WEXITSTATUS(status));
    }
    CHECK(waitpid(-1, NULL, 0) < 0 && errno == ECHILD);
}

// In the child of a threaded process only async-signal-safe calls are made.
static void *fork_thread(void *argument) {
    struct outcome *outcome = &outcomes[(intptr_t)argument];
    outcome->order = GUEST_HASH_START;
    for (int i = 0; i < iterations; i++) {
        int pipes[2], status, answer[2];
        CHECK(pipe(pipes) == 0);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            answer[0] = getpid();
            answer[1] = i;
            _exit(write(pipes[1], answer, sizeof answer) == sizeof answer ? i % 100 : 255);
        }
        CHECK(read(pipes[0], answer, sizeof answer) == sizeof answer);
        CHECK(answer[0] == child && answer[1] == i);
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == i % 100);
        outcome->statuses += WEXITSTATUS(status);
        outcome->last = child;
        outcome->order = guest_hash(outcome->order, (uint64_t)child);
        close(pipes[0]);
        close(pipes[1]);
    }
    return NULL;
}

int main(int count, char **arguments) {
    threads = guest_threads(count, arguments);
    iterations = guest_iterations(count, arguments, 10);
    fork_that_prints();
    fork_that_is_killed();
    fork_many();
    fflush(stdout);
    guest_run_threads(threads, fork_thread);
    for (int i = 0; i < threads; i++)
        printf("thread %d statuses %d last %d children %016llx\n", i, outcomes[i].statuses, outcomes[i].last,
               (unsigned long long)outcomes[i].order);
    return 0;
}
