// System V message queues: types, parts of messages, who sent last.
#include "guest.h"

#include <sys/msg.h>
#include <sys/wait.h>

struct message {
    long type;
    char text[64];
};

int main(void) {
    struct message message = {.type = 2};
    struct msqid_ds status;
    int ended;
    int queue = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
    CHECK(queue >= 0);
    for (int i = 0; i < 3; i++) {
        if (fork()) continue;
        for (int k = 0; k < 5; k++) {
            message.type = i + 1;
            int length = snprintf(message.text, sizeof message.text, "%d of %d", k, getpid());
            CHECK(msgsnd(queue, &message, (size_t)length, 0) == 0);
        }
        _exit(0);
    }
    for (int i = 0; i < 15; i++) {
        memset(&message, 0, sizeof message);
        ssize_t length = msgrcv(queue, &message, sizeof message.text, i < 3 ? i + 1 : i < 6 ? -2 : 0, 0);
        CHECK(length > 0);
        printf("%zd of type %ld: %s\n", length, message.type, message.text);
    }
    for (int i = 0; i < 3; i++) CHECK(wait(&ended) > 0 && ended == 0);
    CHECK(msgctl(queue, IPC_STAT, &status) == 0);
    printf("queue %d: %lu messages, sent by %d, taken by %d at %ld\n", queue, status.msg_qnum, status.msg_lspid,
           status.msg_lrpid, (long)status.msg_rtime);
    message.type = 5;
    strcpy(message.text, "a long message");
    CHECK(msgsnd(queue, &message, 14, IPC_NOWAIT) == 0);
    memset(&message, 0, sizeof message);
    ssize_t length = msgrcv(queue, &message, 6, 0, 0);
    printf("too long %zd errno %d\n", length, errno);
    length = msgrcv(queue, &message, 6, 0, MSG_NOERROR);
    printf("cut %zd %s\n", length, message.text);
    length = msgrcv(queue, &message, 6, 0, IPC_NOWAIT);
    printf("empty %zd errno %d\n", length, errno);
    struct msginfo info;
    CHECK(msgctl(0, MSG_INFO, (struct msqid_ds *)&info) >= 0 && info.msgmax > 0);
    printf("limits %d %d\n", info.msgmax, info.msgmnb);
    status.msg_qbytes = 1000;
    CHECK(msgctl(queue, IPC_SET, &status) == 0 && msgctl(queue, IPC_RMID, NULL) == 0);
    printf("gone %d errno %d\n", msgctl(queue, IPC_STAT, &status), errno);
    return 0;
}
