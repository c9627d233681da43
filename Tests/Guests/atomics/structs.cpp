// std::atomic of structs of 1 to 16 bytes, which the hardware does or libatomic, and of 24, which only a lock of libatomic
// can do. What belongs together must stay together, but in the odd sizes: gcc 12's libatomic tears these now and then.
// link: -latomic
#include "race.h"

#include <atomic>

template <int Size> struct bytes {
    uint8_t values[Size];
    bool is_whole() const {
        if (Size < 16 && (Size & (Size - 1))) return true;
        for (int i = 1; i < Size; i++)
            if (values[i] != (uint8_t)(values[0] + i)) return false;
        return true;
    }
};

template <int Size> bytes<Size> whole(unsigned start) {
    bytes<Size> result;
    for (int i = 0; i < Size; i++) result.values[i] = (uint8_t)(start + (unsigned)i);
    return result;
}

template <int Size> std::atomic<bytes<Size>> object{whole<Size>(0)};

template <int Size> uint64_t work(int self) {
    uint64_t seen = GUEST_HASH_START;
    for (int i = 0; race_goes_on(i); i++) {
        auto old = object<Size>.load();
        CHECK(old.is_whole());
        unsigned lost = 0;
        while (!object<Size>.compare_exchange_weak(old, whole<Size>(old.values[0] + 1u), std::memory_order_acq_rel))
            lost++;
        seen = guest_hash(guest_hash(seen, old.values[0]), lost);
        if (i % 4 == 0) object<Size>.store(whole<Size>((unsigned)(self + i)), std::memory_order_release);
        if (i % 4 == 2) {
            auto taken = object<Size>.exchange(whole<Size>((unsigned)(self - i)));
            CHECK(taken.is_whole());
            seen = guest_hash(seen, taken.values[0]);
        }
    }
    return seen;
}

template <int Size> void run() {
    char name[16];
    snprintf(name, sizeof name, "%d bytes", Size);
    race_run(name, work<Size>);
    CHECK(object<Size>.load().is_whole());
}

int main(int count, char **arguments) {
    race_begin(count, arguments, 3000);
    run<1>(), run<2>(), run<3>(), run<4>(), run<5>(), run<6>(), run<7>(), run<8>();
    run<9>(), run<11>(), run<12>(), run<15>(), run<16>(), run<24>();
}
