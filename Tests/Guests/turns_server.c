// Two threads that answer the same connections in turns, by every call that sends: turns_server ADDRESS PORT. A client's line "N" is
// answered by N bytes, piece by piece, "crash N" the same, and then the program dies of SIGABRT, "end" by the end of the connection.
// Byte i of what a connection gets is i % 251.
#include "guest.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { CONNECTIONS = 64, PIECE = 251 * 400 };
static unsigned char pattern[2 * PIECE];
static long long sent[CONNECTIONS + 16];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct { int to; long long left; int crashes; } job;
static int turn;

static ssize_t send_by(unsigned call, int to, unsigned char *from, size_t n) {
    struct iovec halves[2] = {{from, n / 2}, {from + n / 2, n - n / 2}};
    struct msghdr message = {.msg_iov = halves, .msg_iovlen = 2};
    switch (call % 5) {
    case 0: return write(to, from, n);
    case 1: return writev(to, halves, 2);
    case 2: return send(to, from, n, MSG_NOSIGNAL);
    case 3: return sendmsg(to, &message, MSG_DONTWAIT);
    default: return send(to, from, n, MSG_MORE);
    }
}
static void send_piece(int to, unsigned call, size_t n) {
    while (n > 0) {
        ssize_t went = send_by(call, to, pattern + sent[to] % 251, n);
        if (went < 0) {
            CHECK(errno == EAGAIN);
            struct pollfd room = {.fd = to, .events = POLLOUT};
            CHECK(poll(&room, 1, -1) == 1);
            continue;
        }
        sent[to] += went;
        n -= (size_t)went;
    }
}
static void *answer(void *number) {
    int self = (int)(long)number;
    unsigned random = (unsigned)self + 1;
    pthread_mutex_lock(&lock);
    for (unsigned call = 0;; call++) {
        while (job.left == 0 || turn != self) pthread_cond_wait(&changed, &lock);
        random = random * 1664525 + 1013904223;
        size_t most = random >> 28 == 0 ? PIECE : 3000, n = 1 + (random >> 8) % most;
        if ((long long)n > job.left) n = (size_t)job.left;
        send_piece(job.to, call, n);
        job.left -= (long long)n;
        if (job.left == 0 && job.crashes) abort();
        turn = !self;
        pthread_cond_broadcast(&changed);
    }
    return NULL;
}
static int serve(int client) {
    char line[64];
    ssize_t n = read(client, line, sizeof line - 1);
    if (n < 0 && errno == EAGAIN) return 1;  // what was there when the primary died has yet to come again
    if (n <= 0) return 0;
    line[n] = 0;
    if (strncmp(line, "end", 3) == 0) return 0;
    int crashes = strncmp(line, "crash ", 6) == 0;
    pthread_mutex_lock(&lock);
    while (job.left > 0) pthread_cond_wait(&changed, &lock);
    job.to = client;
    job.crashes = crashes;
    job.left = atoll(line + (crashes ? 6 : 0));
    pthread_cond_broadcast(&changed);
    while (job.left > 0) pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    return 1;
}

int main(int argc, char **argv) {
    CHECK(argc == 3);
    for (int i = 0; i < 2 * PIECE; i++) pattern[i] = (unsigned char)(i % 251);
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1, set = epoll_create1(0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    inet_pton(AF_INET, argv[1], &name.sin_addr);
    CHECK(bind(listener, (struct sockaddr *)&name, sizeof name) == 0 && listen(listener, 64) == 0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(set, EPOLL_CTL_ADD, listener, &event);
    pthread_t threads[2];
    for (long i = 0; i < 2; i++) pthread_create(&threads[i], NULL, answer, (void *)i);
    printf("listening\n");
    fflush(stdout);
    for (;;) {
        struct epoll_event events[16];
        int n = epoll_wait(set, events, 16, -1);
        for (int i = 0; i < n; i++) {
            int from = events[i].data.fd;
            if (from == listener) {
                int client = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
                CHECK(client >= 0 && client < CONNECTIONS + 16);
                sent[client] = 0;
                event.data.fd = client;
                epoll_ctl(set, EPOLL_CTL_ADD, client, &event);
            } else if (!serve(from)) {
                close(from);
            }
        }
    }
}
