// recvmmsg and sendmmsg: several messages a call, with their senders and what comes beside them.
#include "guest.h"

#include <arpa/inet.h>
#include <sys/socket.h>

enum { COUNT = 14 };

int main(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, names[COUNT];
    struct mmsghdr messages[COUNT];
    struct iovec parts[COUNT][2];
    char texts[COUNT][24], tails[COUNT][8], controls[COUNT][128];
    socklen_t length = sizeof address;
    int on = 1, receiver = socket(AF_INET, SOCK_DGRAM, 0), sender = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(bind(receiver, (void *)&address, sizeof address) == 0);
    CHECK(getsockname(receiver, (void *)&address, &length) == 0);
    CHECK(setsockopt(receiver, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) == 0);
    CHECK(setsockopt(receiver, IPPROTO_IP, IP_PKTINFO, &on, sizeof on) == 0);
    memset(messages, 0, sizeof messages);
    memset(controls, 0, sizeof controls); // what is cut short is printed with what lies behind it
    for (int i = 0; i < COUNT; i++) {
        int size = snprintf(texts[i], sizeof texts[i], "%d of %d ", i, getpid());
        parts[i][0] = (struct iovec){texts[i], (size_t)size};
        parts[i][1] = (struct iovec){"the tail", i % 2 ? 8 : 3};
        messages[i].msg_hdr = (struct msghdr){.msg_name = &address, .msg_namelen = sizeof address,
                                              .msg_iov = parts[i], .msg_iovlen = 2};
    }
    int sent = sendmmsg(sender, messages, COUNT, 0);
    printf("sent %d:", sent);
    for (int i = 0; i < sent; i++) printf(" %u", messages[i].msg_len);
    memset(texts, 0, sizeof texts);
    memset(tails, 0, sizeof tails);
    for (int i = 0; i < COUNT; i++) {
        parts[i][0] = (struct iovec){texts[i], 12};
        parts[i][1] = (struct iovec){tails[i], 7};
        messages[i].msg_hdr = (struct msghdr){.msg_name = &names[i], .msg_namelen = sizeof names[i],
                                              .msg_iov = parts[i], .msg_iovlen = 2, .msg_control = controls[i],
                                              .msg_controllen = i % 3 ? sizeof controls[i] : 20};
    }
    struct timespec time = {1, 0};
    int got = recvmmsg(receiver, messages, COUNT, MSG_WAITFORONE, &time);
    printf("\ngot %d, %lld.%09ld left\n", got, (long long)time.tv_sec, time.tv_nsec);
    for (int i = 0; i < got; i++) {
        struct msghdr *head = &messages[i].msg_hdr;
        printf("%u '%.12s' '%.7s' from %d flags %x beside it %zu:", messages[i].msg_len, texts[i], tails[i],
               ntohs(names[i].sin_port), head->msg_flags, head->msg_controllen);
        for (struct cmsghdr *c = CMSG_FIRSTHDR(head); c; c = CMSG_NXTHDR(head, c)) {
            struct timespec *when = (void *)CMSG_DATA(c);
            if (c->cmsg_type == SCM_TIMESTAMPNS) printf(" %lld.%09ld", (long long)when->tv_sec, when->tv_nsec);
            else printf(" type %d", c->cmsg_type);
        }
        printf("\n");
    }
    got = recvmmsg(receiver, messages, COUNT, MSG_DONTWAIT, NULL);
    printf("none %d errno %d\n", got, errno);
    return 0;
}
