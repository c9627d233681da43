// Volatile objects as programs older than C11 use them: a flag that ends a loop, a counter that several threads increment
// without a lock, so that it loses some, and a bit field and a struct that are copied whole. Racy by intent.
#include "race.h"

static volatile int go, stop;
static volatile unsigned counter;
static volatile uint8_t small;
static volatile struct {
    unsigned low : 5, high : 11;
} bits;
static volatile struct big {
    uint64_t words[5];
} big;

static uint64_t work(int self) {
    uint64_t seen = GUEST_HASH_START, loops = 0;
    if (self == 0) {
        go = 1;
        for (int i = 0; race_goes_on(i); i++) {
            counter++;
            big = (struct big){{(uint64_t)i, (uint64_t)i, (uint64_t)i, (uint64_t)i, (uint64_t)i}};
            if (i % 16 == 0) small++, bits.low++;
        }
        stop = 1;
        return counter;
    }
    while (!go) {}
    do {
        counter++;
        if (++loops % 16 == 0) {
            struct big copy = big;
            seen = guest_hash(seen, copy.words[0] ^ copy.words[4]);
            bits.high = (unsigned)(bits.high + small) & 0x7ff;
        }
        seen = guest_hash(seen, counter);
    } while (!stop && loops < 4 * (uint64_t)race_turns);
    return guest_hash(seen, loops);
}

int main(int count, char **arguments) {
    race_begin(count, arguments, 20000);
    race_run("volatile", work);
    printf("counter %u small %u bits %u %u\n", counter, small, bits.low, bits.high);
    return 0;
}
