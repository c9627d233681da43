// Floating-point numbers and vectors: sums that lose summands, in an order that shows in the last bits.
#include "racing.h"

#include <complex.h>

typedef float quad __attribute__((vector_size(16)));
typedef double pair __attribute__((vector_size(16)));
typedef int octet __attribute__((vector_size(32)));
static struct {
    float f;
    double d;
    long double l;
    float complex fc;
    double complex dc;
    quad q;
    pair p;
    octet o;
    double row[33];
    float cells[64];
} numbers;

static uint64_t bits(double d) {
    uint64_t u;
    memcpy(&u, &d, sizeof u);
    return u;
}

static uint64_t work(int self) {
    uint64_t seen = GUEST_HASH_START;
    double step = 1.0 / (3 + self);
    for (int i = 0; race_goes_on(i); i++) {
        numbers.f += (float)step;
        numbers.d = numbers.d * 0.999 + step;
        numbers.l = numbers.l * 0.999L + step;
        numbers.fc = numbers.fc * 0.5f + (float)step * (float complex)I;
        numbers.dc = numbers.dc * (0.6 + 0.8 * I) + step;
        numbers.q = numbers.q * 0.5f + (float)i;
        numbers.p = numbers.p + numbers.p * (pair){0.001, -0.001} + step;
        numbers.o += (octet){i, 1, self, i, 2, self, 3, i};
        for (int k = 0; k < 33; k += 4) numbers.row[k] += numbers.row[32 - k] * 0.5 + step;
        for (int k = 0; k < 64; k++) numbers.cells[k] = numbers.cells[k] * 0.5f + (float)self;  // by vectors
        seen = guest_hash(seen, bits(numbers.d) ^ bits(creal(numbers.dc)) ^ bits((double)numbers.l));
        seen = guest_hash(seen, bits(numbers.q[1]) ^ bits(numbers.p[1]) ^ (uint64_t)numbers.o[2]);
        seen = guest_hash(seen, bits(numbers.row[i % 33]) ^ bits(numbers.cells[i % 64]) ^ bits(numbers.f));
    }
    return seen;
}

int main(int count, char **arguments) {
    race_begin(count, arguments, 600);
    race_run("reals", work);
    SHOW_MEMORY("numbers", numbers);
    return 0;
}
