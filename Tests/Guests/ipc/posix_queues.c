// POSIX message queues between threads and processes.
#include "guest.h"

#include <fcntl.h>
#include <mqueue.h>
#include <sys/wait.h>

static mqd_t queue;

static void *send_some(void *argument) {
    char text[32];
    for (int i = 0; i < 20; i++) {
        int length = snprintf(text, sizeof text, "%d:%d", (int)(intptr_t)argument, i);
        CHECK(mq_send(queue, text, (size_t)length, (unsigned)i % 3) == 0);
    }
    return NULL;
}

static void *take_some(void *unused) {
    (void)unused;
    static char text[4][512];
    static size_t used[4];
    static int next;
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&mutex);
    int mine = next++;
    pthread_mutex_unlock(&mutex);
    for (int i = 0; i < 20; i++) {
        unsigned priority;
        ssize_t length = mq_receive(queue, text[mine] + used[mine], 64, &priority);
        CHECK(length > 0);
        used[mine] += (size_t)length;
        used[mine] += (size_t)sprintf(text[mine] + used[mine], "/%u ", priority);
    }
    return text[mine];
}

int main(void) {
    char name[64], text[64] = "";
    struct mq_attr limits = {.mq_maxmsg = 5, .mq_msgsize = 64}, now;
    int status;
    snprintf(name, sizeof name, "/castor-guest-%d", getpid());
    queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &limits);
    CHECK(queue >= 0);
    pthread_t senders[2], takers[2];
    for (int i = 0; i < 2; i++) CHECK(pthread_create(&senders[i], NULL, send_some, (void *)(intptr_t)i) == 0);
    for (int i = 0; i < 2; i++) CHECK(pthread_create(&takers[i], NULL, take_some, NULL) == 0);
    for (int i = 0; i < 2; i++) {
        void *got;
        CHECK(pthread_join(senders[i], NULL) == 0 && pthread_join(takers[i], &got) == 0);
        printf("%s\n", (char *)got);
    }
    fflush(stdout);
    if (fork() == 0) {
        int length = snprintf(text, sizeof text, "child %d at %llu", getpid(), guest_now());
        CHECK(mq_send(queue, text, (size_t)length, 9) == 0);
        _exit(0);
    }
    unsigned priority;
    CHECK(mq_receive(queue, text, 64, &priority) > 0);
    printf("%s /%u\n", text, priority);
    CHECK(wait(&status) > 0 && status == 0);
    struct timespec until = guest_deadline(CLOCK_REALTIME, 1000000);
    printf("empty %zd errno %d\n", mq_timedreceive(queue, text, 64, &priority, &until), errno);
    limits.mq_flags = O_NONBLOCK;
    CHECK(mq_setattr(queue, &limits, &now) == 0 && mq_getattr(queue, &now) == 0);
    printf("flags %lx messages %ld of %ld\n", now.mq_flags, now.mq_curmsgs, now.mq_maxmsg);
    printf("empty %zd errno %d\n", mq_receive(queue, text, 64, &priority), errno);
    CHECK(mq_close(queue) == 0 && mq_unlink(name) == 0);
    return 0;
}
