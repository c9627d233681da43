// thread_local objects with constructors and destructors.
#include <cstdio>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

static std::mutex mutex;
static std::string trace;

struct Object {
    int name = -1;
    std::string text;
    Object() {
        std::lock_guard lock(mutex);
        trace += '+';
    }
    ~Object() {
        std::lock_guard lock(mutex);
        trace += '-' + std::to_string(name) + text;
    }
};
static thread_local Object object;
static thread_local std::vector<int> numbers(100, 7);

int main() {
    for (int round = 0; round < 5; round++) {
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; i++)
            threads.emplace_back([i] {
                object.name = i;
                object.text.assign((size_t)numbers[(size_t)i], 'x');
            });
        for (auto &thread : threads) thread.join();
    }
    std::printf("%s\n", trace.c_str());
}
