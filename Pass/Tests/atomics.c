// load: load_4
// store: store_8
// change: fetch_add_2 fetch_xor_1
// exchange: exchange_8
// newValue: fetch_sub_4
// weak: compare_exchange_4
// strong: compare_exchange_8
// sync: fetch_or_4 compare_exchange_8 exchange_4 store_4
// flag: exchange_1 store_1
// fence:
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

int load(atomic_int *p) { return atomic_load_explicit(p, memory_order_relaxed); }
void store(_Atomic(char *) *p, char *value) { atomic_store(p, value); }
int change(_Atomic uint16_t *p, _Atomic uint8_t *q) { return atomic_fetch_add(p, 3) + atomic_fetch_xor(q, 1); }
void *exchange(void *_Atomic *p, void *value) { return atomic_exchange(p, value); }
int newValue(atomic_int *p) { return __atomic_sub_fetch((int *)p, 1, __ATOMIC_ACQ_REL); }
bool weak(atomic_int *p, int *expected) { return atomic_compare_exchange_weak(p, expected, 4); }
bool strong(atomic_long *p, long *expected) { return atomic_compare_exchange_strong(p, expected, 4); }
long sync(int *p, long *q) {
    long result = __sync_or_and_fetch(p, 4);
    result += __sync_val_compare_and_swap(q, 1L, 2L);
    result += __sync_lock_test_and_set(p, 1);
    __sync_lock_release(p);
    return result;
}
bool flag(atomic_flag *p) {
    bool result = atomic_flag_test_and_set(p);
    atomic_flag_clear(p);
    return result;
}
void fence(void) { atomic_thread_fence(memory_order_seq_cst); }
