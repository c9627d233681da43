// A worker: one thread, one epoll instance, the connections given to it by the main thread.
#ifndef KV_WORKER_H
#define KV_WORKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "server.h"

struct connection;

struct worker {
    struct server *server;
    pthread_t thread;
    int epoll;
    int wake; // eventfd: something is in the queue, or stop

    // The queue from the main thread, a ring of sockets.
    pthread_mutex_t queue_lock;
    int *queue;
    size_t queue_capacity;
    size_t queue_first;
    size_t queue_length;
    bool stop;

    pthread_mutex_t counters_lock;
    struct counters counters;

    struct connection *connections; // this thread only
};

void worker_start(struct worker *worker, struct server *server);
void worker_give(struct worker *worker, int socket);
void worker_stop(struct worker *worker);    // ends the thread; the counters can still be read
void worker_release(struct worker *worker); // once no thread reads the counters
void worker_counters_add(struct worker *worker, const struct counters *part);

#endif
