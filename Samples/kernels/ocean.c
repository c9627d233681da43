// A stencil, as in Ocean: ocean [THREADS] [SWEEPS]. Red and black points of a grid are relaxed in turn, a barrier after each
// half; every thread adds what it changed to a sum under a mutex. The sum depends on the order, and the next sweep on it.
#include "kernel.h"

enum { SIDE = 256 };

static double grid[SIDE + 2][SIDE + 2];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static double change, factor = 1;
static int sweeps;

static double relax(int self, int colour) {
    int from = 1 + SIDE * self / threads, to = 1 + SIDE * (self + 1) / threads;
    double sum = 0;
    for (int y = from; y < to; y++)
        for (int x = 1 + (y + colour) % 2; x <= SIDE; x += 2) {
            double now = (grid[y - 1][x] + grid[y + 1][x] + grid[y][x - 1] + grid[y][x + 1]) / 4;
            double difference = factor * (now - grid[y][x]);
            grid[y][x] += difference;
            sum += difference < 0 ? -difference : difference;
        }
    return sum;
}

static void *body(void *argument) {
    int self = (int)(intptr_t)argument;
    pthread_barrier_wait(&all);
    for (int sweep = 0; sweep < sweeps; sweep++) {
        for (int colour = 0; colour < 2; colour++) {
            double sum = relax(self, colour);
            pthread_mutex_lock(&mutex);
            change += sum;
            pthread_mutex_unlock(&mutex);
            pthread_barrier_wait(&among);
        }
        if (self == 0) factor = 1 + 0.5 / (1 + change), change = 0;
        pthread_barrier_wait(&among);
    }
    return NULL;
}

int main(int count, char **arguments) {
    threads = argument(count, arguments, 1, 4, 64);
    sweeps = argument(count, arguments, 2, 200, 1000000);
    for (int x = 0; x < SIDE + 2; x++) grid[0][x] = 1, grid[SIDE + 1][x] = (double)x / SIDE;
    double seconds = run_threads(body);
    uint64_t result = 0;
    for (int y = 1; y <= SIDE; y++)
        for (int x = 1; x <= SIDE; x++) {
            union { double number; uint64_t bits; } point = {grid[y][x]};
            result = mixed(result, point.bits);
        }
    return report(seconds, 5 * (uint64_t)sweeps * (uint64_t)threads, result);
}
