// A queue between producers and consumers with move-only items.
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

int main() {
    std::mutex mutex;
    std::condition_variable not_empty, not_full;
    std::deque<std::function<int()>> queue;
    int left = 120;
    unsigned long long hash = 1;
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; i++)
        threads.emplace_back([&, i] {
            for (int j = 0; j < 60; j++) {
                std::unique_lock lock(mutex);
                not_full.wait(lock, [&] { return queue.size() < 5; });
                queue.emplace_back([i, j] { return i * 1000 + j; });
                not_empty.notify_one();
            }
        });
    for (int i = 0; i < 3; i++)
        threads.emplace_back([&, i] {
            for (;;) {
                std::function<int()> item;
                {
                    std::unique_lock lock(mutex);
                    not_empty.wait(lock, [&] { return !queue.empty() || left == 0; });
                    if (left == 0) return;
                    item = std::move(queue.front());
                    queue.pop_front();
                    hash = hash * 31 + (unsigned)(item() * 4 + i);
                    if (--left == 0) not_empty.notify_all();
                    not_full.notify_one();
                }
            }
        });
    for (auto &thread : threads) thread.join();
    std::printf("%llx\n", hash);
}
