// Files and descriptors: usage files DATAFILE [THREADS] [ITERATIONS]. Reads the data file in every way, writes a file
// of its own, and passes bytes between threads through pipes, socket pairs, eventfd, epoll, poll and select.
// The data file may change or vanish before the replay.
#include "guest.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { CHUNK = 100 };

static int threads, iterations;
static int shared_file; // all threads read it through one offset
static int pipes[2], sockets[2], event, epoll;

struct outcome {
    uint64_t chunks;   // hash of what the shared offset gave to this thread
    uint64_t messages; // hash of what came out of the pipe and the sockets
    uint64_t events;
    uint64_t timeouts;
};

static struct outcome outcomes[GUEST_THREADS_MAX];

static void read_data(const char *path) {
    char buffer[CHUNK], head[16], tail[16];
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(file >= 0);
    CHECK(fstat(file, &status) == 0);
    printf("data %lld bytes inode %llu modified %lld.%09ld\n", (long long)status.st_size,
           (unsigned long long)status.st_ino, (long long)status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
    uint64_t hash = GUEST_HASH_START;
    ssize_t length;
    while ((length = read(file, buffer, sizeof buffer)) > 0) hash = guest_hash_bytes(hash, buffer, (size_t)length);
    printf("read %016llx at %lld\n", (unsigned long long)hash, (long long)lseek(file, 0, SEEK_CUR));
    length = pread(file, buffer, sizeof buffer, status.st_size / 2);
    printf("pread %016llx\n", (unsigned long long)guest_hash_bytes(GUEST_HASH_START, buffer, (size_t)length));
    CHECK(lseek(file, 0, SEEK_SET) == 0);
    struct iovec parts[2] = {{head, sizeof head}, {tail, sizeof tail}};
    length = readv(file, parts, 2);
    printf("readv %zd: %.*s\n", length, (int)strcspn(head, "\n") < 16 ? (int)strcspn(head, "\n") : 16, head);

    // A private mapping may be written to; the file must not change.
    char *private = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    CHECK(private != MAP_FAILED);
    private[0] ^= 0x20;
    hash = guest_hash_bytes(GUEST_HASH_START, private, (size_t)status.st_size);
    printf("private mapping %p %016llx\n", (void *)private, (unsigned long long)hash);
    munmap(private, (size_t)status.st_size);
    const char *shared = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, file, 0);
    CHECK(shared != MAP_FAILED);
    hash = guest_hash_bytes(GUEST_HASH_START, shared, (size_t)status.st_size);
    printf("shared mapping %p %016llx\n", (const void *)shared, (unsigned long long)hash);
    munmap((void *)shared, (size_t)status.st_size);
    close(file);
}

