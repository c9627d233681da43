// Pages made readable, writable, executable: code that the program writes, with a system call of its own in it.
#include "guest.h"

#include <sys/mman.h>

int main(void) {
    unsigned char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(code != MAP_FAILED);
    // mov $39, %eax (getpid); syscall; ret
    memcpy(code, "\xb8\x27\x00\x00\x00\x0f\x05\xc3", 8);
    CHECK(mprotect(code, 4096, PROT_READ | PROT_EXEC) == 0);
    int (*own)(void) = (int (*)(void))(uintptr_t)code;
    printf("pid %d %d at %p\n", own(), getpid(), (void *)code);
    CHECK(mprotect(code, 4096, PROT_READ | PROT_WRITE) == 0);
    // mov $201, %eax (time); xor %edi, %edi; syscall; ret
    memcpy(code, "\xb8\xc9\x00\x00\x00\x31\xff\x0f\x05\xc3", 10);
    CHECK(mprotect(code, 4096, PROT_READ | PROT_EXEC) == 0);
    printf("time %d\n", own());
    printf("nothing there: %d errno %d\n", mprotect((void *)0x1000, 4096, PROT_READ), errno);
    unsigned char *all = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(all != MAP_FAILED);
    memcpy(all, "\xb8\xba\x00\x00\x00\x0f\x05\xc3", 8); // gettid
    own = (int (*)(void))(uintptr_t)all;
    printf("thread %d\n", own());
    return 0;
}
