// A server over UDP that has a child do the work: what a standby has to take over of processes, threads and their ids.
// family_server ADDRESS PORT
//
// A request is "ID NUMBER"; the answer "ID COUNT SUM": requests so far and the sum of their numbers, which the child adds up. A request
// that is asked again gets the same answer and counts once. Every hundredth one has a child of its own that lives as long as it takes to exec
// another program. "ID quit" ends it with status 3, after signals to the child, to a thread, and to itself.
#include "guest.h"

#include <arpa/inet.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;
static volatile sig_atomic_t signalled;
static pid_t own_id, own_thread;

static void on_signal(int number) {
    (void)number;
    signalled++;
}

static void *wait_for_signal(void *unused) {
    (void)unused;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    int number = 0;
    CHECK(sigwait(&set, &number) == 0 && number == SIGUSR2);
    return NULL;
}

static void add(int requests) {
    long sum = 0, number;
    while (read(requests, &number, sizeof number) == sizeof number) {
        sum += number;
        CHECK(write(requests, &sum, sizeof sum) == sizeof sum);
    }
    _exit(9);
}

static void run_program(void) {
    char *words[] = {"true", NULL};
    pid_t child;
    int status;
    CHECK(posix_spawn(&child, "/bin/true", NULL, NULL, words, environ) == 0);
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

// Of the one that is waited for, also where the primary's was made.
static void end(pid_t child, pthread_t thread) {
    int status;
    CHECK(getpid() == own_id && gettid() == own_thread);
    CHECK(waitpid(child, &status, WNOHANG) == 0);
    CHECK(kill(child, 0) == 0 && kill(child, SIGTERM) == 0);
    CHECK(waitpid(-1, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    CHECK(pthread_kill(thread, SIGUSR2) == 0 && pthread_join(thread, NULL) == 0);
    CHECK(raise(SIGUSR1) == 0 && signalled == 1);
}

int main(int count, char **arguments) {
    CHECK(count == 3);
    own_id = getpid();
    own_thread = gettid();
    int server = socket(AF_INET, SOCK_DGRAM, 0), pair[2];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(arguments[2]))};
    CHECK(inet_pton(AF_INET, arguments[1], &address.sin_addr) == 1);
    CHECK(bind(server, (void *)&address, sizeof address) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        close(pair[0]);
        add(pair[1]);
    }
    close(pair[1]);
    CHECK(signal(SIGUSR1, on_signal) != SIG_ERR);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, wait_for_signal, NULL) == 0);
    fprintf(stderr, "ready\n");

    long requests = 0;
    char last[64] = "", answer[128] = "";
    for (bool ends = false; !ends;) {
        char request[256], id[64] = "", word[64] = "";
        struct sockaddr_in client;
        socklen_t length = sizeof client;
        ssize_t n = recvfrom(server, request, sizeof request - 1, 0, (void *)&client, &length);
        if (n < 0) continue;
        request[n] = 0;
        if (sscanf(request, "%63s %63s", id, word) != 2) continue;
        if (strcmp(id, last) != 0) {
            ends = strcmp(word, "quit") == 0;
            long number = ends ? 0 : atol(word), sum;
            CHECK(write(pair[0], &number, sizeof number) == sizeof number && read(pair[0], &sum, sizeof sum) == sizeof sum);
            if (++requests % 100 == 0) run_program();
            snprintf(answer, sizeof answer, "%s %ld %ld", id, requests, sum);
            snprintf(last, sizeof last, "%s", id);
        }
        sendto(server, answer, strlen(answer), 0, (void *)&client, length);
    }
    end(child, thread);
    printf("%ld requests\n", requests);
    return 3;
}
