// Values of any type as the unsigned integers that the runtime's functions take, and back; names of operations.
#pragma once
#include "llvm/IR/DataLayout.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Instructions.h"

namespace castor {

/// The bytes of the runtime's function for this type, or 0 where there is none.
unsigned callSize(const llvm::DataLayout &layout, llvm::Type *type);

llvm::Value *toInteger(llvm::IRBuilder<> &builder, llvm::Value *value, unsigned bytes);
llvm::Value *fromInteger(llvm::IRBuilder<> &builder, llvm::Value *value, llvm::Type *type);

/// "exchange", "fetch_add" and so on; empty where the runtime has no such function.
llvm::StringRef nameOf(llvm::AtomicRMWInst::BinOp operation);

} // namespace castor
