// Socket options, read and set, of every size.
#include "guest.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

static void get(int file, const char *name, int level, int option) {
    unsigned char value[256] = "";
    socklen_t length = sizeof value;
    int result = getsockopt(file, level, option, value, &length);
    printf("%s: %d errno %d, %u bytes", name, result, result ? errno : 0, result ? 0 : length);
    for (socklen_t i = 0; result == 0 && i < length && i < 16; i++) printf(" %02x", value[i]);
    printf("\n");
}
#define GET(file, level, option) get(file, #option, level, option)

static void set(int file, const char *name, int level, int option, int value) {
    int result = setsockopt(file, level, option, &value, sizeof value);
    printf("set %s %d: %d errno %d\n", name, value, result, result ? errno : 0);
}
#define SET(file, level, option, value) set(file, #option, level, option, value)

int main(void) {
    int tcp = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0);
    int local = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(tcp >= 0 && udp >= 0 && local >= 0);
    printf("pid %d at %llu\n", getpid(), guest_now());
    SET(tcp, SOL_SOCKET, SO_REUSEADDR, 1);
    SET(tcp, SOL_SOCKET, SO_REUSEPORT, 1);
    SET(tcp, SOL_SOCKET, SO_KEEPALIVE, 1);
    SET(tcp, SOL_SOCKET, SO_SNDBUF, 30000 + getpid() % 1000);
    SET(tcp, SOL_SOCKET, SO_RCVBUFFORCE, 100000);
    SET(tcp, IPPROTO_TCP, TCP_NODELAY, 1);
    SET(tcp, IPPROTO_TCP, TCP_KEEPIDLE, 10);
    SET(tcp, IPPROTO_TCP, TCP_MAXSEG, 1000);
    SET(tcp, IPPROTO_TCP, 9999, 1);
    SET(udp, IPPROTO_IP, IP_PKTINFO, 1);
    SET(udp, IPPROTO_IP, IP_TTL, 33);
    SET(udp, SOL_SOCKET, SO_BROADCAST, 1);
    SET(udp, SOL_SOCKET, SO_PRIORITY, 5);
    struct linger linger = {1, 7};
    struct timeval time = {2, 500000};
    CHECK(setsockopt(tcp, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0);
    CHECK(setsockopt(tcp, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time) == 0);
    printf("device %d\n", setsockopt(udp, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
    GET(tcp, SOL_SOCKET, SO_TYPE);
    GET(tcp, SOL_SOCKET, SO_DOMAIN);
    GET(tcp, SOL_SOCKET, SO_PROTOCOL);
    GET(tcp, SOL_SOCKET, SO_ERROR);
    GET(tcp, SOL_SOCKET, SO_ACCEPTCONN);
    GET(tcp, SOL_SOCKET, SO_SNDBUF);
    GET(tcp, SOL_SOCKET, SO_RCVBUF);
    GET(tcp, SOL_SOCKET, SO_LINGER);
    GET(tcp, SOL_SOCKET, SO_RCVTIMEO);
    GET(tcp, SOL_SOCKET, SO_COOKIE);
    GET(tcp, SOL_SOCKET, SO_INCOMING_CPU);
    GET(tcp, SOL_SOCKET, SO_MEMINFO);
    GET(tcp, IPPROTO_TCP, TCP_NODELAY);
    GET(tcp, IPPROTO_TCP, TCP_MAXSEG);
    GET(tcp, IPPROTO_TCP, TCP_CONGESTION);
    GET(tcp, IPPROTO_TCP, TCP_INFO);
    GET(udp, IPPROTO_IP, IP_TTL);
    GET(udp, IPPROTO_IP, IP_MTU);
    GET(udp, SOL_SOCKET, SO_BINDTODEVICE);
    GET(local, SOL_SOCKET, SO_PEERCRED);
    GET(local, SOL_SOCKET, SO_PASSCRED);
    GET(tcp, SOL_SOCKET, 9999);
    unsigned char small[2] = {9, 9};
    socklen_t length = 1;
    CHECK(getsockopt(tcp, SOL_SOCKET, SO_TYPE, small, &length) == 0);
    printf("one byte: %u %u of %u\n", small[0], small[1], length);
    return 0;
}
