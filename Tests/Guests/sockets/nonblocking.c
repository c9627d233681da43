// Connecting and talking without blocking, with poll; both directions shut down one by one.
#include "guest.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

int main(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    static char bytes[100000];
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CHECK(bind(listener, (void *)&address, sizeof address) == 0 && listen(listener, 1) == 0);
    CHECK(getsockname(listener, (void *)&address, &length) == 0);
    printf("nobody %d errno %d\n", accept(listener, NULL, NULL), errno);
    int result = connect(client, (void *)&address, sizeof address);
    printf("connect %d errno %d\n", result, result ? errno : 0);
    struct pollfd entries[2] = {{.fd = listener, .events = POLLIN}, {.fd = client, .events = POLLOUT}};
    CHECK(poll(entries, 2, 1000) >= 1);
    int server = accept4(listener, (void *)&address, &length, SOCK_NONBLOCK);
    CHECK(server >= 0);
    printf("port %d flags %x\n", ntohs(address.sin_port), fcntl(server, F_GETFL));
    size_t total = 0, taken = 0;
    ssize_t size;
    while ((size = send(client, bytes, sizeof bytes, MSG_NOSIGNAL)) > 0) total += (size_t)size;
    printf("sent %zu until errno %d\n", total, errno);
    int reads = 0;
    while (taken < total) {
        entries[1] = (struct pollfd){.fd = server, .events = POLLIN | POLLRDHUP};
        CHECK(poll(entries + 1, 1, 1000) == 1);
        size = recv(server, bytes, sizeof bytes, 0);
        if (size > 0) taken += (size_t)size, reads++;
    }
    printf("taken %zu in %d\n", taken, reads);
    CHECK(shutdown(client, SHUT_WR) == 0);
    CHECK(poll(entries + 1, 1, 1000) == 1);
    printf("events %x end %zd\n", entries[1].revents, recv(server, bytes, 1, 0));
    CHECK(send(server, "still", 5, 0) == 5 && shutdown(server, SHUT_RDWR) == 0);
    entries[1] = (struct pollfd){.fd = client, .events = POLLIN};
    CHECK(poll(entries + 1, 1, 1000) == 1);
    size = recv(client, bytes, sizeof bytes, MSG_WAITALL);
    printf("%zd %.*s at %llu\n", size, size > 0 ? (int)size : 0, bytes, guest_now());
    printf("shut twice %d errno %d\n", shutdown(listener, 7), errno);
    return 0;
}
