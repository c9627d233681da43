/// An operation and what orders it in one hardware transaction, for Benchmarks/Orders.
#pragma once
#include <stdint.h>

/// Adds one to the object and reads the counter, as the paper has it (§3.4); nobody comes in between, and whoever is interrupted has done
/// nothing. The processor may read the counter before it has the object, though. True when the transaction was committed within a few tries;
/// `lock`, whose lowest bit says that it is taken, is the object's, and for whoever it was not. Only where castor_rtm_self_test() said that
/// there are transactions.
int bench_add_stamped(
    uint64_t *_Nonnull object, const uint64_t *_Nonnull lock, uint64_t *_Nonnull found, uint64_t *_Nonnull stamp);

/// And the counter is read between fences.
int bench_add_stamped_fenced(
    uint64_t *_Nonnull object, const uint64_t *_Nonnull lock, uint64_t *_Nonnull found, uint64_t *_Nonnull stamp);

/// With the object's next version instead of the counter: the word's upper bits.
int bench_add_versioned(
    uint64_t *_Nonnull object, uint64_t *_Nonnull word, uint64_t *_Nonnull found, uint64_t *_Nonnull version);
