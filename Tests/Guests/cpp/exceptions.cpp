// Exceptions in threads: thrown through frames, caught, rethrown; and cancellation of a thread with objects.
#include <cstdio>
#include <exception>
#include <mutex>
#include <pthread.h>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

static std::mutex mutex;
static std::string trace;

struct Noted {
    std::string name;
    explicit Noted(std::string n) : name(std::move(n)) {}
    ~Noted() {
        std::lock_guard lock(mutex);
        trace += name + ' ';
    }
};
static void deeper(int depth, int i) {
    Noted noted(std::to_string(i * 10 + depth));
    if (depth == 0) throw std::out_of_range("thread " + std::to_string(i));
    deeper(depth - 1, i);
}
static void *cancelled(void *) {
    Noted noted("cancelled");
    try {
        for (;;) usleep(100);
    } catch (const std::exception &) {
        trace += "wrong";
    }
    return nullptr;
}

int main() {
    std::vector<std::exception_ptr> caught(4);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++)
        threads.emplace_back([&caught, i] {
            try {
                deeper(3, i);
            } catch (...) {
                caught[(size_t)i] = std::current_exception();
            }
        });
    for (auto &thread : threads) thread.join();
    for (auto &e : caught) {
        try {
            std::rethrow_exception(e);
        } catch (const std::out_of_range &error) {
            trace += error.what();
        }
    }
    pthread_t thread;
    void *result;
    pthread_create(&thread, nullptr, cancelled, nullptr);
    usleep(1000);
    pthread_cancel(thread);
    pthread_join(thread, &result);
    std::printf("%s %d pid %d\n", trace.c_str(), result == PTHREAD_CANCELED, getpid());
}
