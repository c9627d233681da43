// A place that the pass changes or reports: what is found out before anything is changed.
#pragma once
#include "llvm/ADT/SmallVector.h"
#include "llvm/IR/Instruction.h"
#include "llvm/IR/ValueHandle.h"
#include <string>

namespace castor {

enum class Step {
    count, // nothing, but for the statistics
    atomic, // a call of the atomic function of this size
    access, // a call of the volatile function of this size
    timeStamp, // a call of __castor_rdtsc
    value, // the instruction stays, its results go through __castor_value
    copy, // an access or a copy that no function of one size does: a call of __castor_copy or __castor_fill
    byValue, // a structure that the call itself copies: it is copied before
    library, // a call of the C library's: of castor's function of that name
    region, // the instruction stays, within a region; its results go through __castor_value
    warn, // the instruction stays and is not recorded
};

/// Which sides of a copy other threads may see, as __castor_copy takes it.
enum Sides : unsigned { fromShared = 1, toShared = 2 };

/// Memory that an instruction may write: an address and a size, both values of the program. They may come from a site
/// themselves, which is replaced before this one.
struct Written {
    llvm::WeakTrackingVH address;
    llvm::WeakTrackingVH size;
};

struct Site {
    llvm::Instruction *at;
    Step step;
    std::string kind; // in the statistics
    llvm::WeakTrackingVH address; // a region's, when it is known
    llvm::SmallVector<Written, 1> written;
    std::string warning;
    unsigned sides = 0; // of a copy: what is shared (Sides); of structures by value: a bit for each argument
};

} // namespace castor
