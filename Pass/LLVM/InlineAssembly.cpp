#include "InlineAssembly.h"
#include "../Common/Assembly.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/DataLayout.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/Module.h"

using namespace llvm;

namespace castor {
namespace {

struct Operands {
    bool memoryClobber = false;
    SmallVector<Value *, 4> addresses; // of operands in memory, those that are written first
    SmallVector<Written, 2> written;
    SmallVector<Value *, 4> pointers; // in registers
};

Type *elementType(const CallBase &call, unsigned argument) {
    if (Type *type = call.getAttributes().getParamElementType(argument)) return type;
#if LLVM_VERSION_MAJOR < 15
    return call.getArgOperand(argument)->getType()->getPointerElementType();
#else
    return nullptr;
#endif
}

Operands operandsOf(CallBase &call) {
    Operands result;
    const DataLayout &layout = call.getModule()->getDataLayout();
    SmallVector<Value *, 4> read;
    unsigned argument = 0;
    for (const auto &constraint : cast<InlineAsm>(call.getCalledOperand())->ParseConstraints()) {
        if (constraint.Type == InlineAsm::isClobber) {
            result.memoryClobber |= constraint.Codes.front() == "{memory}";
            continue;
        }
        const bool isOutput = constraint.Type == InlineAsm::isOutput;
        if ((isOutput && !constraint.isIndirect) || argument >= call.arg_size()) continue;
        Value *value = call.getArgOperand(argument);
        if (!constraint.isIndirect) {
            if (value->getType()->isPointerTy()) result.pointers.push_back(value);
        } else if (isOutput) {
            Type *type = elementType(call, argument);
            const uint64_t size = type && type->isSized() ? layout.getTypeStoreSize(type).getFixedValue() : 0;
            result.addresses.push_back(value);
            result.written.push_back({value, ConstantInt::get(Type::getInt64Ty(call.getContext()), size)});
        } else {
            read.push_back(value);
        }
        argument++;
    }
    result.addresses.append(read);
    return result;
}

/// The address that orders the region: of an operand that others may see, or else the only pointer there is.
Value *orderingAddress(const Operands &operands, Locals &locals) {
    for (Value *address : operands.addresses)
        if (!locals.hold(address) && address->getType()->getPointerAddressSpace() == 0) return address;
    return operands.pointers.size() == 1 ? operands.pointers.front() : nullptr;
}

} // namespace

Site planAssembly(CallBase &call, Locals &locals) {
    const auto &assembly = *cast<InlineAsm>(call.getCalledOperand());
    const AssemblyText text = readAssembly(assembly.getAsmString(), AssemblyDialect::llvm);
    const Operands operands = operandsOf(call);
    AssemblyClass kind = classify(text, {!operands.addresses.empty(), operands.memoryClobber});
    // Locals of this thread, and no way to any other memory.
    const auto isLocal = [&](Value *address) { return locals.hold(address); };
    if (kind == AssemblyClass::memory && !text.makesValue && !text.namesMemory && !operands.memoryClobber &&
        !operands.addresses.empty() && llvm::all_of(operands.addresses, isLocal))
        kind = AssemblyClass::pure;

    Site site{&call, Step::count, nameOf(kind), nullptr, {}, {}};
    if (kind != AssemblyClass::value && kind != AssemblyClass::memory && kind != AssemblyClass::leaves) return site;
    if (kind == AssemblyClass::leaves || !isa<CallInst>(call)) {
        site.step = Step::warn;
        if (isa<CallInst>(call)) {
            site.warning = "inline assembly that calls, returns or jumps elsewhere is not recorded";
        } else {
            site.kind = "assembly.goto";
            site.warning = "inline assembly with jumps (asm goto) is not recorded";
        }
    } else if (kind == AssemblyClass::value) {
        site.step = Step::value;
    } else {
        site.step = Step::region;
        site.address = orderingAddress(operands, locals);
        site.written.append(operands.written.begin(), operands.written.end());
    }
    return site;
}

} // namespace castor
