// std::cout, synchronised with stdio, written to by several threads without a lock: pieces mix, none is lost.
#include <cstdio>
#include <iostream>
#include <thread>
#include <vector>

int main() {
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++)
        threads.emplace_back([i] {
            for (int j = 0; j < 30; j++) std::cout << i << '.' << j << ' ';
            std::printf("%d ends\n", i);
        });
    for (auto &thread : threads) thread.join();
    std::cout << std::endl;
}
