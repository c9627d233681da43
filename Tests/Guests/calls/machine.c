// What the machine is and how it fares.
#include "guest.h"

#include <sched.h>
#include <sys/sysinfo.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

int main(void) {
    struct utsname name;
    struct sysinfo info;
    unsigned cpu, node;
    char host[256];
    double load[3];
    CHECK(uname(&name) == 0 && sysinfo(&info) == 0 && gethostname(host, sizeof host) == 0);
    printf("%s %s %s %s %s %s\n", name.sysname, name.nodename, name.release, name.version, name.machine, host);
    printf("up %ld load %lu memory %lu free %lu processes %u\n", info.uptime, info.loads[0], info.totalram,
           info.freeram, info.procs);
    for (int i = 0; i < 20; i++) {
        CHECK(syscall(SYS_getcpu, &cpu, &node, NULL) == 0);
        printf("on %u of %u, %d\n", cpu, node, sched_getcpu());
    }
    printf("processors %d of %d pages %ld free %ld load %d\n", get_nprocs(), get_nprocs_conf(), get_phys_pages(),
           get_avphys_pages(), getloadavg(load, 3));
    printf("%ld %ld %ld at %llu\n", sysconf(_SC_PAGESIZE), sysconf(_SC_OPEN_MAX), sysconf(_SC_NPROCESSORS_ONLN),
           guest_now());
    return 0;
}
