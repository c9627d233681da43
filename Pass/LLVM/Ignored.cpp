#include "Ignored.h"
#include "llvm/IR/Constants.h"

using namespace llvm;

namespace castor {
namespace {

constexpr const char *annotation = "castor_ignore";

/// The function that an entry of llvm.global.annotations marks as ignored, if it does.
Function *ignoredBy(const Value *entry) {
    const auto *fields = dyn_cast<ConstantStruct>(entry);
    if (!fields || fields->getNumOperands() < 2) return nullptr;
    const auto *text = dyn_cast<GlobalVariable>(fields->getOperand(1)->stripPointerCasts());
    if (!text || !text->hasInitializer()) return nullptr;
    const auto *bytes = dyn_cast<ConstantDataSequential>(text->getInitializer());
    if (!bytes || !bytes->isCString() || bytes->getAsCString() != annotation) return nullptr;
    return dyn_cast<Function>(fields->getOperand(0)->stripPointerCasts());
}

} // namespace

bool markIgnored(Module &module) {
    const GlobalVariable *annotations = module.getGlobalVariable("llvm.global.annotations");
    if (!annotations || !annotations->hasInitializer()) return false;
    bool changed = false;
    for (const Use &entry : annotations->getInitializer()->operands())
        if (Function *function = ignoredBy(entry.get())) {
            function->addFnAttr(annotation);
            function->removeFnAttr(Attribute::AlwaysInline);
            function->addFnAttr(Attribute::NoInline);
            changed = true;
        }
    return changed;
}

bool isIgnored(const Function &function) {
    StringRef name = function.getName();
    return function.hasFnAttribute(annotation) || function.hasFnAttribute(Attribute::Naked) ||
           name.consume_front("__castor_");
}

} // namespace castor
