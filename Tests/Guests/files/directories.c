// Entries of a directory by both calls, with places to go back to; what is made meanwhile.
#include "guest.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <sys/stat.h>
#include <sys/syscall.h>

struct old_entry {
    unsigned long inode, offset;
    unsigned short length;
    char name[];
};

static int visit(const char *path, const struct stat *status, int kind, struct FTW *walk) {
    printf("walk %d %s %llu level %d\n", kind, path, (unsigned long long)status->st_ino, walk->level);
    return 0;
}

int main(void) {
    const char *place = guest_enter();
    char name[32], bytes[512];
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof name, "%d-%d", getpid(), i);
        CHECK(mkdir(name, 0700) == 0);
    }
    int directory = open(".", O_RDONLY | O_DIRECTORY);
    long length;
    while ((length = syscall(SYS_getdents, directory, bytes, 200)) > 0) {
        for (long at = 0; at < length;) {
            struct old_entry *entry = (void *)(bytes + at);
            printf("%s %lu next %lx\n", entry->name, entry->inode, entry->offset);
            at += entry->length;
        }
        printf("of %ld bytes\n", length);
    }
    close(directory);
    DIR *stream = opendir(".");
    CHECK(stream);
    long middle = 0;
    struct dirent *entry;
    for (int i = 0; (entry = readdir(stream)); i++) {
        if (i == 4) middle = telldir(stream);
        printf("%s %llu type %d\n", entry->d_name, (unsigned long long)entry->d_ino, entry->d_type);
    }
    seekdir(stream, middle);
    entry = readdir(stream);
    printf("from %lx: %s\n", middle, entry ? entry->d_name : "none");
    closedir(stream);
    CHECK(nftw(".", visit, 8, FTW_PHYS) == 0);
    glob_t found;
    CHECK(glob("*-[0-3]", 0, NULL, &found) == 0);
    for (size_t i = 0; i < found.gl_pathc; i++) printf("glob %s\n", found.gl_pathv[i]);
    globfree(&found);
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof name, "%d-%d", getpid(), i);
        CHECK(rmdir(name) == 0);
    }
    guest_leave(place);
    return 0;
}
