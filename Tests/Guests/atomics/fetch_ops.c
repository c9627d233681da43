// Every fetch-operation in every size: each thread keeps a hash of the old values that it got, and what must hold of the
// last values does. gcc 12 has no minimum and maximum; a loop stands for them.
// link: -latomic
#include "race.h"

typedef unsigned __int128 wide;

#if __clang__
#define FETCH_MAX(place, value) __atomic_fetch_max(place, value, __ATOMIC_RELAXED)
#define FETCH_MIN(place, value) __atomic_fetch_min(place, value, __ATOMIC_ACQ_REL)
#else
#define FETCH_CHOSEN(place, value, relation) \
    ({ \
        __typeof__(*(place)) old_ = __atomic_load_n(place, __ATOMIC_RELAXED), new_; \
        do new_ = old_ relation (value) ? old_ : (value); \
        while (!__atomic_compare_exchange_n(place, &old_, new_, true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)); \
        old_; \
    })
#define FETCH_MAX(place, value) FETCH_CHOSEN(place, value, >)
#define FETCH_MIN(place, value) FETCH_CHOSEN(place, value, <)
#endif

#define SAW(value) seen = guest_hash(seen, (uint64_t)(value))

// What all sizes have; the names of the parts say what is done to them.
#define FETCH_OPS(name, type) \
    static struct { \
        type added, taken, cleared, set, flipped, negated, exchanged, swapped; \
    } name; \
    static uint64_t name##_work(int self, int turn, uint64_t seen) { \
        type one = 1, all = (type)~(type)0, mine = (type)(self * 7 + turn); \
        SAW(__atomic_fetch_add(&name.added, one, __ATOMIC_RELAXED)); \
        SAW(__atomic_sub_fetch(&name.taken, one, __ATOMIC_RELEASE)); \
        SAW(__atomic_fetch_or(&name.set, (type)(one << self % 8), __ATOMIC_ACQUIRE)); \
        SAW(__atomic_fetch_and(&name.cleared, (type)(all ^ one << turn % 8), __ATOMIC_SEQ_CST)); \
        SAW(__atomic_fetch_or(&name.cleared, (type)(one << self % 8), __ATOMIC_SEQ_CST)); \
        SAW(__atomic_xor_fetch(&name.flipped, mine, __ATOMIC_ACQ_REL)); \
        SAW(__atomic_fetch_nand(&name.negated, mine, __ATOMIC_SEQ_CST)); \
        SAW(__atomic_exchange_n(&name.exchanged, mine, __ATOMIC_ACQ_REL)); \
        SAW(__sync_lock_test_and_set(&name.exchanged, mine)); \
        SAW(__sync_fetch_and_add(&name.added, one)); \
        type old = __atomic_load_n(&name.swapped, __ATOMIC_RELAXED); \
        while (!__atomic_compare_exchange_n(&name.swapped, &old, (type)(old + 1), false, __ATOMIC_ACQ_REL, \
                                            __ATOMIC_ACQUIRE)) \
            SAW(old); \
        return guest_hash(seen, (uint64_t)old); \
    } \
    static void name##_check(int turns) { \
        CHECK(name.added == (type)(2 * turns) && name.taken == (type)(0 - (type)turns)); \
        CHECK(name.swapped == (type)turns); \
        printf(#name " %llx %llx %llx %llx\n", (unsigned long long)name.cleared, (unsigned long long)name.flipped, \
               (unsigned long long)name.negated, (unsigned long long)name.exchanged); \
    }

FETCH_OPS(bytes, uint8_t)
FETCH_OPS(shorts, uint16_t)
FETCH_OPS(ints, uint32_t)
FETCH_OPS(longs, uint64_t)
FETCH_OPS(wides, wide)

static int32_t int_high, int_low;
static uint32_t unsigned_high, unsigned_low = UINT32_MAX;
static int64_t long_high, long_low;
static uint64_t unsigned_long_high, unsigned_long_low = UINT64_MAX;
static _Atomic float float_sum;
static _Atomic double double_sum;

static uint64_t extremes(uint64_t *random, uint64_t seen) {
    uint64_t value = guest_random(random);
    SAW(FETCH_MAX(&int_high, (int32_t)value));
    SAW(FETCH_MIN(&int_low, (int32_t)value));
    SAW(FETCH_MAX(&unsigned_high, (uint32_t)value));
    SAW(FETCH_MIN(&unsigned_low, (uint32_t)value));
    SAW(FETCH_MAX(&long_high, (int64_t)value));
    SAW(FETCH_MIN(&long_low, (int64_t)value));
    SAW(FETCH_MAX(&unsigned_long_high, value));
    SAW(FETCH_MIN(&unsigned_long_low, value));
    return seen;
}

// The sums stay exact: small whole numbers, and halves.
static uint64_t floating(uint64_t seen) {
#if __clang__
    SAW(__c11_atomic_fetch_add(&float_sum, 0.5f, __ATOMIC_SEQ_CST) * 2);
    SAW(__c11_atomic_fetch_sub(&double_sum, 1.5, __ATOMIC_RELAXED) * -2);
#else
    SAW((float_sum += 0.5f) * 2);
    SAW((double_sum -= 1.5) * -2);
#endif
    return seen;
}

static uint64_t work(int self) {
    uint64_t seen = GUEST_HASH_START, random = (uint64_t)self + 1;
    for (int i = 0; race_goes_on(i); i++) {
        seen = bytes_work(self, i, seen);
        seen = shorts_work(self, i, seen);
        seen = ints_work(self, i, seen);
        seen = longs_work(self, i, seen);
        seen = wides_work(self, i, seen);
        seen = extremes(&random, seen);
        seen = floating(seen);
    }
    return seen;
}

int main(int count, char **arguments) {
    race_begin(count, arguments, 3000);
    race_run("fetch", work);
    int turns = race_threads * race_turns;
    bytes_check(turns);
    shorts_check(turns);
    ints_check(turns);
    longs_check(turns);
    wides_check(turns);
    CHECK(float_sum == 0.5f * (float)turns && double_sum == -1.5 * turns);
    CHECK(int_high >= 0 && int_low <= 0 && long_high >= 0 && long_low <= 0 && unsigned_high >= unsigned_low);
    return 0;
}
