#include "Locals.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/Analysis/ValueTracking.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/Instructions.h"

using namespace llvm;

namespace castor {
namespace {

bool passesOn(const User *user) {
    return isa<GetElementPtrInst, BitCastInst, AddrSpaceCastInst, PHINode, SelectInst>(user);
}

bool callEscapes(const CallBase &call, const Use &use) {
    if (!call.isArgOperand(&use)) return true;
    // An operand in memory: the assembly is given the object, not its address.
    if (const auto *assembly = dyn_cast<InlineAsm>(call.getCalledOperand()))
        return !StringRef(assembly->getConstraintString()).contains('*');
    const unsigned argument = call.getArgOperandNo(&use);
    return !call.doesNotCapture(argument) && !call.isByValArgument(argument);
}

bool useEscapes(const Use &use) {
    const User *user = use.getUser();
    if (isa<LoadInst, ICmpInst>(user)) return false;
    // An access escapes its operand only where the operand is what it stores.
    if (isa<StoreInst>(user)) return use.getOperandNo() != StoreInst::getPointerOperandIndex();
    if (isa<AtomicRMWInst>(user)) return use.getOperandNo() != AtomicRMWInst::getPointerOperandIndex();
    if (isa<AtomicCmpXchgInst>(user)) return use.getOperandNo() != AtomicCmpXchgInst::getPointerOperandIndex();
    if (const auto *call = dyn_cast<CallBase>(user)) return callEscapes(*call, use);
    return true;
}

bool addressEscapes(const Value *local) {
    SmallVector<const Value *, 8> open{local};
    SmallPtrSet<const Value *, 16> seen{local};
    while (!open.empty())
        for (const Use &use : open.pop_back_val()->uses()) {
            if (passesOn(use.getUser())) {
                if (seen.insert(use.getUser()).second) open.push_back(use.getUser());
            } else if (useEscapes(use)) {
                return true;
            }
        }
    return false;
}

} // namespace

bool Locals::hold(const Value *pointer) {
    SmallVector<const Value *, 4> objects;
    getUnderlyingObjects(pointer, objects);
    for (const Value *object : objects) {
        const auto *argument = dyn_cast<Argument>(object);
        if (!isa<AllocaInst>(object) && !(argument && argument->hasByValAttr())) return false;
        const auto known = escapes.try_emplace(object, false);
        if (known.second) known.first->second = addressEscapes(object);
        if (known.first->second) return false;
    }
    return !objects.empty();
}

} // namespace castor
