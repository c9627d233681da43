// timed_mutex, shared_mutex, shared_timed_mutex and waits with deadlines.
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

int main() {
    std::timed_mutex timed;
    std::shared_mutex shared;
    std::shared_timed_mutex both;
    std::mutex mutex;
    int got = 0, late = 0, sum = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++)
        threads.emplace_back([&, i] {
            for (int j = 0; j < 15; j++) {
                bool first = timed.try_lock_for(100us);
                if (first) std::this_thread::sleep_for(50us), timed.unlock();
                bool second = both.try_lock_until(std::chrono::steady_clock::now() + 100us);
                if (second) std::this_thread::sleep_for(20us), both.unlock();
                if (j % 4 == i) {
                    std::unique_lock lock(shared);
                    sum += i;
                } else {
                    std::shared_lock lock(shared);
                }
                std::lock_guard lock(mutex);
                got += first + second, late += !first + !second;
            }
        });
    for (auto &thread : threads) thread.join();
    std::condition_variable never;
    std::unique_lock lock(mutex);
    auto start = std::chrono::steady_clock::now();
    bool came = never.wait_for(lock, 300us) == std::cv_status::no_timeout;
    std::printf("got %d late %d sum %d came %d after %lld ns\n", got, late, sum, came,
                (long long)(std::chrono::steady_clock::now() - start).count());
}
