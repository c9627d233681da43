// What happens inside one shard, with its lock held by the caller.
#ifndef KV_SHARD_H
#define KV_SHARD_H

#include "store.h"

void shard_init(struct shard *shard, size_t live_max);
void shard_destroy(struct shard *shard);
struct item *shard_find(struct shard *shard, struct store_key key, int64_t now);
struct item *shard_claim_slot(struct shard *shard);
void shard_insert(struct shard *shard, struct item *item, struct store_key key);
void shard_remove(struct shard *shard, struct item *item);
void shard_promote(struct shard *shard, struct item *item, int64_t now);
size_t shard_expire(struct shard *shard, int64_t now);

#endif
