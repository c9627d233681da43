// With SA_RESTART a read, a wait for a child and a lock go on after each alarm.
#include "../small.h"

static volatile sig_atomic_t alarms;
static int pipes[2];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void on_alarm(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    alarms = alarms + 1;
}

static void *helper(void *argument) {
    block(SIGALRM);
    pthread_mutex_lock(&lock);
    rest(8000);
    CHECK(write(pipes[1], "x", 1) == 1);
    rest(8000);
    pthread_mutex_unlock(&lock);
    return argument;
}

int main(void) {
    char byte = 0;
    int status = 0;
    pthread_t thread;
    CHECK(pipe(pipes) == 0);
    handle(SIGALRM, on_alarm, SA_RESTART);
    CHECK(pthread_create(&thread, NULL, helper, NULL) == 0);
    every(1000);
    CHECK(read(pipes[0], &byte, 1) == 1);
    printf("read %c after %d\n", byte, (int)alarms);
    pthread_mutex_lock(&lock);
    printf("locked after %d\n", (int)alarms);
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
    pid_t child = fork_surely();
    if (child == 0) {
        rest(8000);
        _exit(7);
    }
    CHECK(waitpid(child, &status, 0) == child);
    every(0);
    printf("child %d status %d after %d\n", (int)child, WEXITSTATUS(status), (int)alarms);
}
