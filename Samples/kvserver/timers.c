// The two periodic threads: one drops expired items, one measures the rate of commands.
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "server.h"
#include "worker.h"

static void *expiry_main(void *argument) {
    struct server *server = argument;
    struct timespec wake_at;
    clock_gettime(CLOCK_MONOTONIC, &wake_at);
    pthread_mutex_lock(&server->expiry_lock);
    while (!server->expiry_stop) {
        wake_at.tv_sec++;
        int status = 0;
        while (!server->expiry_stop && status != ETIMEDOUT)
            status = pthread_cond_timedwait(&server->expiry_wake, &server->expiry_lock, &wake_at);
        if (server->expiry_stop) break;
        pthread_mutex_unlock(&server->expiry_lock);
        size_t expired = store_expire(server->store, clock_ms());
        if (server->verbose && expired > 0) fprintf(stderr, "kvserver: %zu items expired\n", expired);
        pthread_mutex_lock(&server->expiry_lock);
    }
    pthread_mutex_unlock(&server->expiry_lock);
    return NULL;
}

void expiry_start(struct server *server) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&server->expiry_wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&server->expiry_lock, NULL);
    errno = pthread_create(&server->expiry_thread, NULL, expiry_main, server);
    if (errno != 0) die("pthread_create");
}

void expiry_stop(struct server *server) {
    pthread_mutex_lock(&server->expiry_lock);
    server->expiry_stop = true;
    pthread_cond_signal(&server->expiry_wake);
    pthread_mutex_unlock(&server->expiry_lock);
    pthread_join(server->expiry_thread, NULL);
    pthread_cond_destroy(&server->expiry_wake);
    pthread_mutex_destroy(&server->expiry_lock);
}

void counters_add(struct counters *sum, const struct counters *part) {
    sum->commands += part->commands;
    sum->gets += part->gets;
    sum->hits += part->hits;
    sum->writes += part->writes;
    sum->touches += part->touches;
    sum->deletes += part->deletes;
    sum->connections += part->connections;
}

struct counters server_counters(struct server *server) {
    struct counters sum = {0};
    for (int i = 0; i < server->worker_count; i++) {
        struct worker *worker = &server->workers[i];
        pthread_mutex_lock(&worker->counters_lock);
        counters_add(&sum, &worker->counters);
        pthread_mutex_unlock(&worker->counters_lock);
    }
    return sum;
}

static void statistics_sample(struct server *server, uint64_t seconds) {
    struct counters sum = server_counters(server);
    pthread_mutex_lock(&server->statistics_lock);
    uint64_t rate = (sum.commands - server->commands_seen) / seconds;
    server->commands_seen = sum.commands;
    server->commands_per_second = rate;
    pthread_mutex_unlock(&server->statistics_lock);
    if (!server->verbose) return;
    struct store_totals totals = store_totals(server->store);
    fprintf(stderr, "kvserver: %llu commands/s, %zu items, %llu evictions\n", (unsigned long long)rate, totals.live,
            (unsigned long long)totals.evictions);
}

static void *statistics_main(void *argument) {
    struct server *server = argument;
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    struct itimerspec every_second = {.it_interval.tv_sec = 1, .it_value.tv_sec = 1};
    if (timer < 0 || timerfd_settime(timer, 0, &every_second, NULL) != 0) die("timerfd");
    struct pollfd fds[2] = {{.fd = timer, .events = POLLIN}, {.fd = server->statistics_stop, .events = POLLIN}};
    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR) die("poll");
        if (fds[1].revents) break;
        uint64_t ticks = 0;
        if (fds[0].revents && read(timer, &ticks, sizeof ticks) == sizeof ticks) statistics_sample(server, ticks);
    }
    close(timer);
    return NULL;
}

void statistics_start(struct server *server) {
    pthread_mutex_init(&server->statistics_lock, NULL);
    server->statistics_stop = eventfd(0, EFD_CLOEXEC);
    if (server->statistics_stop < 0) die("eventfd");
    errno = pthread_create(&server->statistics_thread, NULL, statistics_main, server);
    if (errno != 0) die("pthread_create");
}

void statistics_stop(struct server *server) {
    uint64_t one = 1;
    if (write(server->statistics_stop, &one, sizeof one) != sizeof one) die("eventfd");
    pthread_join(server->statistics_thread, NULL);
    close(server->statistics_stop);
    pthread_mutex_destroy(&server->statistics_lock);
}
