#include "Library.h"
#include <algorithm>
#include <iterator>

namespace castor {
namespace {

const char *const functions[] = {
    "memcpy", "memmove", "mempcpy", "memset",  "bzero",  "memcmp",  "bcmp",   "memchr", "memrchr", "strlen",
    "strnlen", "strcmp", "strncmp", "strchr", "strrchr", "strcpy", "stpcpy", "strncpy", "strcat", "strncat",
};
/// Those that have a fortified form here.
const char *const checked[] = {"memcpy", "memmove", "mempcpy", "memset", "strncpy", "strcpy", "stpcpy", "strcat"};

template <size_t count> bool isIn(const char *const (&names)[count], const std::string &name) {
    return std::any_of(std::begin(names), std::end(names), [&](const char *known) { return name == known; });
}

} // namespace

std::string libraryFunction(const std::string &name) {
    if (isIn(functions, name)) return "__castor_" + name;
    const bool isChecked = name.size() > 6 && name.compare(0, 2, "__") == 0 && name.compare(name.size() - 4, 4, "_chk") == 0;
    return isChecked && isIn(checked, name.substr(2, name.size() - 6)) ? "__castor_" + name.substr(2) : "";
}

} // namespace castor
