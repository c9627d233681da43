// Which memory no other thread can see: locals of a function whose addresses stay within it.
//
// LLVM's own capture analysis does not serve: it counts every volatile access as a capture.
#pragma once
#include "llvm/ADT/DenseMap.h"
#include "llvm/IR/Value.h"

namespace castor {

class Locals {
public:
    /// True if the pointer leads into locals only, none of which escapes.
    bool hold(const llvm::Value *pointer);

private:
    llvm::DenseMap<const llvm::Value *, bool> escapes; // of each local met so far
};

} // namespace castor
