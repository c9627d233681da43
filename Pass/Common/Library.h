// The C library's functions on memory and strings that castor has of its own (Interpose/shared.c).
#pragma once
#include <string>

namespace castor {

/// The name of castor's function in the place of the library's, of its fortified form too; empty: there is none.
std::string libraryFunction(const std::string &name);

} // namespace castor
