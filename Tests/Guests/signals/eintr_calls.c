// read, poll, select, accept, recv, nanosleep, sem_timedwait and waitpid, each interrupted by an alarm.
#include "../small.h"

#include <netinet/in.h>
#include <poll.h>
#include <semaphore.h>
#include <sys/select.h>
#include <sys/socket.h>

static volatile sig_atomic_t alarms;

static void on_alarm(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    alarms = alarms + 1;
}
static void tell(const char *call, long result) {
    int error = errno;
    printf("%s: %ld %s, alarms %d\n", call, result, result < 0 ? strerror(error) : "", (int)alarms);
}

int main(void) {
    int pipes[2], pair[2];
    char byte;
    CHECK(pipe(pipes) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    int server = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK(bind(server, (struct sockaddr *)&name, sizeof name) == 0 && listen(server, 1) == 0);
    handle(SIGALRM, on_alarm, 0);
    every(2000);
    tell("read", read(pipes[0], &byte, 1));
    struct pollfd wait = {.fd = pipes[0], .events = POLLIN};
    tell("poll", poll(&wait, 1, -1));
    fd_set set;
    FD_ZERO(&set);
    FD_SET(pipes[0], &set);
    tell("select", select(pipes[0] + 1, &set, NULL, NULL, NULL));
    tell("accept", accept(server, NULL, NULL));
    tell("recv", recv(pair[0], &byte, 1, 0));
    struct timespec left = {0};
    tell("nanosleep", nanosleep(&(struct timespec){.tv_sec = 9}, &left));
    printf("left %lld.%09ld\n", (long long)left.tv_sec, left.tv_nsec);
    sem_t semaphore;
    sem_init(&semaphore, 0, 0);
    struct timespec deadline = guest_deadline(CLOCK_REALTIME, 0);
    deadline.tv_sec += 9;
    tell("sem_wait", sem_wait(&semaphore));
    tell("sem_timedwait", sem_timedwait(&semaphore, &deadline));
    pid_t child = fork_surely();
    if (child == 0) {
        pause();
        _exit(0);
    }
    int status;
    tell("waitpid", waitpid(child, &status, 0));
    every(0);
    kill(child, SIGKILL);
    while (waitpid(child, &status, 0) < 0) {}
    printf("status %x\n", status);
    stamp("end");
}
