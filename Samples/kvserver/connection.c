#include "connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "worker.h"

enum {
    READ_CHUNK = 16384,
    READS_PER_EVENT = 16 // a fast client must not keep the worker from the others
};

struct connection *connection_open(struct worker *worker, int socket) {
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection) die("connection");
    connection->socket = socket;
    connection->worker = worker;
    connection->next = worker->connections;
    if (connection->next) connection->next->previous = connection;
    worker->connections = connection;

    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = connection};
    if (epoll_ctl(worker->epoll, EPOLL_CTL_ADD, socket, &event) != 0) die("epoll_ctl");
    return connection;
}

void connection_close(struct connection *connection) {
    struct worker *worker = connection->worker;
    close(connection->socket);
    if (connection->next) connection->next->previous = connection->previous;
    if (connection->previous) connection->previous->next = connection->next;
    else worker->connections = connection->next;
    buffer_release(&connection->input);
    buffer_release(&connection->output);
    free(connection);
}

// Returns false when the connection is over.
static bool connection_receive(struct connection *connection) {
    for (int i = 0; i < READS_PER_EVENT; i++) {
        buffer_reserve(&connection->input, READ_CHUNK);
        ssize_t length = read(connection->socket, connection->input.bytes + connection->input.length, READ_CHUNK);
        if (length > 0) {
            connection->input.length += (size_t)length;
            if (length < READ_CHUNK) return true;
        } else if (length < 0 && errno == EINTR) {
            continue;
        } else {
            return length < 0 && errno == EAGAIN;
        }
    }
    return true;
}

static bool connection_send(struct connection *connection) {
    size_t sent = 0;
    while (sent < connection->output.length) {
        ssize_t length = send(connection->socket, connection->output.bytes + sent, connection->output.length - sent,
                              MSG_NOSIGNAL);
        if (length >= 0) sent += (size_t)length;
        else if (errno == EAGAIN) break;
        else if (errno != EINTR) return false;
    }
    buffer_drop_front(&connection->output, sent);
    return true;
}

static void connection_arm(struct connection *connection) {
    bool wants_output = connection->output.length > 0;
    if (wants_output == connection->wants_output) return;
    connection->wants_output = wants_output;
    // While the client does not read its replies, its next commands wait in the socket.
    struct epoll_event event = {.events = wants_output ? EPOLLOUT : (EPOLLIN | EPOLLRDHUP), .data.ptr = connection};
    if (epoll_ctl(connection->worker->epoll, EPOLL_CTL_MOD, connection->socket, &event) != 0) die("epoll_ctl");
}

static void connection_promote_due(struct connection *connection) {
    int64_t now = connection->due_count > 0 ? clock_ms() : 0;
    for (size_t i = 0; i < connection->due_count; i++) store_promote(connection->due[i], now);
    connection->due_count = 0;
}

static void connection_report(struct connection *connection) {
    if (connection->counters.commands == 0) return;
    worker_counters_add(connection->worker, &connection->counters);
    connection->counters = (struct counters){0};
}

void connection_on_event(struct connection *connection, uint32_t events) {
    bool alive = true;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) alive = connection_receive(connection);
    while (!connection->closing && protocol_step(connection)) continue;
    bool sent = connection_send(connection);
    connection_promote_due(connection);
    connection_report(connection);
    bool finished = connection->closing && connection->output.length == 0;
    if (!alive || !sent || finished) connection_close(connection);
    else connection_arm(connection);
}
