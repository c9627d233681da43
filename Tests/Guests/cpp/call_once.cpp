// std::call_once whose first calls throw.
#include <cstdio>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

int main() {
    std::mutex mutex;
    std::once_flag flag;
    int tries = 0;
    std::vector<int> order;
    std::vector<std::thread> threads;
    for (int i = 0; i < 6; i++)
        threads.emplace_back([&, i] {
            try {
                std::call_once(flag, [&] {
                    std::lock_guard lock(mutex);
                    order.push_back(i);
                    if (++tries < 3) throw std::runtime_error("not yet");
                });
            } catch (const std::runtime_error &) {
                std::lock_guard lock(mutex);
                order.push_back(i + 100);
            }
        });
    for (auto &thread : threads) thread.join();
    for (int i : order) std::printf("%d ", i);
    std::printf("after %d tries\n", tries);
}
