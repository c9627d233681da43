// std::random_device by instruction, where the processor has one: libstdc++ executes it, not this program.
#include "race.h"

#include <random>

static uint64_t work(int self) {
    uint64_t seen = GUEST_HASH_START;
    for (const char *token : {"default", "rdrand", "rdseed"}) {
        try {
            std::random_device device(token);
            for (int i = 0; race_goes_on(i); i++) seen = guest_hash(seen, device());
        } catch (const std::exception &) {
            seen = guest_hash(seen, (uint64_t)self);
        }
    }
    std::mt19937_64 generator(std::random_device{}());
    return guest_hash(seen, generator());
}

int main(int count, char **arguments) {
    race_begin(count, arguments, 2000);
    race_run("random", work);
}
