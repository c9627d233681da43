// A server over UDP whose state is spread over threads, memory, a file and a timer: what a standby has to take over.
// udp_server ADDRESS PORT FILE [LATE]
//
// At the thousandth request it opens the file LATE, which must be there.
// A request is "ID NUMBER"; the answer "ID COUNT SUM": requests so far and the sum of their numbers, which another thread adds up.
// A request that is asked again, because its answer was lost, gets the same answer and counts once. "ID quit" ends it with status 3.
#include "guest.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t given = PTHREAD_COND_INITIALIZER, taken = PTHREAD_COND_INITIALIZER;
static long number, sum;
static bool is_given;

static void *add(void *unused) {
    (void)unused;
    pthread_mutex_lock(&lock);
    for (;;) {
        while (!is_given) pthread_cond_wait(&given, &lock);
        sum += number;
        is_given = false;
        pthread_cond_signal(&taken);
    }
    return NULL;
}

static long added(long value) {
    pthread_mutex_lock(&lock);
    number = value;
    is_given = true;
    pthread_cond_signal(&given);
    while (is_given) pthread_cond_wait(&taken, &lock);
    long result = sum;
    pthread_mutex_unlock(&lock);
    return result;
}

int main(int count, char **arguments) {
    CHECK(count == 4 || count == 5);
    int server = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(arguments[2]))};
    CHECK(inet_pton(AF_INET, arguments[1], &address.sin_addr) == 1);
    CHECK(bind(server, (void *)&address, sizeof address) == 0);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct itimerspec every = {{0, 20000000}, {0, 20000000}};
    CHECK(timerfd_settime(timer, 0, &every, NULL) == 0);
    int events = epoll_create1(0);
    for (int i = 0; i < 2; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = i ? timer : server};
        CHECK(epoll_ctl(events, EPOLL_CTL_ADD, event.data.fd, &event) == 0);
    }
    FILE *file = fopen(arguments[3], "a");
    CHECK(file != NULL);
    pthread_t adder;
    CHECK(pthread_create(&adder, NULL, add, NULL) == 0);
    fprintf(stderr, "ready\n");

    long requests = 0, ticks = 0;
    char last[64] = "", answer[128] = "";
    for (bool ends = false; !ends;) {
        struct epoll_event event;
        if (epoll_wait(events, &event, 1, -1) < 1) continue;
        if (event.data.fd == timer) {
            uint64_t expirations;
            if (read(timer, &expirations, sizeof expirations) == sizeof expirations) ticks += (long)expirations;
            continue;
        }
        char request[256], id[64] = "", word[64] = "";
        struct sockaddr_in client;
        socklen_t length = sizeof client;
        ssize_t n = recvfrom(server, request, sizeof request - 1, 0, (void *)&client, &length);
        if (n < 0) continue;
        request[n] = 0;
        if (sscanf(request, "%63s %63s", id, word) != 2) continue;
        if (strcmp(id, last) != 0) {
            char *copy = strdup(id);  // the heap goes over, too
            ends = strcmp(word, "quit") == 0;
            if (++requests == 1000 && count == 5) {
                int late = open(arguments[4], O_RDONLY);
                CHECK(late >= 0 && close(late) == 0);
            }
            long total = added(ends ? 0 : atol(word));
            snprintf(answer, sizeof answer, "%s %ld %ld", copy, requests, total);
            snprintf(last, sizeof last, "%s", copy);
            free(copy);
            CHECK(fprintf(file, "%ld %s\n", requests, word) > 0 && fflush(file) == 0);
        }
        sendto(server, answer, strlen(answer), 0, (void *)&client, length);
    }
    CHECK(fclose(file) == 0);
    printf("%ld requests, the timer %s\n", requests, ticks > 0 ? "ticked" : "did not tick");
    return 3;
}
