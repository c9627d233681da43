// An exception that nobody catches in a thread: std::terminate with a handler, then abort.
// ends: 134
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

int main() {
    rlimit none{0, 0};
    setrlimit(RLIMIT_CORE, &none);
    std::set_terminate([] {
        std::printf("terminated in %d\n", getpid());
        std::fflush(stdout);
        std::abort();
    });
    std::thread([] { throw std::logic_error("uncaught"); }).join();
}
