// The table of items: shards chosen by the key's hash, each with its own lock, buckets, order of use and slots.
// An item's slot belongs to one shard for ever, so the shard's lock guards every access to the item, live or free.
#ifndef KV_STORE_H
#define KV_STORE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "lru.h"

enum {
    STORE_SHARDS = 16,           // a power of two
    STORE_KEY_MAX = 250,         // bytes, as in memcached
    STORE_VALUE_MAX = 1 << 20,   // bytes, as in memcached
    STORE_PROMOTE_EVERY_MS = 500 // an item used more often than this keeps its place in the order of use
};

struct item {
    struct lru_link lru;     // first: the list's links are turned back into items
    struct item *hash_next;  // in the bucket, or in the free list
    char *key;               // start of the item's block: key, NUL, value; NULL in a free slot
    size_t key_length;
    char *value;             // inside the block
    size_t value_length;
    uint64_t cas;            // changes at every write
    int64_t expires_at;      // clock_ms(), or 0 for never
    int64_t promoted_at;     // clock_ms()
    uint32_t flags;          // the client's
};

struct shard {
    pthread_mutex_t lock;
    struct item **buckets;
    size_t bucket_mask;
    struct lru_link lru;     // sentinel
    struct item *slots;
    struct item *free_first; // oldest free slot: reused first, so that a slot rests as long as possible
    struct item *free_last;
    size_t live;
    size_t live_max;
    uint64_t last_cas;
    uint64_t evictions;
    uint64_t expirations;
};

struct store {
    bool promote_at_once; // safe mode: see store_get()
    struct shard shards[STORE_SHARDS];
};

struct store_key {
    const char *bytes;
    size_t length;
    uint64_t hash;
};

enum store_mode { STORE_SET, STORE_ADD, STORE_REPLACE, STORE_CAS };

enum store_result {
    STORE_DONE,
    STORE_NOT_STORED,
    STORE_NOT_FOUND,
    STORE_EXISTS,
    STORE_NOT_A_NUMBER
};

struct store_write {
    enum store_mode mode;
    uint32_t flags;
    uint64_t cas; // STORE_CAS only
    int64_t expires_at;
    const char *value;
    size_t value_length;
};

// An item whose place in the order of use is to be renewed once the reply is out.
struct item_reference {
    struct shard *shard;
    struct item *item; // NULL: nothing to do
};

struct store_totals {
    size_t live;
    size_t live_max;
    uint64_t evictions;
    uint64_t expirations;
};

struct store *store_create(size_t live_max, bool promote_at_once);
void store_destroy(struct store *store);

struct store_key store_key_make(const char *bytes, size_t length);
bool store_get(struct store *store, struct store_key key, bool with_cas, int64_t now, struct buffer *reply,
               struct item_reference *due);
void store_promote(struct item_reference reference, int64_t now);
enum store_result store_put(struct store *store, struct store_key key, const struct store_write *write, int64_t now);
enum store_result store_delete(struct store *store, struct store_key key, int64_t now);
enum store_result store_add_number(struct store *store, struct store_key key, uint64_t amount, bool subtract,
                                   int64_t now, uint64_t *sum);
enum store_result store_touch(struct store *store, struct store_key key, int64_t expires_at, int64_t now);
void store_flush(struct store *store);
size_t store_expire(struct store *store, int64_t now);
struct store_totals store_totals(struct store *store);

// Milliseconds of CLOCK_MONOTONIC.
int64_t clock_ms(void);

#endif
