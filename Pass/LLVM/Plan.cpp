#include "Plan.h"
#include "../Common/Library.h"
#include "InlineAssembly.h"
#include "Locals.h"
#include "Values.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Analysis/CFG.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/GlobalVariable.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/Module.h"

using namespace llvm;

namespace castor {
namespace {

bool callsFunction(const Instruction &instruction, StringRef name) {
    const auto *call = dyn_cast<CallInst>(&instruction);
    return call && call->getCalledFunction() && call->getCalledFunction()->getName() == name;
}

/// Whether what the instruction made, or a part of it, is handed to __castor_value.
bool isRecorded(const Instruction &instruction) {
    for (const User *user : instruction.users()) {
        const auto *next = cast<Instruction>(user);
        if (callsFunction(*next, "__castor_value")) return true;
        if ((isa<ExtractValueInst, CastInst>(next) || next->isShift()) && isRecorded(*next)) return true;
    }
    return false;
}

class Planner {
public:
    Planner(Function &function, const Options &options)
        : options(options), layout(function.getParent()->getDataLayout()), context(function.getContext()) {}

    std::vector<Site> sites;

    void look(Instruction &at) {
        if (auto *load = dyn_cast<LoadInst>(&at))
            access(at, load->getPointerOperand(), at.getType(), load->getAlign(), *load, ".load");
        else if (auto *store = dyn_cast<StoreInst>(&at))
            access(at, store->getPointerOperand(), store->getValueOperand()->getType(), store->getAlign(), *store,
                   ".store");
        else if (auto *change = dyn_cast<AtomicRMWInst>(&at))
            atomicChange(*change, change->getPointerOperand(), change->getType(), nameOf(change->getOperation()),
                         "rmw");
        else if (auto *change = dyn_cast<AtomicCmpXchgInst>(&at))
            atomicChange(*change, change->getPointerOperand(), change->getNewValOperand()->getType(), "", "cas");
        else if (isa<FenceInst>(at))
            add(at, Step::count, "fence");
        else if (auto *call = dyn_cast<CallBase>(&at))
            look(*call);
    }

private:
    const Options &options;
    const DataLayout &layout;
    LLVMContext &context;
    Locals locals;

    Site &add(Instruction &at, Step step, std::string kind) {
        sites.push_back({&at, step, std::move(kind), nullptr, {}, {}, 0});
        return sites.back();
    }

    Value *bytes(uint64_t count) { return ConstantInt::get(Type::getInt64Ty(context), count); }

    void addRegion(Instruction &at, std::string kind, Value *address, Value *writtenBytes) {
        Site &site = add(at, Step::region, std::move(kind));
        site.address = address;
        if (writtenBytes) site.written.push_back({address, writtenBytes});
    }

    /// Another address space is a segment register: this thread's own memory.
    bool isOtherSpace(Instruction &at, Value *address) {
        if (address->getType()->getPointerAddressSpace() == 0) return false;
        add(at, Step::count, "skipped.segment");
        return true;
    }

    template <typename Access>
    void access(Instruction &at, Value *address, Type *type, Align align, const Access &access, const char *direction) {
        const bool atomic = access.isAtomic(), isVolatile = access.isVolatile();
        if (!atomic && !isVolatile && !(options.orderShared && mayBeShared(at, address))) return;
        if (isOtherSpace(at, address)) return;
        if (!atomic && locals.hold(address)) {
            if (isVolatile) add(at, Step::count, "skipped.local");
            return;
        }
        const std::string kind = (atomic ? "atomic" : isVolatile ? "volatile" : "plain") + std::string(direction);
        const unsigned size = callSize(layout, type);
        // The 16-byte functions may use instructions that fault on an odd address.
        if (size && (size < 16 || align.value() >= 16))
            add(at, atomic ? Step::atomic : Step::access, kind);
        else if (!atomic && !isVolatile)
            add(at, Step::copy, kind).sides = isa<StoreInst>(at) ? toShared : fromShared;
        else
            addRegion(at, kind, address, isa<StoreInst>(at) ? bytes(layout.getTypeStoreSize(type)) : nullptr);
    }

    bool mayBeShared(const Instruction &at, const Value *address) {
        if (at.getMetadata(LLVMContext::MD_invariant_load)) return false;
        const auto *global = dyn_cast<GlobalVariable>(address->stripInBoundsOffsets());
        return !(global && global->isConstant()) && !locals.hold(address);
    }

    void atomicChange(Instruction &at, Value *address, Type *type, StringRef operation, const char *kind) {
        if (isOtherSpace(at, address)) return;
        const std::string name = std::string("atomic.") + kind;
        if (callSize(layout, type) && !(isa<AtomicRMWInst>(at) && operation.empty()))
            add(at, Step::atomic, name);
        else
            addRegion(at, name, address, bytes(layout.getTypeStoreSize(type)));
    }