static void write_data(const char *directory) {
    char path[64], renamed[64], buffer[64] = "";
    struct stat status;
    snprintf(path, sizeof path, "%s/first", directory);
    snprintf(renamed, sizeof renamed, "%s/second", directory);
    int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    CHECK(file >= 0);
    CHECK(open(path, O_RDWR | O_CREAT | O_EXCL, 0600) < 0 && errno == EEXIST);
    CHECK(write(file, "written\n", 8) == 8);
    CHECK(pwrite(file, "W", 1, 0) == 1);
    struct iovec parts[3] = {{"a", 1}, {"bc", 2}, {"\n", 1}};
    CHECK(writev(file, parts, 3) == 4);
    CHECK(rename(path, renamed) == 0);
    CHECK(stat(path, &status) < 0 && errno == ENOENT);
    CHECK(ftruncate(file, 20) == 0);
    char *shared = mmap(NULL, 20, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    CHECK(shared != MAP_FAILED);
    memcpy(shared + 12, "mapped\n", 7);
    CHECK(msync(shared, 20, MS_SYNC) == 0);
    munmap(shared, 20);
    CHECK(fsync(file) == 0);
    CHECK(pread(file, buffer, sizeof buffer, 0) == 20);
    CHECK(fstat(file, &status) == 0);
    printf("written %s inode %llu size %lld\n%s", renamed, (unsigned long long)status.st_ino,
           (long long)status.st_size, buffer);
    close(file);

    DIR *entries = opendir(directory);
    CHECK(entries);
    for (struct dirent *entry = readdir(entries); entry; entry = readdir(entries))
        if (entry->d_name[0] != '.') printf("entry %s %llu\n", entry->d_name, (unsigned long long)entry->d_ino);
    closedir(entries);
    CHECK(unlink(renamed) == 0);
}

static void take_message(struct outcome *outcome) {
    char message[16] = "";
    struct iovec part = {message, sizeof message};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t length = recvmsg(sockets[0], &header, 0);
    CHECK(length > 0);
    outcome->messages = guest_hash_bytes(outcome->messages, message, (size_t)length);
}

static void give_message(int thread, int i) {
    char message[16];
    struct iovec parts[2] = {{message, 0}, {"!", 1}};
    parts[0].iov_len = (size_t)snprintf(message, sizeof message, "%d:%d", thread, i);
    struct msghdr header = {.msg_iov = parts, .msg_iovlen = 2};
    CHECK(sendmsg(sockets[1], &header, MSG_NOSIGNAL) > 0);
}

static bool ready_by_poll(struct outcome *outcome, int timeout) {
    struct pollfd entry = {.fd = event, .events = POLLIN};
    int count = poll(&entry, 1, timeout);
    CHECK(count >= 0);
    outcome->timeouts += count == 0;
    return count > 0;
}

static bool ready_by_select(struct outcome *outcome) {
    fd_set set;
    FD_ZERO(&set);
    FD_SET(event, &set);
    struct timeval timeout = {.tv_usec = 100};
    int count = select(event + 1, &set, NULL, NULL, &timeout);
    CHECK(count >= 0);
    outcome->timeouts += count == 0;
    return count > 0;
}

static bool ready_by_epoll(struct outcome *outcome) {
    struct epoll_event entry;
    int count = epoll_wait(epoll, &entry, 1, 1);
    CHECK(count >= 0);
    outcome->timeouts += count == 0;
    return count > 0;
}

// Every thread gives and takes the same number of messages, so nobody waits for ever.
static void *file_thread(void *argument) {
    int thread = (int)(intptr_t)argument;
    struct outcome *outcome = &outcomes[thread];
    outcome->chunks = outcome->messages = outcome->events = GUEST_HASH_START;
    for (int i = 0; i < iterations; i++) {
        char buffer[CHUNK];
        ssize_t length = read(shared_file, buffer, sizeof buffer);
        CHECK(length >= 0);
        outcome->chunks = guest_hash_bytes(outcome->chunks, buffer, (size_t)length);
        if (length == 0) lseek(shared_file, 0, SEEK_SET);

        int word = thread << 16 | i;
        CHECK(write(pipes[1], &word, sizeof word) == sizeof word);
        CHECK(read(pipes[0], &word, sizeof word) == sizeof word);
        outcome->messages = guest_hash(outcome->messages, (uint64_t)word);
        give_message(thread, i);
        take_message(outcome);

        uint64_t value = (uint64_t)(thread + 1);
        if (i % 2 == 0) CHECK(write(event, &value, sizeof value) == sizeof value);
        bool ready = i % 3 == 0 ? ready_by_poll(outcome, i % 2) : i % 3 == 1 ? ready_by_select(outcome)
                                                                             : ready_by_epoll(outcome);
        // Another thread may have been faster: the descriptor does not block.
        if (ready && read(event, &value, sizeof value) == sizeof value)
            outcome->events = guest_hash(outcome->events, value);
    }
    return NULL;
}

int main(int count, char **arguments) {
    if (count < 2) {
        fprintf(stderr, "usage: files DATAFILE [THREADS] [ITERATIONS]\n");
        return 2;
    }
    threads = guest_number(count, arguments, 2, 4, GUEST_THREADS_MAX);
    iterations = guest_number(count, arguments, 3, 200, 65535);
    read_data(arguments[1]);
    char directory[] = "/tmp/castor-guest-XXXXXX";
    CHECK(mkdtemp(directory));
    write_data(directory);
    CHECK(rmdir(directory) == 0);

    shared_file = open(arguments[1], O_RDONLY | O_CLOEXEC);
    event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    CHECK(shared_file >= 0 && event >= 0 && epoll >= 0);
    CHECK(pipe2(pipes, O_CLOEXEC) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sockets) == 0);
    struct epoll_event interest = {.events = EPOLLIN, .data.u32 = 7};
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, event, &interest) == 0);
    guest_run_threads(threads, file_thread);
    for (int i = 0; i < threads; i++)
        printf("thread %d chunks %016llx messages %016llx events %016llx timeouts %llu\n", i,
               (unsigned long long)outcomes[i].chunks, (unsigned long long)outcomes[i].messages,
               (unsigned long long)outcomes[i].events, (unsigned long long)outcomes[i].timeouts);
    return 0;
}
