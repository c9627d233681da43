// kvload: a load generator for servers that speak the memcached text protocol.
//
// Closed loop: each connection stands for a client that sends its next request when it has the reply to its last one, and
// has thought; none waits for another. A key that is missing is written next, as a cache's client does. A run is bounded
// in requests and in time, whatever the server does.
//
// Exit status: 0 done, 1 a reply was wrong, 2 usage, 3 the server went away (or was never there).
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    EXIT_WRONG_REPLY = 1,
    EXIT_USAGE = 2,
    EXIT_SERVER_GONE = 3,
    REPLY_TIMEOUT_S = 30, // a server that is silent for so long counts as gone
    REPLY_MAX = 1 << 18,
    LATENCY_STEP_US = 1,
    LATENCY_STEPS = 100000 // the last one holds everything slower
};

struct options {
    const char *host;
    int port;
    int connections;
    int threads;
    uint64_t requests; // over all threads
    double seconds;
    double set_ratio;
    long pause_us;
    long keys;
    int value_size;
    int keys_per_get;
    uint64_t seed;
};

enum request_kind { REQUEST_GET, REQUEST_SET, REQUEST_COUNTER };

struct client {
    int socket;
    int id;
    enum request_kind kind;
    int counter_step; // walks through the counter requests
    long key;         // of the last request
    bool missed;      // the last get did not find its key
    bool waits;       // for a reply; otherwise it thinks
    int64_t sent_at;  // ns
    int64_t sends_at; // ns, when it thinks
};

struct generator {
    const struct options *options;
    pthread_t thread;
    int index;
    int clients;
    uint64_t random;
    char *value;
    char *reply;
    // Results, read after the join.
    uint64_t done;
    uint64_t misses;
    int status;
    uint32_t latency[LATENCY_STEPS];
};

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

// xorshift64*
static uint64_t next_random(struct generator *generator) {
    generator->random ^= generator->random >> 12;
    generator->random ^= generator->random << 25;
    generator->random ^= generator->random >> 27;
    return generator->random * 2685821657736338717u;
}

// ns: between nothing and twice the mean.
static int64_t time_to_think(struct generator *generator) {
    if (generator->options->pause_us == 0) return 0;
    return (int64_t)(next_random(generator) % (2000 * (uint64_t)generator->options->pause_us));
}

static int connect_to(const struct options *options) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options->port)};
    if (inet_pton(AF_INET, options->host, &address.sin_addr) != 1) return -1;
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client < 0) return -1;
    struct timeval timeout = {.tv_sec = REPLY_TIMEOUT_S};
    int on = 1;
    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(client, (struct sockaddr *)&address, sizeof address) == 0) return client;
    close(client);
    return -1;
}

static bool send_all(int socket, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t sent = send(socket, bytes, length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return false;
        bytes += sent;
        length -= (size_t)sent;
    }
    return true;
}

// The commands besides get and set, on a key that no other client uses.
static int format_counter(struct client *client, char *text, size_t size) {
    static const char *const steps[] = {
        "set count:%d 0 60 1\r\n7\r\n", "incr count:%d 5\r\n",   "decr count:%d 2\r\n",
        "gets count:%d\r\n",            "touch count:%d 90\r\n", "delete count:%d\r\n",
    };
    const char *step = steps[client->counter_step];
    client->counter_step = (client->counter_step + 1) % 6;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    return snprintf(text, size, step, client->id);
#pragma GCC diagnostic pop
}

