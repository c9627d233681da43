// std::locale in several threads, numbers with other punctuation.
#include <iostream>
#include <locale>
#include <mutex>
#include <sstream>
#include <thread>
#include <unistd.h>
#include <vector>

struct Punctuation : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
};

int main() {
    std::mutex mutex;
    std::vector<std::thread> threads;
    std::locale german(std::locale::classic(), new Punctuation);
    // libstdc++ fills a locale's cache of numeric forms at its first use, and threads look at it without a lock: a race
    // inside the library, which no plane sees.
    std::ostringstream first;
    first.imbue(german);
    first << 1.5;
    std::ostringstream() << 1.5;
    for (int i = 0; i < 4; i++)
        threads.emplace_back([&, i] {
            for (int j = 0; j < 5; j++) {
                std::ostringstream text;
                text.imbue(j % 2 ? german : std::locale("C"));
                text << 1234567.5 * i << ' ' << getpid();
                std::lock_guard lock(mutex);
                std::cout << i << ' ' << text.str() << '\n';
            }
        });
    for (auto &thread : threads) thread.join();
}
