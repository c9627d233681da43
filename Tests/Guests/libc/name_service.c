// Users, groups, hosts, services and protocols looked up by several threads.
#include "../small.h"

#include <arpa/inet.h>
#include <grp.h>
#include <netdb.h>
#include <pwd.h>

static void *body(void *argument) {
    char room[2048];
    struct passwd entry, *user;
    struct group *group = getgrgid(0);
    CHECK(getpwuid_r(0, &entry, room, sizeof room, &user) == 0);
    struct servent *service = getservbyname("http", "tcp");
    struct protoent *protocol = getprotobyname("tcp");
    struct addrinfo hints = {.ai_family = AF_INET, .ai_flags = AI_NUMERICHOST}, *found = NULL;
    int result = getaddrinfo("127.0.0.1", "80", &hints, &found);
    printf("%d: %s %s %d %d %s %p\n", (int)(intptr_t)argument, user ? user->pw_name : "?", group ? "group" : "?",
           service ? ntohs((uint16_t)service->s_port) : 0, protocol ? protocol->p_proto : 0, gai_strerror(result),
           (void *)found);
    if (found) freeaddrinfo(found);
    struct hostent *host = gethostbyname("localhost");
    printf("%d: %s\n", (int)(intptr_t)argument, host ? host->h_name : hstrerror(h_errno));
    return NULL;
}

int main(void) { guest_run_threads(4, body); }
