/// An operation and the time stamp counter in one hardware transaction, as the paper has it (§3.4), for Benchmarks/Orders.
#pragma once
#include <stdint.h>

/// Adds one to the object and reads the counter; nobody comes in between, and whoever is interrupted has done nothing. True
/// when the transaction was committed within a few tries; `lock` is the object's, which those take for whom it was not.
/// Only where castor_rtm_self_test() said that there are transactions.
int bench_add_stamped(
    uint64_t *_Nonnull object, const uint64_t *_Nonnull lock, uint64_t *_Nonnull found, uint64_t *_Nonnull stamp);
