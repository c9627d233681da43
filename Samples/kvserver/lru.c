#include "lru.h"

#include <stddef.h>

void lru_init(struct lru_link *sentinel) {
    sentinel->newer = sentinel;
    sentinel->older = sentinel;
}

bool lru_is_empty(const struct lru_link *sentinel) {
    return sentinel->older == sentinel;
}

void lru_insert_newest(struct lru_link *sentinel, struct lru_link *link) {
    link->newer = sentinel;
    link->older = sentinel->older;
    sentinel->older->newer = link;
    sentinel->older = link;
}

// Leaves NULL behind: a link that is in no list must not be taken for one that is.
void lru_unlink(struct lru_link *link) {
    link->newer->older = link->older;
    link->older->newer = link->newer;
    link->newer = NULL;
    link->older = NULL;
}
