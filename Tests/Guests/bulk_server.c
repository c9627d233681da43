// Bulk over TCP, a thread for each connection: bulk_server ADDRESS PORT CONNECTIONS. A connection's first line says what it does:
//   up N      the client sends N bytes, is told their sum and that they were right, and closes
//   down N    N bytes go to the client, and then the end
//   both N    N bytes each way at once: what comes is sent back, in capitals
//   left N    N bytes go to the client, and the server closes at once
//   early N   the server ends its direction, then the client sends N bytes and closes
// Byte i of all streams is i % 251. After so many connections it prints how many bytes it has seen, and ends.
#include "guest.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

enum { PIECE = 251 * 200 };
static unsigned char pattern[2 * PIECE];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long long total;

static void seen(long long n) {
    pthread_mutex_lock(&lock);
    total += n;
    pthread_mutex_unlock(&lock);
}
static void send_all(int to, const unsigned char *from, size_t n) {
    while (n > 0) {
        ssize_t sent = write(to, from, n);
        CHECK(sent > 0);
        from += sent;
        n -= (size_t)sent;
    }
}
/// Takes n bytes, which must be right; their sum.
static long long take(int client, long long n) {
    static __thread unsigned char piece[PIECE];
    long long sum = 0, at = 0;
    while (at < n) {
        ssize_t got = read(client, piece, sizeof piece);
        CHECK(got > 0 && memcmp(piece, pattern + at % 251, (size_t)got) == 0);
        for (ssize_t i = 0; i < got; i++) sum += piece[i];
        at += got;
    }
    return sum;
}
static void up(int client, long long n) {
    long long sum = take(client, n);
    seen(n);
    char answer[64];
    send_all(client, (unsigned char *)answer, (size_t)snprintf(answer, sizeof answer, "%lld right\n", sum));
}
static void down(int client, long long n) {
    for (long long at = 0; at < n;) {
        long long piece = n - at < PIECE ? n - at : PIECE;
        send_all(client, pattern + at % 251, (size_t)piece);
        at += piece;
    }
    seen(n);
}
static void both(int client, long long n) {
    static __thread unsigned char piece[PIECE];
    for (long long at = 0; at < n;) {
        ssize_t got = read(client, piece, sizeof piece);
        CHECK(got > 0 && memcmp(piece, pattern + at % 251, (size_t)got) == 0);
        for (ssize_t i = 0; i < got; i++) piece[i] ^= 0x20;
        send_all(client, piece, (size_t)got);
        at += got;
    }
    seen(n);
}
static void *serve(void *argument) {
    int client = (int)(intptr_t)argument;
    char line[64], word[8];
    size_t length = 0;
    while (length == 0 || line[length - 1] != '\n') {
        CHECK(length < sizeof line - 1 && read(client, line + length, 1) == 1);
        length++;
    }
    line[length] = 0;
    long long n;
    CHECK(sscanf(line, "%7s %lld", word, &n) == 2);
    if (strcmp(word, "up") == 0) up(client, n);
    if (strcmp(word, "down") == 0) down(client, n);
    if (strcmp(word, "both") == 0) both(client, n);
    if (strcmp(word, "left") == 0) {
        down(client, n);
        CHECK(close(client) == 0);
        return NULL;
    }
    if (strcmp(word, "early") == 0) {
        CHECK(shutdown(client, SHUT_WR) == 0);
        take(client, n);
        seen(n);
    }
    if (strcmp(word, "early") != 0) CHECK(shutdown(client, SHUT_WR) == 0);
    char rest;
    CHECK(read(client, &rest, 1) == 0);
    CHECK(close(client) == 0);
    return NULL;
}

int main(int count, char **words) {
    CHECK(count == 4);
    for (size_t i = 0; i < sizeof pattern; i++) pattern[i] = (unsigned char)(i % 251);
    int server = socket(AF_INET, SOCK_STREAM, 0), one = 1, connections = atoi(words[3]);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(words[2]))};
    CHECK(inet_pton(AF_INET, words[1], &address.sin_addr) == 1);
    CHECK(setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
    CHECK(bind(server, (void *)&address, sizeof address) == 0 && listen(server, 64) == 0);
    printf("ready\n");
    fflush(stdout);
    pthread_t threads[64];
    CHECK(connections <= 64);
    for (int i = 0; i < connections; i++) {
        int client = accept(server, NULL, NULL);
        CHECK(client >= 0 && pthread_create(&threads[i], NULL, serve, (void *)(intptr_t)client) == 0);
    }
    for (int i = 0; i < connections; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    printf("%lld bytes\n", total);
    return 3;
}
