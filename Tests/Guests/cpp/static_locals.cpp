// Functions' static variables initialised by whichever of several threads comes first, once after an exception.
#include <cstdio>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <unistd.h>
#include <vector>

static std::mutex mutex;
static std::vector<int> order;
static int failures;

static int make(int who) {
    usleep(50);
    std::lock_guard lock(mutex);
    order.push_back(who);
    return who;
}
static int fail_once(int who) {
    std::lock_guard lock(mutex);
    if (failures++ == 0) throw std::runtime_error("first");
    order.push_back(who + 100);
    return who;
}
template <int number> static int one(int who) {
    static int value = make(who);
    return value;
}
static int other(int who) {
    static int value = fail_once(who);
    return value;
}
template <int... numbers> static int all(int who, std::integer_sequence<int, numbers...>) {
    return (one<numbers>(who) + ...);
}

int main() {
    std::vector<std::thread> threads;
    std::vector<int> sums(5);
    for (int i = 0; i < 5; i++)
        threads.emplace_back([&sums, i] {
            sums[(size_t)i] = all(i, std::make_integer_sequence<int, 30>());
            try {
                sums[(size_t)i] += other(i);
            } catch (const std::runtime_error &) {
                sums[(size_t)i] += 1000;
            }
            sums[(size_t)i] += all(i, std::make_integer_sequence<int, 30>());
        });
    for (auto &thread : threads) thread.join();
    for (int i : order) std::printf("%d ", i);
    for (int i : sums) std::printf(" sum %d", i);
    std::printf("\n");
}
