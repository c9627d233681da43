#include "shard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The slots never go back to the allocator, so AddressSanitizer is told by hand which of them nobody may use.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(start, size) ((void)(start), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(start, size) ((void)(start), (void)(size))
#endif

// Free slots beyond the live ones: with them a released slot rests for that many allocations before its next use.
enum { SPARE_SLOTS = 256 };

static void *allocate_zeroed(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (!memory) {
        fprintf(stderr, "kvserver: out of memory for %zu x %zu bytes\n", count, size);
        abort();
    }
    return memory;
}

static void free_list_append(struct shard *shard, struct item *item) {
    ASAN_POISON_MEMORY_REGION(&item->lru, sizeof item->lru);
    item->hash_next = NULL;
    if (shard->free_last) shard->free_last->hash_next = item;
    else shard->free_first = item;
    shard->free_last = item;
}

void shard_init(struct shard *shard, size_t live_max) {
    pthread_mutex_init(&shard->lock, NULL);
    lru_init(&shard->lru);
    size_t buckets = 16;
    while (buckets < live_max) buckets *= 2;
    shard->buckets = allocate_zeroed(buckets, sizeof *shard->buckets);
    shard->bucket_mask = buckets - 1;
    shard->live_max = live_max;
    shard->slots = allocate_zeroed(live_max + SPARE_SLOTS, sizeof *shard->slots);
    for (size_t i = 0; i < live_max + SPARE_SLOTS; i++) free_list_append(shard, &shard->slots[i]);
}

void shard_destroy(struct shard *shard) {
    while (!lru_is_empty(&shard->lru)) shard_remove(shard, (struct item *)shard->lru.newer);
    free(shard->slots);
    free(shard->buckets);
    pthread_mutex_destroy(&shard->lock);
}

static struct item **bucket_of(struct shard *shard, uint64_t hash) {
    return &shard->buckets[hash & shard->bucket_mask];
}

static bool has_expired(const struct item *item, int64_t now) {
    return item->expires_at != 0 && item->expires_at <= now;
}

struct item *shard_find(struct shard *shard, struct store_key key, int64_t now) {
    for (struct item *item = *bucket_of(shard, key.hash); item; item = item->hash_next) {
        if (item->key_length != key.length || memcmp(item->key, key.bytes, key.length) != 0) continue;
        if (!has_expired(item, now)) return item;
        shard->expirations++;
        shard_remove(shard, item);
        return NULL;
    }
    return NULL;
}

// Takes the oldest free slot; a full shard first gives up the item that was not used for longest.
struct item *shard_claim_slot(struct shard *shard) {
    if (shard->live == shard->live_max) {
        shard->evictions++;
        shard_remove(shard, (struct item *)shard->lru.newer);
    }
    struct item *item = shard->free_first;
    shard->free_first = item->hash_next;
    if (!shard->free_first) shard->free_last = NULL;
    ASAN_UNPOISON_MEMORY_REGION(&item->lru, sizeof item->lru);
    return item;
}

// The slot's block must be filled in already.
void shard_insert(struct shard *shard, struct item *item, struct store_key key) {
    struct item **bucket = bucket_of(shard, key.hash);
    item->hash_next = *bucket;
    *bucket = item;
    lru_insert_newest(&shard->lru, &item->lru);
    shard->live++;
}

// Takes an item out of the shard and gives its memory back. Nothing in a free slot can be used by mistake.
void shard_remove(struct shard *shard, struct item *item) {
    struct item **place = bucket_of(shard, store_key_make(item->key, item->key_length).hash);
    while (*place != item) place = &(*place)->hash_next;
    *place = item->hash_next;
    lru_unlink(&item->lru);
    free(item->key);
    memset(item, 0, sizeof *item);
    free_list_append(shard, item);
    shard->live--;
}

void shard_promote(struct shard *shard, struct item *item, int64_t now) {
    lru_unlink(&item->lru);
    lru_insert_newest(&shard->lru, &item->lru);
    item->promoted_at = now;
}

size_t shard_expire(struct shard *shard, int64_t now) {
    size_t expired = 0;
    struct lru_link *link = shard->lru.newer;
    while (link != &shard->lru) {
        struct lru_link *next = link->newer;
        struct item *item = (struct item *)link;
        if (has_expired(item, now)) {
            shard_remove(shard, item);
            expired++;
        }
        link = next;
    }
    shard->expirations += expired;
    return expired;
}
