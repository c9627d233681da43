// A client's connection: bytes in, commands, bytes out. Used by its worker's thread only.
#ifndef KV_CONNECTION_H
#define KV_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "server.h"

enum { CONNECTION_DUE_MAX = 64 };

struct connection {
    int socket;
    struct worker *worker;
    struct connection *next;
    struct connection *previous;
    struct buffer input;
    struct buffer output;
    size_t skip;       // bytes of a refused data block still to come
    bool closing;      // close once the output is out
    bool wants_output; // EPOLLOUT is armed
    struct item_reference due[CONNECTION_DUE_MAX]; // items to promote once the output is out
    size_t due_count;
    struct counters counters; // since the last report to the worker
};

struct connection *connection_open(struct worker *worker, int socket);
void connection_close(struct connection *connection);
void connection_on_event(struct connection *connection, uint32_t events);

// protocol.c: runs one command of the input and appends its reply; false when the input holds no whole command.
bool protocol_step(struct connection *connection);

#endif
