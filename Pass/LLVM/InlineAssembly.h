// Inline assembly: what is to be done about one such call.
#pragma once
#include "Locals.h"
#include "Site.h"
#include "llvm/IR/InstrTypes.h"

namespace castor {

Site planAssembly(llvm::CallBase &call, Locals &locals);

} // namespace castor
