// A write to a pipe that nobody reads: the handler runs, then EPIPE; ignored, only EPIPE; else the end.
#include "../small.h"

#include <sys/socket.h>

static volatile sig_atomic_t hits;

static void on_pipe(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    hits = hits + 1;
}

int main(void) {
    int ends[2], pair[2], status;
    CHECK(pipe(ends) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    close(ends[0]);
    close(pair[0]);
    handle(SIGPIPE, on_pipe, 0);
    for (int i = 0; i < 3; i++) {
        ssize_t result = write(ends[1], "x", 1);
        printf("write %zd %s, hits %d\n", result, strerror(errno), (int)hits);
    }
    ssize_t result = send(pair[1], "x", 1, MSG_NOSIGNAL);
    printf("send %zd %s, hits %d\n", result, strerror(errno), (int)hits);
    result = send(pair[1], "x", 1, 0);
    printf("send %zd %s, hits %d\n", result, strerror(errno), (int)hits);
    signal(SIGPIPE, SIG_IGN);
    result = write(ends[1], "x", 1);
    printf("ignored: %zd %s, hits %d\n", result, strerror(errno), (int)hits);
    fflush(stdout);
    pid_t child = fork_surely();
    if (child == 0) {
        signal(SIGPIPE, SIG_DFL);
        write(ends[1], "x", 1);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    printf("child %d ended by %d\n", (int)child, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}
