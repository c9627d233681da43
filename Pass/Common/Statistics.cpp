#include "Statistics.h"
#include <fcntl.h>
#include <unistd.h>

namespace castor {

bool Statistics::append(const std::string &path, const std::string &source) const {
    std::string lines;
    for (const auto &[kind, number] : counts) lines += source + '\t' + kind + '\t' + std::to_string(number) + '\n';
    const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (file < 0) return false;
    const bool written = write(file, lines.data(), lines.size()) == static_cast<ssize_t>(lines.size());
    return close(file) == 0 && written;
}

} // namespace castor
