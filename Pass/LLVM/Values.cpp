#include "Values.h"

using namespace llvm;

namespace castor {
namespace {

bool isPlain(Type *type) {
    if (type->isIntegerTy() || type->isPointerTy() || type->isFloatingPointTy()) return true;
    const auto *vector = dyn_cast<FixedVectorType>(type);
    return vector && !vector->getElementType()->isPointerTy();
}

} // namespace

unsigned callSize(const DataLayout &layout, Type *type) {
    if (!isPlain(type)) return 0;
    const uint64_t bytes = layout.getTypeStoreSize(type);
    // Padding bits of an integer are zero in memory; those of another type are not the type's.
    if (!type->isIntegerTy() && layout.getTypeSizeInBits(type) != bytes * 8) return 0;
    return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8 || bytes == 16 ? bytes : 0;
}

Value *toInteger(IRBuilder<> &builder, Value *value, unsigned bytes) {
    Type *integer = builder.getIntNTy(bytes * 8);
    if (value->getType()->isIntegerTy()) return builder.CreateZExt(value, integer);
    return builder.CreateBitOrPointerCast(value, integer);
}

Value *fromInteger(IRBuilder<> &builder, Value *value, Type *type) {
    if (type->isIntegerTy()) return builder.CreateTrunc(value, type);
    return builder.CreateBitOrPointerCast(value, type);
}

StringRef nameOf(AtomicRMWInst::BinOp operation) {
    switch (operation) {
    case AtomicRMWInst::Xchg: return "exchange";
    case AtomicRMWInst::Add: return "fetch_add";
    case AtomicRMWInst::Sub: return "fetch_sub";
    case AtomicRMWInst::And: return "fetch_and";
    case AtomicRMWInst::Nand: return "fetch_nand";
    case AtomicRMWInst::Or: return "fetch_or";
    case AtomicRMWInst::Xor: return "fetch_xor";
    case AtomicRMWInst::Max: return "fetch_max";
    case AtomicRMWInst::Min: return "fetch_min";
    case AtomicRMWInst::UMax: return "fetch_umax";
    case AtomicRMWInst::UMin: return "fetch_umin";
    default: return "";
    }
}

} // namespace castor
