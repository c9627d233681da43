// Pointers that race: publication without an atomic store, a list to which threads push without one, so that it loses
// nodes, pointers that are swapped and followed, a flag that is waited for, and double-checked locking as it was written
// before there were atomics.
#include "racing.h"

struct node {
    uint64_t value, check;
    struct node *next;
    char text[24];
};
static struct node *published, *list, *slots[5];
static int ready;
static struct {
    pthread_mutex_t lock;
    struct node *made;
    unsigned times;
} lazy = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct node *node(uint64_t value) {
    struct node *made = malloc(sizeof *made);
    CHECK(made);
    *made = (struct node){.value = value, .check = ~value};
    snprintf(made->text, sizeof made->text, "%llu", (unsigned long long)value);
    return made;
}

static struct node *singleton(void) {
    struct node *made = lazy.made;  // once: others take it away again
    if (!made) {
        pthread_mutex_lock(&lazy.lock);
        made = lazy.made;
        if (!made) {
            made = node(++lazy.times);
            MEMORY_CHANGES();
            lazy.made = made;
        }
        pthread_mutex_unlock(&lazy.lock);
    }
    return made;
}

static uint64_t look(uint64_t seen, const struct node *at) {
    return at ? guest_hash(guest_hash(seen, at->value), at->check ^ (uint64_t)at->text[1]) : seen;
}

static uint64_t work(int self) {
    uint64_t seen = GUEST_HASH_START;
    unsigned spins = 0;
    if (self == 0) ready = 1;
    while (!ready) {
        MEMORY_CHANGES();
        race_relax(&spins);
    }
    for (int i = 0; race_goes_on(i); i++) {
        struct node *mine = node((uint64_t)self << 32 | (unsigned)i);
        MEMORY_CHANGES();
        if (i % 3 == 0) published = mine;
        mine->next = list;
        MEMORY_CHANGES();
        list = mine;
        int a = i % 5, b = (i * 3 + self) % 5;
        struct node *swapped = slots[a];
        slots[a] = slots[b] ? slots[b] : mine;
        slots[b] = swapped;
        seen = look(look(look(seen, published), slots[b]), list->next);
        if (i % 50 == 10) lazy.made = NULL;
        seen = guest_hash(seen, singleton()->value);
    }
    return seen;
}

int main(int count, char **arguments) {
    race_begin(count, arguments, 800);
    race_run("pointers", work);
    uint64_t nodes = 0, hash = GUEST_HASH_START;
    for (struct node *at = list; at; at = at->next, nodes++) hash = look(hash, at);
    printf("%llu nodes %016llx, made %u times\n", (unsigned long long)nodes, (unsigned long long)hash, lazy.times);
    SHOW_MEMORY("slots", slots);
    return 0;
}
