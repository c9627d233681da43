// Bit-fields that share words, and accesses that no alignment keeps within 16 bytes: packed structures, words at odd
// addresses, some of which overlap.
#include "racing.h"

static struct {
    unsigned a : 1, b : 2, c : 29;
    int d : 11, e : 21;
    uint64_t f : 33, g : 31;
    _Bool h : 1, i : 1;
    signed char j : 5;
    unsigned k : 7, : 0, l : 9;
} fields[3];
static struct {
    char c;
    uint16_t s;
    uint64_t u;
    unsigned __int128 w;
    double d;
    struct {
        char t;
        uint32_t x[5];
    } __attribute__((packed)) inner;
} __attribute__((packed)) packed[3];
typedef uint64_t anywhere8 __attribute__((aligned(1), may_alias));
typedef uint32_t anywhere4 __attribute__((aligned(1), may_alias));
typedef uint16_t anywhere2 __attribute__((aligned(1), may_alias));
static unsigned char bytes[128];

static uint64_t change_fields(int self, int turn) {
    int n = turn % 3;
    fields[n].a ^= 1, fields[n].b += 3, fields[n].c = fields[n].c * 5 + (unsigned)self;
    fields[n].d -= turn, fields[n].e += fields[n].d;
    fields[n].f += 0x123456789, fields[n].g ^= fields[n].f >> 3;
    fields[n].h = !fields[n].i, fields[n].i = turn & 1, fields[n].j = (signed char)(fields[n].j + 3);
    fields[n].k++, fields[n].l = fields[n].k * 3u;
    return fields[n].c + (uint64_t)fields[n].g + (uint64_t)fields[n].e + fields[n].l + (uint64_t)fields[n].j;
}

static uint64_t change_packed(int self, int turn) {
    int n = turn % 3;
    packed[n].c++, packed[n].s += (uint16_t)self, packed[n].u += packed[n].s;
    packed[n].w = packed[n].w * 3 + packed[n].u;
    packed[n].d += 0.5;
    packed[n].inner.x[turn % 5] += (uint32_t)turn;
    if (turn % 8 == 0) packed[n].inner = packed[(n + 1) % 3].inner;
    return (uint64_t)(packed[n].w >> 64) ^ packed[n].u ^ packed[n].inner.x[(turn + 1) % 5];
}

static uint64_t change_bytes(int self, int turn) {
    int at = turn * 5 % 100;
    *(anywhere8 *)&bytes[at] += 0x0102030405060708 * (uint64_t)(self + 1);
    *(anywhere4 *)&bytes[(at + 13) % 100] ^= (uint32_t)turn * 40503u;
    *(anywhere2 *)&bytes[(at + 15) % 100] = (uint16_t)(turn * 3);
    return *(anywhere8 *)&bytes[(at + 9) % 100];
}

static uint64_t work(int self) {
    uint64_t seen = GUEST_HASH_START;
    for (int i = 0; race_goes_on(i); i++) {
        seen = guest_hash(seen, change_fields(self, i));
        seen = guest_hash(seen, change_packed(self, i));
        seen = guest_hash(seen, change_bytes(self, i));
    }
    return seen;
}

int main(int count, char **arguments) {
    race_begin(count, arguments, 1200);
    race_run("bits", work);
    SHOW_MEMORY("fields", fields);
    SHOW_MEMORY("packed", packed);
    SHOW_MEMORY("bytes", bytes);
    return 0;
}
