// A message queue that tells of a message: by a signal, then by a thread.
#include "guest.h"

#include <fcntl.h>
#include <mqueue.h>
#include <semaphore.h>
#include <signal.h>


static mqd_t queue;
static sem_t told;

static void by_thread(union sigval value) {
    char text[64] = "";
    CHECK(mq_receive(queue, text, sizeof text, NULL) > 0);
    printf("thread for %d: %s at %llu\n", value.sival_int, text, guest_now());
    sem_post(&told);
}

int main(void) {
    char name[64], text[64] = "";
    struct mq_attr limits = {.mq_maxmsg = 5, .mq_msgsize = 64};
    snprintf(name, sizeof name, "/castor-notice-%d", getpid());
    queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &limits);
    CHECK(queue >= 0 && sem_init(&told, 0, 0) == 0);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 42};
    CHECK(mq_notify(queue, &event) == 0);
    printf("again %d errno %d\n", mq_notify(queue, &event), errno);
    CHECK(mq_send(queue, "first", 5, 0) == 0);
    siginfo_t info;
    CHECK(sigwaitinfo(&set, &info) == SIGUSR1);
    printf("signal code %d value %d by %d\n", info.si_code, info.si_value.sival_int, info.si_pid);
    CHECK(mq_receive(queue, text, sizeof text, NULL) == 5);
    event = (struct sigevent){.sigev_notify = SIGEV_THREAD, .sigev_value.sival_int = getpid()};
    event.sigev_notify_function = by_thread;
    CHECK(mq_notify(queue, &event) == 0);
    CHECK(mq_send(queue, "second", 6, 0) == 0);
    CHECK(sem_wait(&told) == 0);
    CHECK(mq_close(queue) == 0 && mq_unlink(name) == 0);
    return 0;
}
