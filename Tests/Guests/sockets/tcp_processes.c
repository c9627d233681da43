// A server that forks a process for each connection, as servers of old did.
#include "guest.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/wait.h>

int main(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int status, listener = socket(AF_INET, SOCK_STREAM, 0);
    char text[100];
    CHECK(bind(listener, (void *)&address, sizeof address) == 0 && listen(listener, 5) == 0);
    CHECK(getsockname(listener, (void *)&address, &length) == 0);
    for (int i = 0; i < 3; i++) {
        if (fork()) continue;
        int file = socket(AF_INET, SOCK_STREAM, 0);
        CHECK(connect(file, (void *)&address, sizeof address) == 0);
        int size = snprintf(text, sizeof text, "process %d at %llu", getpid(), guest_now());
        CHECK(write(file, text, (size_t)size) == size && shutdown(file, SHUT_WR) == 0);
        ssize_t got = read(file, text, sizeof text - 1);
        CHECK(got > 0);
        text[got] = 0;
        char line[160];
        size = snprintf(line, sizeof line, "client got %s\n", text);
        CHECK(write(1, line, (size_t)size) == size);
        _exit(0);
    }
    for (int i = 0; i < 3; i++) {
        int file = accept(listener, NULL, NULL);
        CHECK(file >= 0);
        if (fork() == 0) {
            ssize_t got = read(file, text, 60);
            CHECK(got > 0);
            got += sprintf(text + got, " by %d", getpid());
            CHECK(write(file, text, (size_t)got) == got);
            _exit(0);
        }
        close(file);
    }
    for (int i = 0; i < 6; i++) CHECK(wait(&status) > 0 && status == 0);
    printf("port %d\n", ntohs(address.sin_port));
    return 0;
}
