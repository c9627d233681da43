// The second half of the pass: changes the places that the plan names.
#pragma once
#include "Site.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstrTypes.h"
#include "llvm/IR/Module.h"

namespace castor {

class Rewriter {
public:
    explicit Rewriter(llvm::Module &module) : module(module) {}

    /// True if the program has changed.
    bool apply(const Site &site);
    void poll(llvm::BasicBlock &block);

private:
    llvm::Module &module;

    llvm::CallInst *call(llvm::IRBuilder<> &builder, const llvm::Twine &name, llvm::Type *result,
                         llvm::ArrayRef<llvm::Value *> arguments = {});
    llvm::Value *address(llvm::IRBuilder<> &builder, llvm::Value *pointer);

    void atomic(llvm::Instruction &at);
    void access(llvm::Instruction &at);
    void copy(const Site &site);
    void byValue(const Site &site);
    void library(llvm::CallBase &call);
    llvm::AllocaInst *temporary(llvm::Instruction &at, llvm::Type *type, llvm::Align align);
    void makeCopy(llvm::IRBuilder<> &builder, llvm::Value *to, llvm::Value *from, llvm::Value *size, unsigned sides);
    void compareExchange(llvm::AtomicCmpXchgInst &at);
    void region(const Site &site);
    void recordResult(llvm::Instruction &at, llvm::Instruction &before);
    llvm::Value *recorded(llvm::IRBuilder<> &builder, llvm::Value *value);
    void replace(llvm::Instruction &at, llvm::Value *value);
};

} // namespace castor
