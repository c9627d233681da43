// The order of use of a shard's items: a circular doubly linked list with the shard's sentinel in it.
// sentinel.older is the item used last, sentinel.newer the one to evict next.
// Every function is called with the shard's lock held.
#ifndef KV_LRU_H
#define KV_LRU_H

#include <stdbool.h>

struct lru_link {
    struct lru_link *newer;
    struct lru_link *older;
};

void lru_init(struct lru_link *sentinel);
bool lru_is_empty(const struct lru_link *sentinel);
void lru_insert_newest(struct lru_link *sentinel, struct lru_link *link);
void lru_unlink(struct lru_link *link);

#endif
