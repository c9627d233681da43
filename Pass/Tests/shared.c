// options: order=shared
// load: volatile_load_4
// store: plain_store_8
// local:
// constant:
// copy: copy
// gcc clear: fill
// clang toLocal: copy
// unaligned: copy
// bits: volatile_load_4 plain_store_4
// bit: volatile_load_4
// argument: copy
// gcc result: copy
// length: strlen
// compared: memcmp
// literal:
#include <string.h>
int shared;
static const int table[4] = {4, 3, 2, 1};
struct big {
    int x[20];
} from, to, zero;
struct bits {
    unsigned a : 3, b : 29;
} field;
struct packed {
    char c;
    unsigned __int128 wide;
} __attribute__((packed)) odd;

int load(void) { return shared; }
void store(long *p) { *p = 1; }
int local(int n) {
    int values[3] = {n, n + 1, n + 2};
    return values[0] * values[1];
}
int constant(unsigned n) { return table[n & 3]; }
void copy(void) { to = from; }
void clear(void) { zero = (struct big){0}; }
int toLocal(void) {
    struct big own;
    own = from;
    return own.x[own.x[0] & 15];
}
void unaligned(unsigned __int128 n) { odd.wide = n; }
void bits(unsigned n) { field.b = n; }
int bit(void) { return field.a; }
int take(struct big own);
int argument(void) { return take(from); }
struct big give(void);
void result(void) { to = give(); }
size_t length(const char *s) { return strlen(s); }
int compared(const void *p) { return memcmp(p, &from, sizeof from); }
size_t literal(void) { return strlen("literal"); }
