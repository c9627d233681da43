// A pseudo terminal: both sides, its size, its modes, its process group.
#include "guest.h"

#include <fcntl.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
// link: -lutil

int main(void) {
    int master, slave, number = -1;
    char name[64], text[128] = "";
    struct winsize size = {.ws_row = 33, .ws_col = 44};
    struct termios modes;
    CHECK(openpty(&master, &slave, name, NULL, &size) == 0);
    printf("%d %s", getpid(), name);
    CHECK(ioctl(master, TIOCGPTN, &number) == 0);
    printf(" number %d %s\n", number, ptsname(master));
    memset(&size, 0, sizeof size);
    CHECK(ioctl(slave, TIOCGWINSZ, &size) == 0);
    printf("%d by %d\n", size.ws_row, size.ws_col);
    size.ws_row = (unsigned short)(getpid() % 100);
    CHECK(ioctl(master, TIOCSWINSZ, &size) == 0 && ioctl(slave, TIOCGWINSZ, &size) == 0);
    printf("%d by %d\n", size.ws_row, size.ws_col);
    CHECK(tcgetattr(slave, &modes) == 0);
    printf("modes %x %x %x %x erase %d speed %u\n", modes.c_iflag, modes.c_oflag, modes.c_cflag, modes.c_lflag,
           modes.c_cc[VERASE], cfgetospeed(&modes));
    cfmakeraw(&modes);
    CHECK(tcsetattr(slave, TCSANOW, &modes) == 0);
    CHECK(write(master, "keys", 4) == 4);
    CHECK(ioctl(slave, FIONREAD, &number) == 0);
    printf("%d wait", number);
    CHECK(read(slave, text, sizeof text) == 4);
    printf(": %s, tty %d %s\n", text, isatty(slave), ttyname(slave));
    printf("not on a pipe %d errno %d\n", tcgetpgrp(0) == -2, isatty(0));
    fflush(stdout);
    pid_t child = forkpty(&master, name, NULL, &size);
    CHECK(child >= 0);
    if (child == 0) {
        int group = -1;
        CHECK(ioctl(0, TIOCGPGRP, &group) == 0 && ioctl(0, TIOCGSID, &number) == 0);
        char line[100];
        int length = snprintf(line, sizeof line, "child %d group %d session %d\n", getpid(), group, number);
        CHECK(write(1, line, (size_t)length) == length);
        _exit(0);
    }
    size_t used = 0;
    memset(text, 0, sizeof text);
    ssize_t length;
    while (used < sizeof text && (length = read(master, text + used, sizeof text - used)) > 0) used += (size_t)length;
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    printf("from %s: %s", name, text);
    return 0;
}
