#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shard.h"

int64_t clock_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct store *store_create(size_t live_max, bool promote_at_once) {
    struct store *store = calloc(1, sizeof *store);
    if (!store) return NULL;
    store->promote_at_once = promote_at_once;
    size_t per_shard = live_max / STORE_SHARDS;
    if (per_shard == 0) per_shard = 1;
    for (int i = 0; i < STORE_SHARDS; i++) shard_init(&store->shards[i], per_shard);
    return store;
}

void store_destroy(struct store *store) {
    for (int i = 0; i < STORE_SHARDS; i++) shard_destroy(&store->shards[i]);
    free(store);
}

// FNV-1a.
struct store_key store_key_make(const char *bytes, size_t length) {
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < length; i++) hash = (hash ^ (unsigned char)bytes[i]) * 1099511628211u;
    return (struct store_key){.bytes = bytes, .length = length, .hash = hash};
}

// The bits above those that choose a bucket choose the shard.
static struct shard *shard_for(struct store *store, struct store_key key) {
    return &store->shards[(key.hash >> 40) & (STORE_SHARDS - 1)];
}

static void append_value(struct buffer *reply, const struct item *item, bool with_cas) {
    buffer_printf(reply, "VALUE %s %u %zu", item->key, item->flags, item->value_length);
    if (with_cas) buffer_printf(reply, " %llu", (unsigned long long)item->cas);
    buffer_append(reply, "\r\n", 2);
    buffer_append(reply, item->value, item->value_length);
    buffer_append(reply, "\r\n", 2);
}

// Appends the item to the reply and says whether there was one.
//
// Here is the planted bug. Renewing the item's place in the order of use is put off until the reply is out, so that
// the client does not wait for it, and *due keeps a bare pointer to the item across the unlock: nothing counts the
// reference. When another thread evicts, deletes or expires the item before store_promote() takes the lock again,
// store_promote() works on a free slot. All memory is accessed under the lock; only the order of the two lock
// acquisitions decides. Safe mode renews the place at once, under the lock that found the item.
bool store_get(struct store *store, struct store_key key, bool with_cas, int64_t now, struct buffer *reply,
               struct item_reference *due) {
    struct shard *shard = shard_for(store, key);
    *due = (struct item_reference){.shard = shard, .item = NULL};
    pthread_mutex_lock(&shard->lock);
    struct item *item = shard_find(shard, key, now);
    if (item) {
        append_value(reply, item, with_cas);
        if (now - item->promoted_at >= STORE_PROMOTE_EVERY_MS) {
            if (store->promote_at_once) shard_promote(shard, item, now);
            else due->item = item;
        }
    }
    pthread_mutex_unlock(&shard->lock);
    return item != NULL;
}

void store_promote(struct item_reference reference, int64_t now) {
    pthread_mutex_lock(&reference.shard->lock);
    shard_promote(reference.shard, reference.item, now);
    pthread_mutex_unlock(&reference.shard->lock);
}

static char *block_create(struct store_key key, const char *value, size_t value_length) {
    char *block = malloc(key.length + 1 + value_length);
    if (!block) {
        fprintf(stderr, "kvserver: out of memory for an item of %zu bytes\n", value_length);
        abort();
    }
    memcpy(block, key.bytes, key.length);
    block[key.length] = '\0';
    memcpy(block + key.length + 1, value, value_length);
    return block;
}

static void item_set_block(struct shard *shard, struct item *item, char *block, size_t key_length,
                           size_t value_length) {
    item->key = block;
    item->key_length = key_length;
    item->value = block + key_length + 1;
    item->value_length = value_length;
    item->cas = ++shard->last_cas;
}

static enum store_result may_write(const struct item *item, const struct store_write *write) {
    switch (write->mode) {
    case STORE_SET: return STORE_DONE;
    case STORE_ADD: return item ? STORE_NOT_STORED : STORE_DONE;
    case STORE_REPLACE: return item ? STORE_DONE : STORE_NOT_STORED;
    case STORE_CAS: break;
    }
    if (!item) return STORE_NOT_FOUND;
    return item->cas == write->cas ? STORE_DONE : STORE_EXISTS;
}

