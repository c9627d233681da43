// Names of hosts and services, through the C library and whatever files and servers it asks.
#include "guest.h"

#include <netdb.h>
#include <pwd.h>
#include <sys/socket.h>

int main(void) {
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
    char host[256] = "", service[64] = "";
    int result = getaddrinfo("localhost", "80", &hints, &found);
    printf("pid %d: %d\n", getpid(), result);
    for (struct addrinfo *a = found; result == 0 && a; a = a->ai_next) {
        CHECK(getnameinfo(a->ai_addr, a->ai_addrlen, host, sizeof host, service, sizeof service, NI_NUMERICHOST) == 0);
        printf("%s %s at %p\n", host, service, (void *)a);
    }
    if (result == 0) freeaddrinfo(found);
    struct servent *known = getservbyname("ssh", "tcp");
    printf("ssh %d", known ? known->s_port : -1);
    struct protoent *protocol = getprotobyname("udp");
    printf(" udp %d", protocol ? protocol->p_proto : -1);
    struct passwd *user = getpwuid(getuid());
    printf(" %s\n", user ? user->pw_name : "nobody");
    CHECK(gethostname(host, sizeof host) == 0);
    printf("%s at %llu\n", host, guest_now());
    return 0;
}