static bool send_request(struct generator *generator, struct client *client) {
    const struct options *options = generator->options;
    char text[8192];
    size_t length = 0;
    uint64_t choice = next_random(generator);
    if (client->missed || (double)(choice >> 40) / (1 << 24) < options->set_ratio) {
        if (!client->missed) client->key = (long)(next_random(generator) % (uint64_t)options->keys);
        client->missed = false;
        client->kind = REQUEST_SET;
        length = (size_t)snprintf(text, sizeof text, "set key:%ld 0 0 %d\r\n", client->key, options->value_size);
        if (!send_all(client->socket, text, length)) return false;
        client->sent_at = now_ns();
        return send_all(client->socket, generator->value, (size_t)options->value_size + 2);
    }
    if (choice % 64 == 0) {
        client->kind = REQUEST_COUNTER;
        length = (size_t)format_counter(client, text, sizeof text);
    } else {
        client->kind = REQUEST_GET;
        length = (size_t)snprintf(text, sizeof text, "get");
        for (int i = 0; i < options->keys_per_get; i++) {
            client->key = (long)(next_random(generator) % (uint64_t)options->keys);
            length += (size_t)snprintf(text + length, sizeof text - length, " key:%ld", client->key);
        }
        length += (size_t)snprintf(text + length, sizeof text - length, "\r\n");
    }
    client->sent_at = now_ns();
    return send_all(client->socket, text, length);
}

static bool ends_with(const char *bytes, size_t length, const char *end) {
    size_t end_length = strlen(end);
    return length >= end_length && memcmp(bytes + length - end_length, end, end_length) == 0;
}

// Values are made of letters without line ends, so a reply is over at the first line end that closes it.
static bool reply_is_whole(const char *bytes, size_t length) {
    if (!ends_with(bytes, length, "\r\n")) return false;
    bool is_values = length >= 5 && memcmp(bytes, "VALUE", 5) == 0;
    return !is_values || ends_with(bytes, length, "\r\nEND\r\n");
}

static bool receive_reply(struct generator *generator, struct client *client) {
    size_t length = 0;
    for (;;) {
        ssize_t received = recv(client->socket, generator->reply + length, REPLY_MAX - length, 0);
        if (received < 0 && errno == EINTR) continue;
        if (received <= 0) {
            generator->status = EXIT_SERVER_GONE;
            return false;
        }
        length += (size_t)received;
        generator->reply[length] = '\0';
        if (reply_is_whole(generator->reply, length)) break;
        if (length == REPLY_MAX) {
            generator->status = EXIT_WRONG_REPLY;
            return false;
        }
    }
    const char *reply = generator->reply;
    bool good = true;
    if (client->kind == REQUEST_GET) {
        // Only the last key of a multiple get is written when it is missing.
        char header[64];
        snprintf(header, sizeof header, "VALUE key:%ld ", client->key);
        client->missed = !memmem(reply, length, header, strlen(header));
        generator->misses += client->missed;
        good = ends_with(reply, length, "END\r\n");
    } else if (client->kind == REQUEST_SET) {
        good = ends_with(reply, length, "STORED\r\n");
    } else {
        good = length > 0 && strncmp(reply, "ERROR", 5) != 0 && !strstr(reply, "_ERROR");
    }
    if (!good) {
        fprintf(stderr, "kvload: unexpected reply: %.*s", (int)(length < 200 ? length : 200), reply);
        generator->status = EXIT_WRONG_REPLY;
        return false;
    }
    int64_t step = (now_ns() - client->sent_at) / 1000 / LATENCY_STEP_US;
    generator->latency[step < LATENCY_STEPS ? step : LATENCY_STEPS - 1]++;
    return true;
}

// Lets those send whose time has come. Returns false when the server is gone; sets *next to when the next one's time
// comes, and *waiting to how many wait for a reply. Nobody sends after the deadline or beyond the quota.
static bool send_due(struct generator *generator, struct client *clients, uint64_t *quota, int64_t deadline,
                     int64_t *next, int *waiting) {
    int64_t now = now_ns();
    *next = INT64_MAX;
    *waiting = 0;
    for (int i = 0; i < generator->clients; i++) {
        struct client *client = &clients[i];
        if (!client->waits && client->sends_at <= now && now < deadline && *quota > 0) {
            if (!send_request(generator, client)) return false;
            client->waits = true;
            --*quota;
        }
        if (client->waits) ++*waiting;
        else if (client->sends_at < *next) *next = client->sends_at;
    }
    if (*quota == 0 || now >= deadline || *next >= deadline) *next = INT64_MAX;
    return true;
}

