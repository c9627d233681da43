// A program that computes: kernel [TURNS]. Two threads, each with its own rows of a matrix product and its own hash table,
// share nothing but what they read. Prints a sum, and its time in seconds. What -fcastor-order=shared costs shows here at its worst: every access
// is of memory that might be shared.
#include "../../guest.h"

enum { SIDE = 96, SLOTS = 4096 };

static double left[SIDE][SIDE], right[SIDE][SIDE], product[SIDE][SIDE];
static uint64_t tables[2][SLOTS], sums[2];
static int turns;

static void *work(void *argument) {
    const int self = (int)(intptr_t)argument;
    uint64_t state = 88172645463325252u + (uint64_t)self, *table = tables[self];
    for (int turn = 0; turn < turns; turn++) {
        for (int i = self; i < SIDE; i += 2)
            for (int k = 0; k < SIDE; k++) {
                double factor = left[i][k];
                for (int j = 0; j < SIDE; j++) product[i][j] += factor * right[k][j];
            }
        for (int i = 0; i < 20000; i++) {
            uint64_t key = guest_random(&state);
            table[key % SLOTS] += key;
            sums[self] ^= table[(key >> 32) % SLOTS];
        }
    }
    return NULL;
}

int main(int count, char **arguments) {
    turns = guest_number(count, arguments, 1, 100, 1000000);
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) left[i][j] = i * 0.5 - j, right[i][j] = j * 0.25 + i;
    unsigned long long start = guest_now();
    guest_run_threads(2, work);
    double seconds = (double)(guest_now() - start) / 1e9;
    double sum = 0;
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) sum += product[i][j];
    printf("sum %.6g-%016llx\nseconds %.6f\n", sum, (unsigned long long)(sums[0] ^ sums[1]), seconds);
    return 0;
}
