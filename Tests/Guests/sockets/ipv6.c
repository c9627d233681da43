// IPv6 where there is some: a stream and a datagram over the loopback, with what comes beside it.
#include "guest.h"

#include <arpa/inet.h>
#include <sys/socket.h>

int main(void) {
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT}, peer;
    socklen_t length = sizeof address;
    char name[64] = "", text[64] = "", control[128];
    int on = 1, listener = socket(AF_INET6, SOCK_STREAM, 0);
    printf("pid %d at %llu\n", getpid(), guest_now());
    if (listener < 0 || bind(listener, (void *)&address, sizeof address) != 0) {
        printf("none: errno %d\n", errno);
        return 0;
    }
    CHECK(listen(listener, 1) == 0 && getsockname(listener, (void *)&address, &length) == 0);
    int client = socket(AF_INET6, SOCK_STREAM, 0);
    CHECK(connect(client, (void *)&address, sizeof address) == 0);
    length = sizeof peer;
    int server = accept(listener, (void *)&peer, &length);
    printf("%s port %d length %u\n", inet_ntop(AF_INET6, &peer.sin6_addr, name, sizeof name), ntohs(peer.sin6_port),
           length);
    CHECK(write(client, "over six", 8) == 8 && read(server, text, sizeof text) == 8);
    int udp = socket(AF_INET6, SOCK_DGRAM, 0);
    CHECK(setsockopt(udp, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on) == 0);
    CHECK(setsockopt(udp, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0);
    CHECK(bind(udp, (void *)&address, sizeof address) == 0);
    CHECK(sendto(udp, text, 8, 0, (void *)&address, sizeof address) == 8);
    struct iovec part = {text, sizeof text};
    struct msghdr message = {.msg_name = &peer, .msg_namelen = sizeof peer, .msg_iov = &part, .msg_iovlen = 1,
                             .msg_control = control, .msg_controllen = sizeof control};
    CHECK(recvmsg(udp, &message, 0) == 8);
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    CHECK(head && head->cmsg_type == IPV6_PKTINFO);
    struct in6_pktinfo *info = (void *)CMSG_DATA(head);
    printf("%.8s from port %d on interface %u\n", text, ntohs(peer.sin6_port), info->ipi6_ifindex);
    return 0;
}
