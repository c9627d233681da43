// The first half of the pass: which places of a function are to be changed, and how. Changes nothing, so that what it
// finds out about one place (that a local does not escape) is not spoilt by the change of another.
#pragma once
#include "Options.h"
#include "Site.h"
#include "llvm/IR/Function.h"
#include <vector>

namespace castor {

/// In the order of the program. Nothing to do in a function that has been instrumented already: what stands in a region
/// or goes to __castor_value is passed over, and the rest has become calls.
std::vector<Site> plan(llvm::Function &function, const Options &options);

/// The blocks at whose ends `__castor_poll` is to be called: one for each back edge.
std::vector<llvm::BasicBlock *> planPolls(llvm::Function &function);

} // namespace castor
