// Double-checked locking: whoever comes first makes the object, under a lock; whoever comes later sees it without one.
#include "race.h"

#include <stdatomic.h>

enum { OBJECTS = 4000 };

struct object {
    int maker;
    uint64_t value;
};

static _Atomic(struct object *) objects[OBJECTS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t made; // under the lock

static struct object *make(int self) {
    struct object *object = (struct object *)malloc(sizeof *object);
    CHECK(object != NULL);
    *object = (struct object){self, ++made};
    return object;
}

static struct object *get(int index, int self) {
    struct object *object = atomic_load_explicit(&objects[index], memory_order_acquire);
    if (object) return object;
    pthread_mutex_lock(&lock);
    object = atomic_load_explicit(&objects[index], memory_order_relaxed);
    if (!object) atomic_store_explicit(&objects[index], object = make(self), memory_order_release);
    pthread_mutex_unlock(&lock);
    return object;
}

static uint64_t work(int self) {
    uint64_t seen = GUEST_HASH_START;
    for (int i = 0; race_goes_on(i); i++) {
        struct object *object = get((i * 7 + self * 61) % OBJECTS, self);
        CHECK(object->value != 0 && object->maker < race_threads);
        seen = guest_hash(guest_hash(seen, (uint64_t)object->maker), object->value);
    }
    return seen;
}

int main(int count, char **arguments) {
    race_begin(count, arguments, OBJECTS);
    race_turns = OBJECTS;
    race_run("lazy", work);
    CHECK(made == OBJECTS);
    for (int i = 0; i < OBJECTS; i++) free(objects[i]);
    return 0;
}
