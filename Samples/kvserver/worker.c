#include "worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "connection.h"

enum { EVENTS_AT_ONCE = 64 };

static void worker_wake(struct worker *worker) {
    uint64_t one = 1;
    if (write(worker->wake, &one, sizeof one) != sizeof one) die("eventfd");
}

// Called by the main thread.
void worker_give(struct worker *worker, int socket) {
    pthread_mutex_lock(&worker->queue_lock);
    if (worker->queue_length == worker->queue_capacity) {
        size_t capacity = worker->queue_capacity ? worker->queue_capacity * 2 : 16;
        int *queue = malloc(capacity * sizeof *queue);
        if (!queue) die("queue");
        for (size_t i = 0; i < worker->queue_length; i++)
            queue[i] = worker->queue[(worker->queue_first + i) % worker->queue_capacity];
        free(worker->queue);
        worker->queue = queue;
        worker->queue_capacity = capacity;
        worker->queue_first = 0;
    }
    worker->queue[(worker->queue_first + worker->queue_length) % worker->queue_capacity] = socket;
    worker->queue_length++;
    pthread_mutex_unlock(&worker->queue_lock);
    worker_wake(worker);
}

// Opens everything in the queue; false when the worker is to stop.
static bool worker_drain_queue(struct worker *worker) {
    uint64_t count;
    if (read(worker->wake, &count, sizeof count) < 0 && errno != EAGAIN) die("eventfd");
    for (;;) {
        int socket = -1;
        pthread_mutex_lock(&worker->queue_lock);
        bool stop = worker->stop;
        if (worker->queue_length > 0) {
            socket = worker->queue[worker->queue_first];
            worker->queue_first = (worker->queue_first + 1) % worker->queue_capacity;
            worker->queue_length--;
        }
        pthread_mutex_unlock(&worker->queue_lock);
        if (socket < 0) return !stop;
        connection_open(worker, socket);
        worker_counters_add(worker, &(struct counters){.connections = 1});
    }
}

static void worker_loop(struct worker *worker) {
    struct epoll_event events[EVENTS_AT_ONCE];
    for (;;) {
        int count = epoll_wait(worker->epoll, events, EVENTS_AT_ONCE, -1);
        if (count < 0 && errno != EINTR) die("epoll_wait");
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr) connection_on_event(events[i].data.ptr, events[i].events);
            else if (!worker_drain_queue(worker)) return;
        }
    }
}

static void *worker_main(void *argument) {
    struct worker *worker = argument;
    worker_loop(worker);
    while (worker->connections) connection_close(worker->connections);
    return NULL;
}

void worker_start(struct worker *worker, struct server *server) {
    worker->server = server;
    pthread_mutex_init(&worker->queue_lock, NULL);
    pthread_mutex_init(&worker->counters_lock, NULL);
    worker->epoll = epoll_create1(EPOLL_CLOEXEC);
    worker->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (worker->epoll < 0 || worker->wake < 0) die("worker");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(worker->epoll, EPOLL_CTL_ADD, worker->wake, &event) != 0) die("epoll_ctl");
    errno = pthread_create(&worker->thread, NULL, worker_main, worker);
    if (errno != 0) die("pthread_create");
}

void worker_stop(struct worker *worker) {
    pthread_mutex_lock(&worker->queue_lock);
    worker->stop = true;
    pthread_mutex_unlock(&worker->queue_lock);
    worker_wake(worker);
    pthread_join(worker->thread, NULL);
}

void worker_release(struct worker *worker) {
    close(worker->epoll);
    close(worker->wake);
    free(worker->queue);
    pthread_mutex_destroy(&worker->queue_lock);
    pthread_mutex_destroy(&worker->counters_lock);
}

// In racy mode here is another planted bug, a data race: what all workers add to, no lock guards. Nothing depends on the
// sum, so the race does no harm, as most races most of the time.
void worker_counters_add(struct worker *worker, const struct counters *part) {
    pthread_mutex_lock(&worker->counters_lock);
    counters_add(&worker->counters, part);
    pthread_mutex_unlock(&worker->counters_lock);
    if (worker->server->racy) worker->server->commands_of_all += part->commands;
}
