// Maps keyed by pointers and hash tables, filled by threads: their order depends on addresses.
#include <cstdio>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

int main() {
    std::mutex mutex;
    std::map<void *, int> by_address;
    std::unordered_map<std::string, int> by_name;
    std::vector<std::unique_ptr<std::string>> kept;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++)
        threads.emplace_back([&, i] {
            for (int j = 0; j < 40; j++) {
                auto text = std::make_unique<std::string>(std::string((size_t)(j * 7 % 50), 'a' + i));
                std::lock_guard lock(mutex);
                by_address[text.get()] = i * 100 + j;
                by_name[*text]++;
                kept.push_back(std::move(text));
            }
        });
    for (auto &thread : threads) thread.join();
    for (auto &[address, value] : by_address) std::printf("%p %d\n", address, value);
    for (auto &[name, value] : by_name) std::printf("%zu %d\n", name.size(), value);
}
