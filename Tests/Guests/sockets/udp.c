// Datagrams between threads: unconnected and connected sockets, who sent what from which port.
#include "guest.h"

#include <arpa/inet.h>
#include <sys/socket.h>

static struct sockaddr_in server;

static void *client(void *argument) {
    int thread = (int)(intptr_t)argument, file = socket(AF_INET, SOCK_DGRAM, 0);
    char text[64];
    CHECK(file >= 0);
    if (thread % 2) CHECK(connect(file, (void *)&server, sizeof server) == 0);
    for (int i = 0; i < 5; i++) {
        int length = snprintf(text, sizeof text, "%d.%d", thread, i);
        ssize_t sent = thread % 2 ? send(file, text, (size_t)length, 0)
                                  : sendto(file, text, (size_t)length, 0, (void *)&server, sizeof server);
        CHECK(sent == length);
        CHECK(recv(file, text, sizeof text, 0) > 0);
    }
    close(file);
    return NULL;
}

int main(void) {
    int file = socket(AF_INET, SOCK_DGRAM, 0);
    socklen_t length = sizeof server;
    server = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK(file >= 0 && bind(file, (void *)&server, sizeof server) == 0);
    CHECK(getsockname(file, (void *)&server, &length) == 0);
    printf("port %d pid %d\n", ntohs(server.sin_port), getpid());
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) CHECK(pthread_create(&threads[i], NULL, client, (void *)(intptr_t)i) == 0);
    for (int i = 0; i < 15; i++) {
        char text[64] = "", name[64] = "";
        struct sockaddr_in peer;
        length = sizeof peer;
        ssize_t size = recvfrom(file, text, sizeof text - 1, 0, (void *)&peer, &length);
        CHECK(size > 0 && length == sizeof peer);
        printf("%s from %s:%d\n", text, inet_ntop(AF_INET, &peer.sin_addr, name, sizeof name), ntohs(peer.sin_port));
        CHECK(sendto(file, text, (size_t)size, 0, (void *)&peer, length) == size);
    }
    for (int i = 0; i < 3; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    return 0;
}
