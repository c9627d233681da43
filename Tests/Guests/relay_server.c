// A server over UDP that asks another one over a TCP connection of its own making, which it makes again when it has ended.
// relay_server ADDRESS PORT BACKEND BACKEND-PORT
//
// A request is "ID WORD"; the answer is the backend's (relay_backend.py). "ID quit" ends it with status 3.
#include "guest.h"

#include <arpa/inet.h>

static struct sockaddr_in place(const char *address, const char *port) {
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    CHECK(inet_pton(AF_INET, address, &place.sin_addr) == 1);
    return place;
}

// Bytes of the answer; 0: the connection has ended.
static size_t ask(int backend, const char *request, size_t length, char *answer, size_t room) {
    if (send(backend, request, length, MSG_NOSIGNAL) != (ssize_t)length) return 0;
    for (size_t got = 0; got < room;) {
        ssize_t n = recv(backend, answer + got, room - got, 0);
        if (n <= 0) return 0;
        got += (size_t)n;
        if (answer[got - 1] == '\n') return got - 1;
    }
    return 0;
}

int main(int count, char **arguments) {
    CHECK(count == 5);
    int server = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in own = place(arguments[1], arguments[2]), other = place(arguments[3], arguments[4]);
    CHECK(bind(server, (void *)&own, sizeof own) == 0);
    fprintf(stderr, "ready\n");

    int backend = -1, connections = 0;
    for (bool ends = false; !ends;) {
        char request[256], answer[256];
        struct sockaddr_in client;
        socklen_t length = sizeof client;
        ssize_t n = recvfrom(server, request, sizeof request - 1, 0, (void *)&client, &length);
        if (n < 0) continue;
        request[n++] = '\n';
        size_t answered;
        while (backend < 0 || (answered = ask(backend, request, (size_t)n, answer, sizeof answer)) == 0) {
            if (backend >= 0) close(backend);
            backend = socket(AF_INET, SOCK_STREAM, 0);
            CHECK(backend >= 0);
            if (connect(backend, (void *)&other, sizeof other) == 0) {
                connections++;
            } else {
                close(backend);
                backend = -1;
                usleep(10000);
            }
        }
        ends = memmem(request, (size_t)n, " quit\n", 6) != NULL;
        sendto(server, answer, answered, 0, (void *)&client, length);
    }
    printf("connected %d times\n", connections);
    return 3;
}
