// std::random_device, by system call rather than by instruction, and generators seeded from it.
#include <cstdio>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

int main() {
    std::mutex mutex;
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; i++)
        threads.emplace_back([&mutex, i] {
            std::random_device device("getentropy");
            std::mt19937 generator(device());
            std::normal_distribution<> normal(i, 2);
            std::lock_guard lock(mutex);
            std::printf("%d: %u %f\n", i, device(), normal(generator));
        });
    for (auto &thread : threads) thread.join();
}
