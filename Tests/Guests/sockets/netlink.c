// The kernel's own messages: links and addresses as routing sockets tell them, and as the old requests do.
#include "guest.h"

#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int main(void) {
    struct { struct nlmsghdr head; struct rtgenmsg body; } request = {
        {sizeof request, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, (unsigned)getpid(), 0}, {AF_UNSPEC}};
    static char bytes[65536];
    struct sockaddr_nl address = {.nl_family = AF_NETLINK};
    socklen_t length = sizeof address;
    int file = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    CHECK(file >= 0 && bind(file, (void *)&address, sizeof address) == 0);
    CHECK(getsockname(file, (void *)&address, &length) == 0);
    printf("pid %d port %u\n", getpid(), address.nl_pid);
    CHECK(send(file, &request, sizeof request, 0) == sizeof request);
    for (bool done = false; !done;) {
        ssize_t size = recv(file, bytes, sizeof bytes, 0);
        CHECK(size > 0);
        for (struct nlmsghdr *head = (void *)bytes; NLMSG_OK(head, size); head = NLMSG_NEXT(head, size)) {
            done = head->nlmsg_type == NLMSG_DONE;
            printf("type %d sequence %u for %u\n", head->nlmsg_type, head->nlmsg_seq, head->nlmsg_pid);
        }
    }
    struct ifaddrs *list;
    CHECK(getifaddrs(&list) == 0);
    for (struct ifaddrs *a = list; a; a = a->ifa_next)
        printf("%s flags %x family %d\n", a->ifa_name, a->ifa_flags, a->ifa_addr ? a->ifa_addr->sa_family : 0);
    freeifaddrs(list);
    struct if_nameindex *names = if_nameindex();
    for (struct if_nameindex *n = names; n && n->if_index; n++) printf("%u %s\n", n->if_index, n->if_name);
    if_freenameindex(names);
    int udp = socket(AF_INET, SOCK_DGRAM, 0);
    struct ifreq interfaces[8];
    struct ifconf all = {.ifc_len = sizeof interfaces, .ifc_req = interfaces};
    CHECK(ioctl(udp, SIOCGIFCONF, &all) == 0);
    for (int i = 0; i < all.ifc_len / (int)sizeof *interfaces; i++) {
        struct ifreq one = interfaces[i];
        CHECK(ioctl(udp, SIOCGIFFLAGS, &one) == 0);
        printf("%s flags %x", one.ifr_name, one.ifr_flags);
        CHECK(ioctl(udp, SIOCGIFMTU, &one) == 0);
        printf(" mtu %d", one.ifr_mtu);
        CHECK(ioctl(udp, SIOCGIFHWADDR, &one) == 0);
        printf(" %02x%02x\n", one.ifr_hwaddr.sa_data[4] & 255, one.ifr_hwaddr.sa_data[5] & 255);
    }
    return 0;
}
