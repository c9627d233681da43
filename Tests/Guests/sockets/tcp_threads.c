// A server and its clients as threads of one process.
#include "guest.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static struct sockaddr_in address;

static void *client(void *argument) {
    char text[64];
    int file = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(file >= 0 && connect(file, (void *)&address, sizeof address) == 0);
    int length = snprintf(text, sizeof text, "client %d at %llu", (int)(intptr_t)argument, guest_now());
    CHECK(write(file, text, (size_t)length) == length && shutdown(file, SHUT_WR) == 0);
    CHECK(read(file, text, sizeof text) > 0 && read(file, text, sizeof text) == 0);
    close(file);
    return NULL;
}

int main(void) {
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t length = sizeof address;
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
    CHECK(bind(listener, (void *)&address, sizeof address) == 0 && listen(listener, 8) == 0);
    CHECK(getsockname(listener, (void *)&address, &length) == 0);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) CHECK(pthread_create(&threads[i], NULL, client, (void *)(intptr_t)i) == 0);
    for (int i = 0; i < 4; i++) {
        struct sockaddr_in peer;
        char text[64] = "";
        length = sizeof peer;
        int file = i % 2 ? accept(listener, (void *)&peer, &length)
                         : accept4(listener, (void *)&peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        CHECK(file >= 0);
        ssize_t size;
        int waits = 0;
        while ((size = recv(file, text, sizeof text - 1, 0)) < 0 && errno == EAGAIN) waits++, usleep(100);
        CHECK(size > 0);
        printf("%s from port %d after %d waits\n", text, ntohs(peer.sin_port), waits);
        struct tcp_info info;
        length = sizeof info;
        CHECK(getsockopt(file, IPPROTO_TCP, TCP_INFO, &info, &length) == 0);
        printf("round trip %u window %u, %u bytes of info\n", info.tcpi_rtt, info.tcpi_snd_cwnd, length);
        CHECK(send(file, "ok", 2, MSG_NOSIGNAL) == 2 && close(file) == 0);
    }
    for (int i = 0; i < 4; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    return 0;
}
