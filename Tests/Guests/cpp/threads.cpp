// std::thread, mutex, lock_guard and condition_variable.
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <thread>
#include <vector>

int main() {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<int> order;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++)
        threads.emplace_back([&, i] {
            for (int j = 0; j < 25; j++) {
                std::lock_guard lock(mutex);
                order.push_back(i);
                changed.notify_one();
            }
        });
    {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return order.size() >= 50; });
        std::printf("at %zu\n", order.size());
    }
    for (auto &thread : threads) thread.join();
    for (int i : order) std::printf("%d", i);
    std::printf("\n");
}
