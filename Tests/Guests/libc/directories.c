// One DIR read by several threads; scandir, nftw, glob, realpath and getcwd.
#include "../small.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>

static DIR *shared;
static int visited, counts[4];

static int visit(const char *path, const struct stat *status, int type, struct FTW *where) {
    (void)path, (void)status, (void)type, (void)where;
    visited++;
    return 0;
}
static void *body(void *argument) {
    while (readdir(shared)) counts[(intptr_t)argument]++;
    return NULL;
}

int main(void) {
    char root[] = "/tmp/castor-guest-XXXXXX", path[300];
    CHECK(mkdtemp(root));
    for (int i = 0; i < 50; i++) {
        snprintf(path, sizeof path, "%s/file-%d", root, i * getpid());
        close(open(path, O_CREAT | O_WRONLY, 0600));
    }
    shared = opendir(root);
    guest_run_threads(4, body);
    closedir(shared);
    CHECK(counts[0] + counts[1] + counts[2] + counts[3] == 52);
    struct dirent **names;
    int count = scandir(root, &names, NULL, alphasort);
    printf("%d %d %d %d, scandir %d, last %s\n", counts[0], counts[1], counts[2], counts[3], count, names[count - 1]->d_name);
    for (int i = 0; i < count; i++) free(names[i]);
    free(names);
    nftw(root, visit, 8, FTW_PHYS);
    glob_t found;
    snprintf(path, sizeof path, "%s/file-*1", root);
    glob(path, 0, NULL, &found);
    printf("visited %d globbed %zu\n", visited, found.gl_pathc);
    for (size_t i = 0; i < found.gl_pathc; i++) printf("%s\n", found.gl_pathv[i]);
    globfree(&found);
    CHECK(chdir(root) == 0 && getcwd(path, sizeof path));
    printf("%s %s\n", path, realpath(".", NULL));
    for (DIR *d = opendir("."); d; closedir(d), d = NULL)
        for (struct dirent *e; (e = readdir(d));) unlink(e->d_name);
    rmdir(root);
}
