// iostreams: one stream that several threads write to under a mutex, string streams and file streams of their own.
#include <fstream>
#include <iomanip>
#include <iostream>
#include <mutex>
#include <sstream>
#include <thread>
#include <unistd.h>
#include <vector>

int main() {
    std::mutex mutex;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++)
        threads.emplace_back([&mutex, i] {
            std::string path = "/tmp/castor-guest-" + std::to_string(getpid()) + "-" + std::to_string(i);
            std::ofstream(path) << "thread " << i << ' ' << std::hex << i * 1000 << '\n';
            std::ostringstream text;
            std::ifstream file(path);
            text << std::setw(10) << std::setfill('.') << i << file.rdbuf();
            unlink(path.c_str());
            for (int j = 0; j < 10; j++) {
                std::lock_guard lock(mutex);
                std::cout << i << '.' << j << ' ' << text.str() << std::flush;
            }
        });
    for (auto &thread : threads) thread.join();
    std::cerr << "pid " << getpid() << std::endl;
}
