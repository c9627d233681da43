#include "Rewriter.h"
#include "../Common/Library.h"
#include "Values.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/DebugInfoMetadata.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/Instructions.h"

using namespace llvm;

namespace castor {
namespace {

/// Builds in front of a place what stands for an instruction, at that one's line. In a function with debug information
/// every call needs some line.
struct Builder : IRBuilder<> {
    Builder(Instruction &place, const Instruction &of) : IRBuilder<>(&place) {
        DebugLoc line = of.getDebugLoc();
        DISubprogram *function = of.getFunction()->getSubprogram();
        if (!line && function) line = DILocation::get(of.getContext(), 0, 0, function);
        SetCurrentDebugLocation(line);
    }
    explicit Builder(Instruction &at) : Builder(at, at) {}
};

std::string sized(StringRef name, Type *integer) {
    return ("__castor_" + name + "_" + Twine(integer->getIntegerBitWidth() / 8)).str();
}

Value *orderOf(IRBuilder<> &builder, AtomicOrdering order) { return builder.getInt32(static_cast<int>(toCABI(order))); }

} // namespace

bool Rewriter::apply(const Site &site) {
    switch (site.step) {
    case Step::count: return false;
    case Step::warn:
        module.getContext().diagnose(DiagnosticInfoInlineAsm(
            *site.at, "castor: " + site.warning + " (in " + site.at->getFunction()->getName() + ")", DS_Warning));
        return false;
    case Step::atomic: atomic(*site.at); return true;
    case Step::access: access(*site.at); return true;
    case Step::timeStamp: {
        Builder builder(*site.at);
        replace(*site.at, call(builder, "__castor_rdtsc", builder.getInt64Ty()));
        return true;
    }
    case Step::value: recordResult(*site.at, *site.at->getNextNode()); return true;
    case Step::copy: copy(site); return true;
    case Step::byValue: byValue(site); return true;
    case Step::library: library(cast<CallBase>(*site.at)); return true;
    case Step::region: region(site); return true;
    }
    return false;
}

void Rewriter::poll(BasicBlock &block) {
    Builder builder(*block.getTerminator());
    call(builder, "__castor_poll", builder.getVoidTy());
}

CallInst *Rewriter::call(IRBuilder<> &builder, const Twine &name, Type *result, ArrayRef<Value *> arguments) {
    SmallVector<Type *, 5> types;
    for (const Value *argument : arguments) types.push_back(argument->getType());
    CallInst *made =
        builder.CreateCall(module.getOrInsertFunction(name.str(), FunctionType::get(result, types, false)), arguments);
    made->setDoesNotThrow();
    // The callee may rely on the caller's having widened small arguments; C compilers do it so.
    for (unsigned i = 0; i < types.size(); i++)
        if (types[i]->isIntegerTy() && types[i]->getIntegerBitWidth() < 32) made->addParamAttr(i, Attribute::ZExt);
    return made;
}

Value *Rewriter::address(IRBuilder<> &builder, Value *pointer) {
    return builder.CreatePointerCast(pointer, PointerType::get(builder.getInt8Ty(), 0));
}

void Rewriter::replace(Instruction &at, Value *value) {
    value->takeName(&at);
    at.replaceAllUsesWith(value);
    at.eraseFromParent();
}

void Rewriter::atomic(Instruction &at) {
    Builder builder(at);
    const DataLayout &layout = module.getDataLayout();
    const auto integer = [&](Type *type) { return builder.getIntNTy(callSize(layout, type) * 8); };
    if (auto *load = dyn_cast<LoadInst>(&at)) {
        Type *type = integer(at.getType());
        Value *loaded = call(builder, sized("load", type), type,
                             {address(builder, load->getPointerOperand()), orderOf(builder, load->getOrdering())});
        replace(at, fromInteger(builder, loaded, at.getType()));
    } else if (auto *store = dyn_cast<StoreInst>(&at)) {
        Type *type = integer(store->getValueOperand()->getType());
        call(builder, sized("store", type), builder.getVoidTy(),
             {address(builder, store->getPointerOperand()),
              toInteger(builder, store->getValueOperand(), type->getIntegerBitWidth() / 8),
              orderOf(builder, store->getOrdering())});
        at.eraseFromParent();
    } else if (auto *change = dyn_cast<AtomicRMWInst>(&at)) {
        Type *type = integer(at.getType());
        Value *old = call(builder, sized(nameOf(change->getOperation()), type), type,
                          {address(builder, change->getPointerOperand()),
                           toInteger(builder, change->getValOperand(), type->getIntegerBitWidth() / 8),
                           orderOf(builder, change->getOrdering())});
        replace(at, fromInteger(builder, old, at.getType()));
    } else {
        compareExchange(cast<AtomicCmpXchgInst>(at));
    }
}

/// The weak form may fail for no reason and need not: the strong function serves both.
void Rewriter::compareExchange(AtomicCmpXchgInst &at) {
    Builder builder(at);
    Type *type = at.getNewValOperand()->getType();
    const unsigned bytes = callSize(module.getDataLayout(), type);
    Type *integer = builder.getIntNTy(bytes * 8);
    Value *expected = toInteger(builder, at.getCompareOperand(), bytes);
    Value *old = call(builder, sized("compare_exchange", integer), integer,
                      {address(builder, at.getPointerOperand()), expected,
                       toInteger(builder, at.getNewValOperand(), bytes), orderOf(builder, at.getSuccessOrdering()),
                       orderOf(builder, at.getFailureOrdering())});
    Value *result = UndefValue::get(at.getType());
    result = builder.CreateInsertValue(result, fromInteger(builder, old, type), 0);
    result = builder.CreateInsertValue(result, builder.CreateICmpEQ(old, expected), 1);
    replace(at, result);
}

void Rewriter::access(Instruction &at) {
    Builder builder(at);
    auto *store = dyn_cast<StoreInst>(&at);
    Type *type = store ? store->getValueOperand()->getType() : at.getType();
    const unsigned bytes = callSize(module.getDataLayout(), type);
    Type *integer = builder.getIntNTy(bytes * 8);
    Value *pointer = address(builder, getLoadStorePointerOperand(&at));
    if (store) {
        call(builder, sized(store->isVolatile() ? "volatile_store" : "plain_store", integer), builder.getVoidTy(),
             {pointer, toInteger(builder, store->getValueOperand(), bytes)});
        at.eraseFromParent();
    } else {
        Value *loaded = call(builder, sized("volatile_load", integer), integer, {pointer});
        replace(at, fromInteger(builder, loaded, type));
    }
}

AllocaInst *Rewriter::temporary(Instruction &at, Type *type, Align align) {
    BasicBlock &entry = at.getFunction()->getEntryBlock();
    IRBuilder<> builder(&entry, entry.begin());
    AllocaInst *made = builder.CreateAlloca(type);
    made->setAlignment(std::max(align, made->getAlign()));
    return made;
}

void Rewriter::makeCopy(IRBuilder<> &builder, Value *to, Value *from, Value *size, unsigned sides) {
    CallInst *made = call(builder, "__castor_copy", builder.getVoidTy(),
                          {address(builder, to), address(builder, from),
                           builder.CreateZExtOrTrunc(size, builder.getInt64Ty()), builder.getInt32(sides)});
    for (unsigned i : {0, 1}) made->addParamAttr(i, Attribute::NoCapture); // a second pass still sees locals as such
}

/// The memcpy family, and accesses of a size or alignment that no function has: those go by way of a local.
void Rewriter::copy(const Site &site) {
    Instruction &at = *site.at;
    Builder builder(at);
    const DataLayout &layout = module.getDataLayout();
    if (auto *load = dyn_cast<LoadInst>(&at)) {
        Type *type = load->getType();
        AllocaInst *local = temporary(at, type, load->getAlign());
        makeCopy(builder, local, load->getPointerOperand(), builder.getInt64(layout.getTypeStoreSize(type)), site.sides);
        replace(at, builder.CreateAlignedLoad(type, local, local->getAlign()));
    } else if (auto *store = dyn_cast<StoreInst>(&at)) {
        Type *type = store->getValueOperand()->getType();
        AllocaInst *local = temporary(at, type, store->getAlign());
        builder.CreateAlignedStore(store->getValueOperand(), local, local->getAlign());
        makeCopy(builder, store->getPointerOperand(), local, builder.getInt64(layout.getTypeStoreSize(type)), site.sides);
        at.eraseFromParent();
    } else {
        auto &family = cast<CallBase>(at);
        Value *target = family.getArgOperand(0), *second = family.getArgOperand(1), *size = family.getArgOperand(2);
        if (second->getType()->isPointerTy())
            makeCopy(builder, target, second, size, site.sides);
        else
            call(builder, "__castor_fill", builder.getVoidTy(),
                 {address(builder, target), builder.CreateZExt(second, builder.getInt32Ty()),
                  builder.CreateZExtOrTrunc(size, builder.getInt64Ty())})
                ->addParamAttr(0, Attribute::NoCapture);
        if (auto *invoke = dyn_cast<InvokeInst>(&at)) builder.CreateBr(invoke->getNormalDest());
        at.eraseFromParent();
    }
}

void Rewriter::byValue(const Site &site) {
    auto &at = cast<CallBase>(*site.at);
    if (auto *call = dyn_cast<CallInst>(&at)) call->setTailCall(false);
    Builder builder(at);
    for (unsigned i = 0; i < at.arg_size() && i < 32; i++) {
        if (!(site.sides >> i & 1)) continue;
        Type *type = at.getParamByValType(i);
        AllocaInst *local = temporary(at, type, at.getParamAlign(i).valueOrOne());
        makeCopy(builder, local, at.getArgOperand(i), builder.getInt64(module.getDataLayout().getTypeAllocSize(type)),
                 fromShared);
        at.setArgOperand(i, builder.CreatePointerCast(local, at.getArgOperand(i)->getType()));
    }
}

/// Nothing is known of castor's function, but that it keeps no pointer which the library's does not keep.
void Rewriter::library(CallBase &at) {
    AttributeList attributes;
    for (unsigned i = 0; i < at.arg_size(); i++)
        if (at.doesNotCapture(i)) attributes = attributes.addParamAttribute(at.getContext(), i, Attribute::NoCapture);
    at.setCalledFunction(module.getOrInsertFunction(libraryFunction(at.getCalledFunction()->getName().str()),
                                                    at.getFunctionType()));
    at.setAttributes(attributes);
}

void Rewriter::region(const Site &site) {
    Instruction &after = *site.at->getNextNode();
    Builder before(*site.at);
    Value *pointer = site.address ? address(before, site.address)
                                  : ConstantPointerNull::get(PointerType::get(before.getInt8Ty(), 0));
    call(before, "__castor_region_begin", before.getVoidTy(), {pointer});
    Builder behind(after, *site.at);
    for (const Written &written : site.written)
        call(behind, "__castor_region_output", behind.getVoidTy(),
             {address(behind, written.address), behind.CreateZExtOrTrunc(written.size, behind.getInt64Ty())});
    call(behind, "__castor_region_end", behind.getVoidTy(), {pointer});
    recordResult(*site.at, after);
}

void Rewriter::recordResult(Instruction &at, Instruction &before) {
    if (at.use_empty()) return;
    SmallVector<Use *, 8> uses;
    for (Use &use : at.uses()) uses.push_back(&use);
    Builder builder(before, at);
    Value *result = recorded(builder, &at);
    for (Use *use : uses) use->set(result);
}

Value *Rewriter::recorded(IRBuilder<> &builder, Value *value) {
    Type *type = value->getType();
    if (type->isStructTy() || type->isArrayTy()) {
        const unsigned count = type->isStructTy() ? type->getStructNumElements() : type->getArrayNumElements();
        Value *result = UndefValue::get(type);
        for (unsigned i = 0; i < count; i++)
            result = builder.CreateInsertValue(result, recorded(builder, builder.CreateExtractValue(value, i)), i);
        return result;
    }
    if (type->isVectorTy() && type->getScalarType()->isPointerTy()) return value;
    if (!type->isIntegerTy()) {
        if (!type->isSized() || isa<ScalableVectorType>(type)) return value;
        const uint64_t bits = module.getDataLayout().getTypeSizeInBits(type);
        Type *integer = builder.getIntNTy(bits);
        return builder.CreateBitOrPointerCast(recorded(builder, builder.CreateBitOrPointerCast(value, integer)), type);
    }
    Type *word = builder.getInt64Ty();
    const unsigned bits = type->getIntegerBitWidth();
    Value *result = nullptr;
    for (unsigned shift = 0; shift < bits; shift += 64) {
        Value *part = shift ? builder.CreateLShr(value, shift) : value;
        part = call(builder, "__castor_value", word, {builder.CreateZExtOrTrunc(part, word)});
        part = builder.CreateZExtOrTrunc(part, type);
        result = shift ? builder.CreateOr(result, builder.CreateShl(part, shift)) : part;
    }
    return result;
}

} // namespace castor
