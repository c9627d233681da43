// A file sent over a socket by the kernel, and messages that the kernel sends from the program's own memory.
#include "guest.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#ifndef SO_ZEROCOPY
#define SO_ZEROCOPY 60
#endif
#ifndef MSG_ZEROCOPY
#define MSG_ZEROCOPY 0x4000000
#endif

int main(void) {
    const char *place = guest_enter();
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    char text[128] = "", control[128];
    static char bytes[20000];
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
    int file = open("file", O_RDWR | O_CREAT, 0600);
    CHECK(file >= 0 && dprintf(file, "%s at %llu", place, guest_now()) > 0);
    CHECK(bind(listener, (void *)&address, sizeof address) == 0 && listen(listener, 1) == 0);
    CHECK(getsockname(listener, (void *)&address, &length) == 0);
    CHECK(connect(client, (void *)&address, sizeof address) == 0);
    int server = accept(listener, NULL, NULL);
    off_t at = 2;
    ssize_t sent = sendfile(server, file, &at, 100);
    CHECK(recv(client, text, (size_t)sent, MSG_WAITALL) == sent);
    printf("sent %zd, now at %lld: %s\n", sent, (long long)at, text);
    if (setsockopt(server, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof one) == 0) {
        memset(bytes, 'z', sizeof bytes);
        CHECK(send(server, bytes, sizeof bytes, MSG_ZEROCOPY) == sizeof bytes);
        CHECK(recv(client, bytes, sizeof bytes, MSG_WAITALL) == sizeof bytes);
        struct pollfd entry = {.fd = server};
        CHECK(poll(&entry, 1, 1000) == 1);
        struct msghdr message = {.msg_control = control, .msg_controllen = sizeof control};
        CHECK(recvmsg(server, &message, MSG_ERRQUEUE) == 0);
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        CHECK(head);
        printf("events %x level %d type %d %016llx\n", entry.revents, head->cmsg_level, head->cmsg_type,
               (unsigned long long)guest_hash_bytes(GUEST_HASH_START, CMSG_DATA(head), 16));
    }
    CHECK(unlink("file") == 0);
    guest_leave(place);
    return 0;
}