static bool wait_for_replies(struct generator *generator, struct client *clients, struct pollfd *polled, int64_t next) {
    int64_t wait = REPLY_TIMEOUT_S * (int64_t)1000000000;
    bool may_be_silent = next < INT64_MAX;
    if (may_be_silent) {
        wait = next - now_ns();
        if (wait < 0) wait = 0;
    }
    struct timespec timeout = {.tv_sec = wait / 1000000000, .tv_nsec = wait % 1000000000};
    for (int i = 0; i < generator->clients; i++)
        polled[i] = (struct pollfd){.fd = clients[i].waits ? clients[i].socket : -1, .events = POLLIN};
    int ready = ppoll(polled, (nfds_t)generator->clients, &timeout, NULL);
    if (ready == 0 && !may_be_silent) generator->status = EXIT_SERVER_GONE;
    for (int i = 0; i < generator->clients && ready > 0; i++) {
        if (polled[i].revents == 0) continue;
        ready--;
        if (!receive_reply(generator, &clients[i])) break;
        generator->done++;
        clients[i].waits = false;
        clients[i].sends_at = now_ns() + time_to_think(generator);
    }
    return generator->status == 0;
}

static void generate(struct generator *generator, struct client *clients) {
    const struct options *options = generator->options;
    uint64_t threads = (uint64_t)options->threads;
    uint64_t quota = options->requests / threads + ((uint64_t)generator->index < options->requests % threads);
    int64_t start = now_ns(), deadline = start + (int64_t)(options->seconds * 1e9), next;
    struct pollfd *polled = calloc((size_t)generator->clients, sizeof *polled);
    if (!polled) {
        generator->status = EXIT_WRONG_REPLY;
        return;
    }
    for (int i = 0; i < generator->clients; i++) clients[i].sends_at = start + time_to_think(generator);
    for (int waiting;;) {
        if (!send_due(generator, clients, &quota, deadline, &next, &waiting)) {
            generator->status = EXIT_SERVER_GONE;
            break;
        }
        if (waiting == 0 && next == INT64_MAX) break;
        if (!wait_for_replies(generator, clients, polled, next)) break;
    }
    free(polled);
}

static void *generator_main(void *argument) {
    struct generator *generator = argument;
    struct client *clients = calloc((size_t)generator->clients, sizeof *clients);
    int opened = 0;
    while (opened < generator->clients) {
        struct client *client = &clients[opened];
        client->id = generator->index * 100000 + opened;
        client->socket = connect_to(generator->options);
        if (client->socket < 0) {
            generator->status = EXIT_SERVER_GONE;
            break;
        }
        opened++;
    }
    if (opened == generator->clients) generate(generator, clients);
    while (opened > 0) close(clients[--opened].socket);
    free(clients);
    return NULL;
}

static void usage(void) {
    fprintf(stderr, "usage: kvload -p PORT [-c CONNECTIONS] [-n REQUESTS] [-d SECONDS] [-t THREADS]\n"
                    "              [--set-ratio R] [--keys K] [--value-size BYTES] [--keys-per-get N]\n"
                    "              [--pause MICROSECONDS] [--seed S] [--host IPV4]\n"
                    "defaults: 16 connections, 2 threads, 30 s, no limit of requests, set ratio 0.1, 40960 keys,\n"
                    "          100 bytes, 4 keys per get, no pause (the mean of what a connection rests before it sends again)\n");
    exit(EXIT_USAGE);
}