    void look(CallBase &call) {
        if (call.isInlineAsm()) {
            sites.push_back(planAssembly(call, locals));
            return;
        }
        if (options.orderShared) byValue(call);
        const Function *callee = call.getCalledFunction();
        StringRef name = callee ? callee->getName() : "";
        if (!name.consume_front("llvm.")) {
            if (options.orderShared && callee && callee->isDeclaration() && !libraryFunction(name.str()).empty()) library(call);
            return;
        }
        if (name == "x86.rdtsc" || name == "readcyclecounter")
            add(call, Step::timeStamp, "intrinsic.rdtsc");
        else if (makesValue(name))
            add(call, Step::value, "intrinsic." + name.str());
        else if (name.consume_front("memcpy.") || name.consume_front("memmove."))
            memory(call, call.getArgOperand(1));
        else if (name.consume_front("memset."))
            memory(call, nullptr);
        else if (options.orderShared && isMasked(name))
            addRegion(call, "plain.masked", nullptr, nullptr);
    }

    /// Accesses by parts of a vector, as the mask says. What they load is recorded.
    static bool isMasked(StringRef name) {
        return name.consume_front("masked.load.") || name.consume_front("masked.store.") ||
               name.consume_front("masked.gather.") || name.consume_front("masked.scatter.") ||
               name.consume_front("masked.expandload.") || name.consume_front("masked.compressstore.");
    }

    bool mayPointToShared(const CallBase &call, const Value *argument) {
        return argument->getType()->isPointerTy() && mayBeShared(call, argument);
    }

    void library(CallBase &call) {
        if (any_of(call.args(), [&](const Use &argument) { return mayPointToShared(call, argument); }))
            add(call, Step::library, "plain.library");
    }

    /// Structures that are passed by value in memory: the call copies them, from wherever they are.
    void byValue(CallBase &call) {
        if (call.isMustTailCall()) return; // no local of this function may be passed
        unsigned arguments = 0;
        for (unsigned i = 0; i < call.arg_size() && i < 32; i++)
            if (call.isByValArgument(i) && mayPointToShared(call, call.getArgOperand(i))) arguments |= 1u << i;
        if (arguments) add(call, Step::byValue, "plain.argument").sides = arguments;
    }

    static bool makesValue(StringRef name) {
        return name == "x86.rdtscp" || name == "x86.rdpid" || name == "x86.rdpmc" || name == "x86.xgetbv" ||
               name.consume_front("x86.rdrand.") || name.consume_front("x86.rdseed.");
    }

    /// The memcpy family: piece by piece, on the sides that others may see.
    void memory(CallBase &call, Value *source) {
        // Forms of the family that have no flag here are atomic by element, and cannot be volatile.
        const auto *flag = dyn_cast<ConstantInt>(call.getArgOperand(3));
        if (!flag || !flag->getType()->isIntegerTy(1)) return;
        if (flag->isZero() && !options.orderShared) return;
        Value *target = call.getArgOperand(0);
        if (isOtherSpace(call, target) || (source && isOtherSpace(call, source))) return;
        const unsigned sides =
            (locals.hold(target) ? 0u : unsigned(toShared)) |
            (source && mayBeShared(call, source) ? unsigned(fromShared) : 0u);
        if (sides)
            add(call, Step::copy, flag->isOne() ? "volatile.memory" : "plain.memory").sides = sides;
        else if (flag->isOne())
            add(call, Step::count, "skipped.local");
    }
};

} // namespace

std::vector<Site> plan(Function &function, const Options &options) {
    Planner planner(function, options);
    for (BasicBlock &block : function) {
        bool inRegion = false;
        for (Instruction &at : block) {
            if (callsFunction(at, "__castor_region_begin")) inRegion = true;
            if (callsFunction(at, "__castor_region_end")) inRegion = false;
            if (!inRegion) planner.look(at);
        }
    }
    for (Site &site : planner.sites)
        if (site.step == Step::value && isRecorded(*site.at)) site.step = Step::count;
    return std::move(planner.sites);
}

std::vector<BasicBlock *> planPolls(Function &function) {
    SmallVector<std::pair<const BasicBlock *, const BasicBlock *>, 8> edges;
    FindFunctionBackedges(function, edges);
    SetVector<BasicBlock *> sources;
    for (const auto &edge : edges) {
        auto *source = const_cast<BasicBlock *>(edge.first);
        const auto polls = [](const Instruction &at) { return callsFunction(at, "__castor_poll"); };
        if (none_of(*source, polls)) sources.insert(source);
    }
    return {sources.begin(), sources.end()};
}

} // namespace castor
