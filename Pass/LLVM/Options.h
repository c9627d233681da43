#pragma once
#include <string>

namespace castor {

struct Options {
    bool orderShared = false; // -castor-order=shared
    bool poll = false; // -castor-poll
    std::string statistics; // -castor-stats=FILE; empty: none
};

/// What the command line asks for.
Options commandLineOptions();

} // namespace castor
