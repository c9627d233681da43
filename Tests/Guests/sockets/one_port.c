// Several sockets on one port: the kernel decides who gets the connection or the datagram.
#include "guest.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

int main(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    struct pollfd listeners[3], datagrams[3];
    int one = 1;
    for (int i = 0; i < 3; i++) {
        int file = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0);
        CHECK(setsockopt(file, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) == 0);
        CHECK(setsockopt(udp, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) == 0);
        CHECK(bind(file, (void *)&address, sizeof address) == 0 && listen(file, 9) == 0);
        if (i == 0) CHECK(getsockname(file, (void *)&address, &length) == 0);
        CHECK(bind(udp, (void *)&address, sizeof address) == 0);
        listeners[i] = (struct pollfd){.fd = file, .events = POLLIN};
        datagrams[i] = (struct pollfd){.fd = udp, .events = POLLIN};
    }
    printf("port %d:", ntohs(address.sin_port));
    for (int i = 0; i < 12; i++) {
        int tcp = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0);
        char byte;
        CHECK(connect(tcp, (void *)&address, sizeof address) == 0);
        CHECK(sendto(udp, "x", 1, 0, (void *)&address, sizeof address) == 1);
        CHECK(poll(listeners, 3, 1000) == 1 && poll(datagrams, 3, 1000) == 1);
        for (int k = 0; k < 3; k++) {
            if (listeners[k].revents) printf(" %d", k), CHECK(close(accept(listeners[k].fd, NULL, NULL)) == 0);
            if (datagrams[k].revents) printf("/%d", k), CHECK(recv(datagrams[k].fd, &byte, 1, 0) == 1);
        }
        close(tcp);
        close(udp);
    }
    printf("\n");
    return 0;
}
