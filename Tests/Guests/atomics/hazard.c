// Hazard pointers: a reader announces the object that it looks at, a writer replaces the object and frees what nobody
// announces. A freed object is spoilt first, so a reader that was not protected shows.
#include "race.h"

#include <stdatomic.h>

enum { ALIVE = 0x5eed, RETIRED_MAX = 2 * GUEST_THREADS_MAX };

struct object {
    int state;
    uint64_t version;
};

static _Atomic(struct object *) current;
static _Atomic(struct object *) announced[GUEST_THREADS_MAX];
static atomic_ullong freed;

static struct object *new_object(uint64_t version) {
    struct object *object = (struct object *)malloc(sizeof *object);
    CHECK(object != NULL);
    *object = (struct object){ALIVE, version};
    return object;
}

static bool is_announced(struct object *object) {
    for (int i = 0; i < race_threads; i++)
        if (atomic_load(&announced[i]) == object) return true;
    return false;
}

static uint64_t read_current(int self) {
    struct object *object;
    do {
        object = atomic_load(&current);
        atomic_store(&announced[self], object);
    } while (object != atomic_load(&current));
    CHECK(object->state == ALIVE);
    uint64_t version = object->version;
    atomic_store(&announced[self], NULL);
    return version;
}

// Frees what can be freed; returns how many are left.
static int sweep(struct object **retired, int count) {
    int left = 0;
    for (int i = 0; i < count; i++) {
        if (is_announced(retired[i])) {
            retired[left++] = retired[i];
        } else {
            retired[i]->state = 0;
            free(retired[i]);
            atomic_fetch_add(&freed, 1);
        }
    }
    return left;
}

static uint64_t work(int self) {
    struct object *retired[RETIRED_MAX];
    int count = 0;
    uint64_t seen = GUEST_HASH_START;
    for (int i = 0; race_goes_on(i); i++) {
        seen = guest_hash(seen, read_current(self));
        if (i % 4) continue;
        retired[count++] = atomic_exchange(&current, new_object((uint64_t)self << 32 | (uint64_t)i));
        if (count == RETIRED_MAX) count = sweep(retired, count);
        seen = guest_hash(seen, (uint64_t)count);
    }
    while (count > 0) count = sweep(retired, count);
    return seen;
}

int main(int count, char **arguments) {
    race_begin(count, arguments, 20000);
    current = new_object(0);
    race_run("hazard", work);
    CHECK(freed == (unsigned long long)race_threads * (unsigned long long)((race_turns + 3) / 4));
    printf("last %016llx\n", (unsigned long long)read_current(0));
    free(current);
    return 0;
}
