// How often each kind of site was met in one translation unit.
#pragma once
#include <map>
#include <string>

namespace castor {

class Statistics {
public:
    void count(const std::string &kind) { counts[kind]++; }

    /// Appends a line "SOURCE<TAB>KIND<TAB>COUNT" for each kind, all in one write, so that compilers that run at the
    /// same time do not mix their lines. False with errno set when that failed.
    bool append(const std::string &path, const std::string &source) const;

private:
    std::map<std::string, unsigned> counts;
};

} // namespace castor
