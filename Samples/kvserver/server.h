// The running server: the store, the workers and the two periodic threads.
#ifndef KV_SERVER_H
#define KV_SERVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "store.h"

struct worker;

struct counters {
    uint64_t commands;
    uint64_t gets;
    uint64_t hits;
    uint64_t writes;
    uint64_t touches;
    uint64_t deletes;
    uint64_t connections;
};

struct server {
    struct store *store;
    struct worker *workers;
    int worker_count;
    int listener;   // socket
    int stop_event; // eventfd: written by the command `shutdown`, read by the main thread
    bool verbose;
    bool racy;      // the second planted bug: see worker_counters_add()
    int64_t started_at; // clock_ms()

    uint64_t commands_of_all; // racy: every worker, without a lock

    // The expiry thread.
    pthread_t expiry_thread;
    pthread_mutex_t expiry_lock;
    pthread_cond_t expiry_wake; // on CLOCK_MONOTONIC
    bool expiry_stop;           // expiry_lock

    // The statistics thread.
    pthread_t statistics_thread;
    int statistics_stop; // eventfd
    pthread_mutex_t statistics_lock;
    uint64_t commands_seen;       // statistics_lock
    uint64_t commands_per_second; // statistics_lock
};

void counters_add(struct counters *sum, const struct counters *part);
struct counters server_counters(struct server *server);
void server_request_stop(struct server *server);

void expiry_start(struct server *server);
void expiry_stop(struct server *server);
void statistics_start(struct server *server);
void statistics_stop(struct server *server);

// Ends the process with a message and errno's text; for failures at start-up and of the kernel's primitives.
void die(const char *what) __attribute__((noreturn));

#endif
