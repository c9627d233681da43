/// Disassembly for `castor check` (libcapstone).
#pragma once
#include <capstone/capstone.h>
