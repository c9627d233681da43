// Plain accesses that -fcastor-order=shared instruments: of every size, alignment and kind.
#include <complex.h>
#include <stdlib.h>

typedef float quad __attribute__((vector_size(16)));
typedef float octet __attribute__((vector_size(32)));
typedef uint32_t unaligned __attribute__((aligned(1), may_alias));
typedef struct {
    char tag;
    int values[9];
} record;
typedef struct {
    char c;
    wide w;
    uint64_t u;
    double d;
} __attribute__((packed)) packed;
typedef struct {
    unsigned a : 3;
    int b : 7;
    unsigned c : 22;
    uint64_t d : 40, e : 24;
    _Bool f : 1;
    signed char g : 5;
} fields;
typedef struct {
    long double precise;
    double complex pair;
    float complex small;
} numbers;

static struct {
    record records[3];
    packed odd;
    fields bits;
    numbers n;
    quad q;
    octet o;
    char text[128];
    unsigned char bytes[96];
    record *chosen;
} *memory;

static __attribute__((noinline)) int taken(record r, int i) { return r.values[i] + r.tag; }
static __attribute__((noinline)) record given(int start) {
    record r = {(char)start, {0}};
    for (int i = 0; i < 9; i++) r.values[i] = start * i;
    return r;
}

static void structures(void) {
    memory->records[0] = given(7);
    memory->records[1] = memory->records[0];
    memory->records[1].values[3]++;
    memory->records[2] = (record){0};
    record own = memory->records[1];
    own.values[8] = -1;
    memory->records[2] = own;
    memory->chosen = &memory->records[2];
    SHOW("by value", taken(memory->records[1], 3) + taken(*memory->chosen, 8));
    struct {
        int x, y;
    } two = {1, 2}, *at = (void *)memory->bytes;
    *at = two;
    SHOW("small", at->x * 10 + at->y);
}

static void parts(void) {
    fields *f = &memory->bits;
    for (int i = -5; i < 300; i += 61) {
        f->a = (unsigned)i, f->b = i, f->c += (unsigned)i * 7919u, f->d -= (uint64_t)i << 21, f->e ^= (uint64_t)i * 40503;
        f->f = i & 1, f->g = (signed char)i;
        SHOW("bits", f->a + f->b * 8 + f->c);
        SHOW("more bits", (uint64_t)f->d * 3 + f->e + f->f * 2 + (uint64_t)f->g);
    }
    packed *p = &memory->odd;
    p->w = ((wide)1 << 100) + 5, p->u = 0x1122334455667788, p->d = 1.5, p->c = 'c';
    SHOW_WIDE("packed", p->w + p->u);
    SHOW("packed", p->d * 4);
    for (unsigned i = 0; i < 40; i++) *(unaligned *)&memory->bytes[i] = i * 0x01020304;
    uint64_t sum = 0;
    for (unsigned i = 0; i < 80; i++) sum = sum * 31 + *(const unaligned *)&memory->bytes[i];
    SHOW("unaligned", sum);
}

static void reals(void) {
    memory->n.precise = 1.0L / 3;
    memory->n.precise += 1;
    memory->n.pair = 1 + 2 * I;
    memory->n.pair *= memory->n.pair;
    memory->n.small = (float complex)memory->n.pair;
    SHOW("long double", memory->n.precise * 1e15L);
    SHOW("complex", creal(memory->n.pair) * 100 + cimag(memory->n.pair));
    SHOW("small complex", crealf(memory->n.small) * 100 + cimagf(memory->n.small));
    memory->q = (quad){1, 2, 3, 4};
    memory->q = memory->q * memory->q;
    memory->o = (octet){1, 2, 3, 4, 5, 6, 7, 8};
    memory->o += memory->o;
    SHOW("vectors", memory->q[3] + 100 * memory->o[7]);
}

static void library(void) {
    char *t = memory->text;
    strcpy(t, "plain accesses");
    strcat(t, ", ");
    strncat(t, "ordered too", 7);
    SHOW("length", strlen(t) * 1000 + strnlen(t, 5));
    printf("%s\n", t);
    SHOW("found", strchr(t, 'a') - t + 100 * (strrchr(t, 's') - t) + 10000 * ((char *)memchr(t, ',', 99) - t));
    SHOW("none", strchr(t, 'z') == NULL);
    SHOW("compared", (strcmp(t, "plain") > 0) + 2 * (strncmp(t, "plainer", 5) == 0) + 4 * (memcmp(t, "plaid", 5) > 0));
    memmove(t + 3, t, 20);
    printf("%.30s\n", t);
    memmove(t, t + 5, 20);
    printf("%.30s\n", t);
    strncpy(t, "abc", 20);
    uint64_t sum = 0;
    for (int i = 0; i < 40; i++) sum = sum * 33 + (unsigned char)t[i];
    SHOW("padded", sum);
    memset(memory->bytes + 3, 0x5a, 70);
    memcpy(memory->bytes + 1, t, strlen(t));
    for (int i = 0; i < 96; i++) sum = sum * 33 + memory->bytes[i];
    SHOW("bytes", sum);
}

static void plain(void) {
    memory = aligned_alloc(64, (sizeof *memory + 63) / 64 * 64);
    memset(memory, 0, sizeof *memory);
    structures();
    parts();
    reals();
    library();
    free(memory);
}
