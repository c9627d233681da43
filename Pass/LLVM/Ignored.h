// Functions that are left as they are.
#pragma once
#include "llvm/IR/Module.h"

namespace castor {

/// Makes __attribute__((annotate("castor_ignore"))) an attribute of its function, and forbids inlining it: its body
/// would be instrumented in its caller.
bool markIgnored(llvm::Module &module);

bool isIgnored(const llvm::Function &function);

} // namespace castor