enum store_result store_put(struct store *store, struct store_key key, const struct store_write *write, int64_t now) {
    struct shard *shard = shard_for(store, key);
    char *block = block_create(key, write->value, write->value_length);
    pthread_mutex_lock(&shard->lock);
    struct item *item = shard_find(shard, key, now);
    enum store_result result = may_write(item, write);
    if (result == STORE_DONE) {
        char *replaced = NULL;
        if (item) {
            replaced = item->key;
            item_set_block(shard, item, block, key.length, write->value_length);
            shard_promote(shard, item, now);
        } else {
            item = shard_claim_slot(shard);
            item_set_block(shard, item, block, key.length, write->value_length);
            item->promoted_at = now;
            shard_insert(shard, item, key);
        }
        item->flags = write->flags;
        item->expires_at = write->expires_at;
        block = replaced;
    }
    pthread_mutex_unlock(&shard->lock);
    free(block);
    return result;
}

enum store_result store_delete(struct store *store, struct store_key key, int64_t now) {
    struct shard *shard = shard_for(store, key);
    pthread_mutex_lock(&shard->lock);
    struct item *item = shard_find(shard, key, now);
    if (item) shard_remove(shard, item);
    pthread_mutex_unlock(&shard->lock);
    return item ? STORE_DONE : STORE_NOT_FOUND;
}

static bool parse_number(const char *text, size_t length, uint64_t *number) {
    if (length == 0 || length > 20) return false;
    *number = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        *number = *number * 10 + (uint64_t)(text[i] - '0');
    }
    return true;
}

enum store_result store_add_number(struct store *store, struct store_key key, uint64_t amount, bool subtract,
                                   int64_t now, uint64_t *sum) {
    struct shard *shard = shard_for(store, key);
    char *replaced = NULL;
    enum store_result result = STORE_DONE;
    pthread_mutex_lock(&shard->lock);
    struct item *item = shard_find(shard, key, now);
    uint64_t number = 0;
    if (!item) {
        result = STORE_NOT_FOUND;
    } else if (!parse_number(item->value, item->value_length, &number)) {
        result = STORE_NOT_A_NUMBER;
    } else {
        // A counter stops at zero going down and wraps going up, as memcached's do.
        if (!subtract) number += amount;
        else number = number > amount ? number - amount : 0;
        char digits[24];
        int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
        replaced = item->key;
        item_set_block(shard, item, block_create(key, digits, (size_t)length), key.length, (size_t)length);
    }
    pthread_mutex_unlock(&shard->lock);
    free(replaced);
    *sum = number;
    return result;
}

enum store_result store_touch(struct store *store, struct store_key key, int64_t expires_at, int64_t now) {
    struct shard *shard = shard_for(store, key);
    pthread_mutex_lock(&shard->lock);
    struct item *item = shard_find(shard, key, now);
    if (item) {
        item->expires_at = expires_at;
        shard_promote(shard, item, now);
    }
    pthread_mutex_unlock(&shard->lock);
    return item ? STORE_DONE : STORE_NOT_FOUND;
}

void store_flush(struct store *store) {
    for (int i = 0; i < STORE_SHARDS; i++) {
        struct shard *shard = &store->shards[i];
        pthread_mutex_lock(&shard->lock);
        while (!lru_is_empty(&shard->lru)) shard_remove(shard, (struct item *)shard->lru.newer);
        pthread_mutex_unlock(&shard->lock);
    }
}

size_t store_expire(struct store *store, int64_t now) {
    size_t expired = 0;
    for (int i = 0; i < STORE_SHARDS; i++) {
        struct shard *shard = &store->shards[i];
        pthread_mutex_lock(&shard->lock);
        expired += shard_expire(shard, now);
        pthread_mutex_unlock(&shard->lock);
    }
    return expired;
}

struct store_totals store_totals(struct store *store) {
    struct store_totals totals = {0};
    for (int i = 0; i < STORE_SHARDS; i++) {
        struct shard *shard = &store->shards[i];
        pthread_mutex_lock(&shard->lock);
        totals.live += shard->live;
        totals.live_max += shard->live_max;
        totals.evictions += shard->evictions;
        totals.expirations += shard->expirations;
        pthread_mutex_unlock(&shard->lock);
    }
    return totals;
}
