// Bodies in cells, as in Water and Barnes: nbody [THREADS] [STEPS]. In each step every thread takes its share of the bodies,
// works out the forces between them and those of the neighbouring cells, and adds each to its cell under the cell's lock;
// after a barrier the bodies move. Sums of floating point numbers depend on their order, so the result does.
#include "kernel.h"

enum { SIDE = 8, CELLS = SIDE * SIDE, BODIES = 1024 };

struct body {
    double x, y, vx, vy;
    int cell;
};
struct cell {
    _Alignas(LINE) pthread_mutex_t mutex;
    double fx, fy, mass;
};
static struct body bodies[BODIES];
static struct cell cells[CELLS];
static int steps;
static uint64_t met[64];

static int cell_at(double x, double y) { return (int)(y * SIDE) % SIDE * SIDE + (int)(x * SIDE) % SIDE; }
static double wrapped(double x) { return x < 0 ? x + 1 : x >= 1 ? x - 1 : x; }

static void pull(int self, const struct body *body, int cell) {
    double fx = 0, fy = 0;
    for (int i = 0; i < BODIES; i += 16) { // a sample of them stands for all
        double dx = bodies[i].x - body->x, dy = bodies[i].y - body->y, square = dx * dx + dy * dy + 1e-3;
        fx += dx / square, fy += dy / square;
    }
    pthread_mutex_lock(&cells[cell].mutex);
    cells[cell].fx += fx, cells[cell].fy += fy, cells[cell].mass += 1;
    pthread_mutex_unlock(&cells[cell].mutex);
    met[self]++;
}

static void *body(void *argument) {
    int self = (int)(intptr_t)argument;
    pthread_barrier_wait(&all);
    for (int step = 0; step < steps; step++) {
        for (int i = self; i < BODIES; i += threads) {
            int x = bodies[i].cell % SIDE, y = bodies[i].cell / SIDE;
            for (int side = -1; side <= 1; side++) pull(self, &bodies[i], (y + side + SIDE) % SIDE * SIDE + x);
        }
        pthread_barrier_wait(&among);
        for (int i = self; i < BODIES; i += threads) {
            struct body *b = &bodies[i];
            const struct cell *cell = &cells[b->cell];
            if (cell->mass > 0) b->vx += 1e-9 * cell->fx / cell->mass, b->vy += 1e-9 * cell->fy / cell->mass;
            b->x = wrapped(b->x + b->vx), b->y = wrapped(b->y + b->vy);
            b->cell = cell_at(b->x, b->y);
        }
        pthread_barrier_wait(&among);
        for (int i = self; i < CELLS; i += threads) cells[i].fx = cells[i].fy = cells[i].mass = 0;
        pthread_barrier_wait(&among);
    }
    return NULL;
}

int main(int count, char **arguments) {
    threads = argument(count, arguments, 1, 4, 64);
    steps = argument(count, arguments, 2, 20, 1000000);
    uint64_t random = seed_of(0);
    for (int i = 0; i < BODIES; i++) {
        struct body *b = &bodies[i];
        b->x = (double)(next_random(&random) >> 11) / 0x1p53, b->y = (double)(next_random(&random) >> 11) / 0x1p53;
        b->cell = cell_at(b->x, b->y);
    }
    for (int i = 0; i < CELLS; i++) pthread_mutex_init(&cells[i].mutex, NULL);
    double seconds = run_threads(body);
    uint64_t result = 0, sum = 0;
    for (int i = 0; i < BODIES; i++) {
        union { double number; uint64_t bits; } x = {bodies[i].x}, y = {bodies[i].y};
        result = mixed(mixed(result, x.bits), y.bits);
    }
    for (int i = 0; i < threads; i++) sum += met[i];
    return report(seconds, sum + 3 * (uint64_t)steps * (uint64_t)threads, result);
}
