// Local sockets of every type, with a path, an abstract name, and none.
#include "guest.h"

#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

static void tell(const char *what, const struct sockaddr_un *name, socklen_t length) {
    printf("%s: %u bytes, family %d '%s%s'\n", what, length, name->sun_family,
           length > 2 && !name->sun_path[0] ? "@" : "",
           length > 3 ? name->sun_path + !name->sun_path[0] : "");
}

static void converse(int type, struct sockaddr_un *name, socklen_t length) {
    int status, listener = socket(AF_UNIX, type, 0);
    CHECK(listener >= 0 && bind(listener, (void *)name, length) == 0 && listen(listener, 3) == 0);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        char text[64];
        int file = socket(AF_UNIX, type, 0);
        CHECK(connect(file, (void *)name, length) == 0);
        for (int i = 0; i < 3; i++) {
            int size = snprintf(text, sizeof text, "%d from %d;", i, getpid());
            CHECK(send(file, text, (size_t)size, 0) == size);
        }
        _exit(0);
    }
    struct sockaddr_un peer = {0};
    socklen_t room = sizeof peer;
    int file = accept(listener, (void *)&peer, &room);
    CHECK(file >= 0);
    tell("peer", &peer, room);
    char text[200];
    ssize_t size;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    while ((size = recv(file, text, sizeof text, 0)) > 0) printf("%zd: %.*s\n", size, (int)size, text);
    memset(&peer, 0, sizeof peer);
    room = sizeof peer;
    CHECK(getsockname(file, (void *)&peer, &room) == 0);
    tell("own", &peer, room);
    close(file);
    close(listener);
}

int main(void) {
    const char *place = guest_enter();
    struct stat status;
    struct sockaddr_un path = {.sun_family = AF_UNIX}, abstract = {.sun_family = AF_UNIX}, given = {0};
    socklen_t head = offsetof(struct sockaddr_un, sun_path);
    strcpy(path.sun_path, "socket");
    int length = snprintf(abstract.sun_path + 1, 100, "castor-guest-%d", getpid());
    converse(SOCK_STREAM, &path, sizeof path);
    CHECK(stat("socket", &status) == 0);
    printf("%s mode %o inode %llu\n", place, status.st_mode, (unsigned long long)status.st_ino);
    converse(SOCK_SEQPACKET, &abstract, head + 1 + (socklen_t)length);
    int datagrams = socket(AF_UNIX, SOCK_DGRAM, 0), other = socket(AF_UNIX, SOCK_DGRAM, 0);
    CHECK(bind(datagrams, (void *)&path, head) == 0); // the kernel chooses an abstract name
    socklen_t room = sizeof given;
    CHECK(getsockname(datagrams, (void *)&given, &room) == 0);
    tell("given", &given, room);
    CHECK(sendto(other, "nameless", 8, 0, (void *)&given, room) == 8);
    char text[64] = "";
    struct sockaddr_un from = {0};
    room = sizeof from;
    CHECK(recvfrom(datagrams, text, sizeof text, 0, (void *)&from, &room) == 8);
    tell(text, &from, room);
    CHECK(unlink("socket") == 0);
    guest_leave(place);
    return 0;
}
