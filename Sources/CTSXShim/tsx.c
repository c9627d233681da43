/// Restricted transactional memory. Compiled for RTM, executed only after CPUID said that it exists.
#include <cpuid.h>
#include "ctsx.h"

int castor_cpu_has_rtm(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    return ((b >> 11) & 1) && !((d >> 11) & 1); /* RTM, and not RTM_ALWAYS_ABORT */
}

#define STARTED 0xffffffffu
static inline __attribute__((always_inline)) unsigned begin(void) {
    unsigned status = STARTED;
    __asm__ volatile("xbegin 1f; 1:" : "+a"(status)::"memory");
    return status;
}
static inline __attribute__((always_inline)) void end(void) { __asm__ volatile("xend" ::: "memory"); }

int castor_rtm_self_test(void) {
    if (!castor_cpu_has_rtm()) return 0;
    volatile uint64_t word = 0;
    unsigned committed = 0;
    for (int i = 0; i < 4096; i++) {
        if (begin() != STARTED) continue;
        word = word + 1;
        end();
        committed++;
    }
    if (word != committed || committed < 2048) return 0;
    /* an explicit abort must undo its stores */
    if (begin() == STARTED) {
        word = 0;
        __asm__ volatile("xabort $1" ::: "memory");
    }
    return word == committed;
}

/// A transaction that met another or was interrupted is worth trying again; one that cannot succeed is not.
#define RETRIES 3
#define MAY_SUCCEED 2u

uint64_t castor_take_in_transaction(uint64_t *word, unsigned (*begin_)(void), void (*end_)(void)) {
    for (int i = 0; i < RETRIES; i++) {
        unsigned status = begin_();
        if (status == STARTED) {
            uint64_t version = *word;
            *word = version + 1;
            end_();
            return version;
        }
        if (!(status & MAY_SUCCEED)) break;
    }
    return __atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST);
}

static unsigned begin_rtm(void) { return begin(); }
static void end_rtm(void) { end(); }
uint64_t castor_rtm_take(uint64_t *word) { return castor_take_in_transaction(word, begin_rtm, end_rtm); }
