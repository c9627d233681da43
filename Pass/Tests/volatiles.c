// load: volatile_load_4
// store: volatile_store_8
// change: volatile_load_2 volatile_store_2
// pointer: volatile_load_8
// real: volatile_load_8 volatile_store_4
// local:
// escaping: volatile_store_4 volatile_load_4
// clang odd: region_begin region_end value value
// gcc odd: region_begin region_end
// packed: region_begin region_output region_end
// copy: copy
#include <stdint.h>

typedef struct {
    char c;
    unsigned __int128 wide;
} __attribute__((packed)) packed_t;
struct big {
    int x[20];
};
extern volatile long double precise;
extern volatile struct big from, to;
void use(volatile int *p);

int load(volatile int *p) { return *p; }
void store(long *volatile *p, long *value) { *p = value; }
void change(volatile uint16_t *p) { (*p)++; }
int pointer(int *volatile *p) { return **p; }
void real(volatile double *p, volatile float *q) { *q = (float)*p; }
int local(int n) {
    volatile int kept = n;
    volatile int many[3] = {n, n, n};
    return kept + many[2];
}
int escaping(int n) {
    volatile int seen = n;
    use(&seen);
    return seen;
}
long double odd(void) { return precise; }
void packed(volatile packed_t *p, unsigned __int128 value) { p->wide = value; }
void copy(void) { to = from; }
