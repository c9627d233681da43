// What /proc tells a process about itself.
#include "guest.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

static void hash_file(const char *path) {
    static char bytes[1 << 16];
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        printf("%s: errno %d\n", path, errno);
        return;
    }
    uint64_t hash = GUEST_HASH_START;
    ssize_t length, total = 0;
    while ((length = read(file, bytes, sizeof bytes)) > 0) {
        hash = guest_hash_bytes(hash, bytes, (size_t)length);
        total += length;
    }
    printf("%s: %zd bytes %016llx\n", path, total, (unsigned long long)hash);
    close(file);
}

int main(void) {
    static const char *const files[] = {"maps", "status", "stat", "statm", "smaps", "cmdline", "environ", "limits",
                                        "io", "sched", "auxv", "mountinfo", "wchan", "cgroup", "comm", "oom_score"};
    char path[300], target[256];
    for (int i = 0; i < (int)(sizeof files / sizeof *files); i++) {
        snprintf(path, sizeof path, "/proc/self/%s", files[i]);
        hash_file(path);
    }
    hash_file("/proc/stat");
    hash_file("/proc/uptime");
    hash_file("/proc/meminfo");
    FILE *stream = fopen("/proc/self/stat", "r");
    int pid;
    CHECK(stream && fscanf(stream, "%d", &pid) == 1 && pid == getpid());
    fclose(stream);
    DIR *descriptors = opendir("/proc/self/fd");
    CHECK(descriptors);
    for (struct dirent *entry = readdir(descriptors); entry; entry = readdir(descriptors)) {
        if (entry->d_name[0] == '.' || atoi(entry->d_name) > 50) continue;
        ssize_t length = readlinkat(dirfd(descriptors), entry->d_name, target, sizeof target - 1);
        CHECK(length > 0);
        target[length] = 0;
        printf("%s -> %s\n", entry->d_name, target);
    }
    closedir(descriptors);
    DIR *tasks = opendir("/proc/self/task");
    CHECK(tasks);
    for (struct dirent *entry = readdir(tasks); entry; entry = readdir(tasks)) printf("task %s\n", entry->d_name);
    closedir(tasks);
    return 0;
}
