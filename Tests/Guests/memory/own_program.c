// The program maps its own file to read it, as symbolisers do.
#include "guest.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

int main(void) {
    struct stat status;
    int file = open("/proc/self/exe", O_RDONLY);
    CHECK(file >= 0 && fstat(file, &status) == 0);
    const Elf64_Ehdr *head = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    CHECK(head != MAP_FAILED);
    const Elf64_Shdr *sections = (const void *)((const char *)head + head->e_shoff);
    const char *names = (const char *)head + sections[head->e_shstrndx].sh_offset;
    printf("pid %d inode %llu at %p: %d sections, last %s\n", getpid(), (unsigned long long)status.st_ino,
           (const void *)head, head->e_shnum, names + sections[head->e_shnum - 1].sh_name);
    const Elf64_Ehdr *shared = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
    CHECK(shared != MAP_FAILED && shared->e_entry == head->e_entry);
    printf("entry %llx at %llu\n", (unsigned long long)shared->e_entry, guest_now());
    return 0;
}