static struct options parse_options(int count, char **arguments) {
    static const struct option names[] = {
        {"set-ratio", required_argument, NULL, 'r'},    {"keys", required_argument, NULL, 'k'},
        {"value-size", required_argument, NULL, 'v'},   {"seed", required_argument, NULL, 's'},
        {"keys-per-get", required_argument, NULL, 'g'}, {"host", required_argument, NULL, 'h'},
        {"pause", required_argument, NULL, 'w'},        {0},
    };
    struct options options = {.host = "127.0.0.1", .connections = 16, .threads = 2, .requests = UINT64_MAX,
                              .seconds = 30, .set_ratio = 0.1, .keys = 40960, .value_size = 100, .keys_per_get = 4,
                              .seed = 1};
    int option;
    while ((option = getopt_long(count, arguments, "p:c:n:d:t:", names, NULL)) != -1) {
        switch (option) {
        case 'p': options.port = atoi(optarg); break;
        case 'c': options.connections = atoi(optarg); break;
        case 'n': options.requests = strtoull(optarg, NULL, 10); break;
        case 'd': options.seconds = atof(optarg); break;
        case 't': options.threads = atoi(optarg); break;
        case 'r': options.set_ratio = atof(optarg); break;
        case 'k': options.keys = atol(optarg); break;
        case 'v': options.value_size = atoi(optarg); break;
        case 'g': options.keys_per_get = atoi(optarg); break;
        case 'w': options.pause_us = atol(optarg); break;
        case 's': options.seed = strtoull(optarg, NULL, 10); break;
        case 'h': options.host = optarg; break;
        default: usage();
        }
    }
    if (optind != count || options.port < 1 || options.threads < 1 || options.threads > 256 ||
        options.connections < options.threads || options.seconds <= 0 || options.keys < 1 || options.value_size < 0 ||
        options.pause_us < 0 || options.keys_per_get < 1 || options.keys_per_get > 64 ||
        (int64_t)options.keys_per_get * options.value_size > REPLY_MAX / 2)
        usage();
    return options;
}

static double latency_at(const uint64_t *latency, uint64_t total, double share) {
    uint64_t seen = 0;
    for (int step = 0; step < LATENCY_STEPS; step++) {
        seen += latency[step];
        if ((double)seen >= share * (double)total) return (step + 1) * (double)LATENCY_STEP_US;
    }
    return 0;
}

static void report(const struct generator *generators, int threads, double seconds) {
    static uint64_t latency[LATENCY_STEPS];
    uint64_t done = 0, misses = 0;
    for (int i = 0; i < threads; i++) {
        done += generators[i].done;
        misses += generators[i].misses;
        for (int step = 0; step < LATENCY_STEPS; step++) latency[step] += generators[i].latency[step];
    }
    printf("requests %llu\nseconds %.3f\nops_per_second %.0f\nmisses %llu\nlatency_us_p50 %.0f\nlatency_us_p99 %.0f\n"
           "latency_us_p999 %.0f\n",
           (unsigned long long)done, seconds, (double)done / seconds, (unsigned long long)misses,
           latency_at(latency, done, 0.5), latency_at(latency, done, 0.99), latency_at(latency, done, 0.999));
}

int main(int count, char **arguments) {
    struct options options = parse_options(count, arguments);
    struct generator *generators = calloc((size_t)options.threads, sizeof *generators);
    char *value = malloc((size_t)options.value_size + 2);
    if (!generators || !value) return EXIT_WRONG_REPLY;
    for (int i = 0; i < options.value_size; i++) value[i] = (char)('a' + i % 26);
    memcpy(value + options.value_size, "\r\n", 2);

    int64_t started = now_ns();
    for (int i = 0; i < options.threads; i++) {
        struct generator *generator = &generators[i];
        generator->options = &options;
        generator->index = i;
        generator->clients = options.connections / options.threads + (i < options.connections % options.threads);
        generator->random = (options.seed + (uint64_t)i + 1) * 0x9e3779b97f4a7c15u;
        generator->value = value;
        generator->reply = malloc(REPLY_MAX + 1);
        if (!generator->reply || pthread_create(&generator->thread, NULL, generator_main, generator) != 0)
            return EXIT_WRONG_REPLY;
    }
    int status = 0;
    for (int i = 0; i < options.threads; i++) {
        pthread_join(generators[i].thread, NULL);
        if (generators[i].status != 0 && status != EXIT_WRONG_REPLY) status = generators[i].status;
        free(generators[i].reply);
    }
    report(generators, options.threads, (double)(now_ns() - started) / 1e9);
    if (status == EXIT_SERVER_GONE) printf("the server went away\n");
    free(value);
    free(generators);
    return status;
}
