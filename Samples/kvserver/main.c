// kvserver: an in-memory key-value server that speaks the memcached text protocol.
//
// The main thread accepts connections and hands them to the workers in turn. Without -S the server carries a planted
// bug that crashes it under load; store_get() describes it. The default number of items is chosen for it: with kvload's
// defaults the store is full within a second or two and the server crashes some seconds later.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server.h"
#include "worker.h"

struct options {
    const char *address;
    int port;
    int threads;
    long items;
    bool safe;
    bool racy;
    bool verbose;
};

void die(const char *what) {
    fprintf(stderr, "kvserver: %s: %s\n", what, strerror(errno));
    exit(1);
}

void server_request_stop(struct server *server) {
    uint64_t one = 1;
    if (write(server->stop_event, &one, sizeof one) != sizeof one) die("eventfd");
}

static void usage(void) {
    fprintf(stderr, "usage: kvserver [-l ADDRESS] [-p PORT] [-t THREADS] [-m ITEMS] [-S] [-R] [-v]\n"
                    "  -l ADDRESS  IPv4 address to listen at (default 127.0.0.1)\n"
                    "  -p PORT     port; 0 (default) chooses a free one\n"
                    "  -t THREADS  worker threads, 1 to 256 (default 4)\n"
                    "  -m ITEMS    items kept before the least recently used is evicted (default 20480)\n"
                    "  -S          safe mode: without the planted bug\n"
                    "  -R          racy mode: with a planted data race\n"
                    "  -v          print a line of statistics every second\n");
    exit(2);
}

static struct options parse_options(int count, char **arguments) {
    struct options options = {.address = "127.0.0.1", .port = 0, .threads = 4, .items = 20480};
    int option;
    while ((option = getopt(count, arguments, "l:p:t:m:SRv")) != -1) {
        switch (option) {
        case 'l': options.address = optarg; break;
        case 'p': options.port = atoi(optarg); break;
        case 't': options.threads = atoi(optarg); break;
        case 'm': options.items = atol(optarg); break;
        case 'S': options.safe = true; break;
        case 'R': options.racy = true; break;
        case 'v': options.verbose = true; break;
        default: usage();
        }
    }
    if (optind != count || options.port < 0 || options.port > 65535 || options.threads < 1 || options.threads > 256 ||
        options.items < 1)
        usage();
    return options;
}

static int open_listener(const char *host, int port) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener < 0) die("socket");
    int on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) usage();
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0) die("bind");
    if (listen(listener, 1024) != 0) die("listen");
    return listener;
}

static int port_of(int listener) {
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    if (getsockname(listener, (struct sockaddr *)&address, &length) != 0) die("getsockname");
    return ntohs(address.sin_port);
}

// Blocked here, before any thread exists, so that every thread leaves the signals to the descriptor.
static int open_signals(void) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    int descriptor = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (descriptor < 0) die("signalfd");
    return descriptor;
}

static void accept_loop(struct server *server, int signals) {
    int next = 0;
    struct pollfd fds[3] = {{.fd = server->listener, .events = POLLIN},
                            {.fd = server->stop_event, .events = POLLIN},
                            {.fd = signals, .events = POLLIN}};
    for (;;) {
        if (poll(fds, 3, -1) < 0) {
            if (errno == EINTR) continue;
            die("poll");
        }
        if (fds[1].revents || fds[2].revents) return;
        int client = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (client < 0) {
            if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) continue;
            die("accept4");
        }
        int on = 1;
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        worker_give(&server->workers[next], client);
        next = (next + 1) % server->worker_count;
    }
}

int main(int count, char **arguments) {
    struct options options = parse_options(count, arguments);
    struct server server = {.worker_count = options.threads, .verbose = options.verbose, .racy = options.racy, .started_at = clock_ms()};
    int signals = open_signals();
    server.listener = open_listener(options.address, options.port);
    server.stop_event = eventfd(0, EFD_CLOEXEC);
    server.store = store_create((size_t)options.items, options.safe);
    server.workers = calloc((size_t)options.threads, sizeof *server.workers);
    if (server.stop_event < 0 || !server.store || !server.workers) die("start");

    for (int i = 0; i < server.worker_count; i++) worker_start(&server.workers[i], &server);
    statistics_start(&server);
    expiry_start(&server);
    printf("listening on %s:%d\n", options.address, port_of(server.listener));
    fflush(stdout);

    accept_loop(&server, signals);

    close(server.listener);
    for (int i = 0; i < server.worker_count; i++) worker_stop(&server.workers[i]);
    expiry_stop(&server);
    statistics_stop(&server);
    struct counters counters = server_counters(&server);
    printf("stopped after %llu commands\n", (unsigned long long)counters.commands);
    for (int i = 0; i < server.worker_count; i++) worker_release(&server.workers[i]);
    store_destroy(server.store);
    free(server.workers);
    close(server.stop_event);
    close(signals);
    return 0;
}
