// The LLVM pass plugin: where the pass stands in the pipeline, and what it does with a module.
//
// The pass stands last, behind the optimiser, which knows more of an atomic instruction than of a call. It stands in
// the compiler's pipeline also when link-time optimisation follows, and a second time in the linker's when the plugin
// is loaded there too: for modules that were compiled without it. What has been instrumented is recognised (Plan.h).
#include "../Common/Assembly.h"
#include "../Common/Statistics.h"
#include "Ignored.h"
#include "Options.h"
#include "Plan.h"
#include "Rewriter.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Passes/PassPlugin.h"
#include "llvm/Support/CommandLine.h"
#include <cerrno>
#include <cstring>

using namespace llvm;

namespace castor {
namespace {

enum class Order { synchronised, shared };

cl::opt<Order> order("castor-order", cl::desc("What castor orders"), cl::init(Order::synchronised),
                     cl::values(clEnumValN(Order::synchronised, "synchronised", "atomics, volatiles, inline assembly"),
                                clEnumValN(Order::shared, "shared", "and every access to memory that may be shared")));
cl::opt<bool> poll("castor-poll", cl::desc("Let loops handle signals"));
cl::opt<std::string> statistics("castor-stats", cl::desc("Append castor's counts to a file"), cl::value_desc("file"));

/// First in the pipeline, before anything is inlined.
struct MarkIgnoredPass : PassInfoMixin<MarkIgnoredPass> {
    static bool isRequired() { return true; }
    PreservedAnalyses run(Module &module, ModuleAnalysisManager &) {
        return markIgnored(module) ? PreservedAnalyses::none() : PreservedAnalyses::all();
    }
};

class CastorPass : public PassInfoMixin<CastorPass> {
public:
    static bool isRequired() { return true; } // at -O0 too

    PreservedAnalyses run(Module &module, ModuleAnalysisManager &) {
        const Options options = commandLineOptions();
        Statistics counts;
        bool changed = markIgnored(module);
        Rewriter rewriter(module);
        for (Function &function : module)
            if (!function.isDeclaration() && !isIgnored(function))
                changed |= instrument(function, options, rewriter, counts);
        warnOfAssembly(module, counts);
        if (!options.statistics.empty() && !counts.append(options.statistics, module.getSourceFileName()))
            warn(module, "cannot write to " + options.statistics + ": " + std::strerror(errno));
        return changed ? PreservedAnalyses::none() : PreservedAnalyses::all();
    }

private:
    static bool instrument(Function &function, const Options &options, Rewriter &rewriter, Statistics &counts) {
        bool changed = false;
        const std::vector<BasicBlock *> polls = options.poll ? planPolls(function) : std::vector<BasicBlock *>();
        for (const Site &site : plan(function, options)) {
            counts.count(site.kind);
            changed |= rewriter.apply(site);
        }
        for (BasicBlock *block : polls) {
            counts.count("poll");
            rewriter.poll(*block);
        }
        return changed || !polls.empty();
    }

    static void warnOfAssembly(const Module &module, Statistics &counts) {
        if (!readAssembly(module.getModuleInlineAsm(), AssemblyDialect::verbatim).anyInstruction) return;
        counts.count("assembly.file");
        warn(module, "assembly in the file's scope is not recorded (in " + module.getSourceFileName() + ")");
    }

    static void warn(const Module &module, const std::string &text) {
        module.getContext().diagnose(DiagnosticInfoInlineAsm(0, "castor: " + text, DS_Warning));
    }
};

void registerPasses(PassBuilder &builder) {
    builder.registerPipelineStartEPCallback(
        [](ModulePassManager &passes, auto...) { passes.addPass(MarkIgnoredPass()); });
    // Later versions hand over a phase of link-time optimisation too.
    builder.registerOptimizerLastEPCallback([](ModulePassManager &passes, auto...) { passes.addPass(CastorPass()); });
#if LLVM_VERSION_MAJOR >= 15
    builder.registerFullLinkTimeOptimizationLastEPCallback(
        [](ModulePassManager &passes, auto...) { passes.addPass(CastorPass()); });
#endif
    builder.registerPipelineParsingCallback(
        [](StringRef name, ModulePassManager &passes, ArrayRef<PassBuilder::PipelineElement>) {
            if (name != "castor") return false;
            passes.addPass(CastorPass());
            return true;
        });
}

} // namespace

Options commandLineOptions() { return {order == Order::shared, poll, statistics}; }

} // namespace castor

extern "C" LLVM_ATTRIBUTE_WEAK __attribute__((visibility("default"))) PassPluginLibraryInfo llvmGetPassPluginInfo() {
    return {LLVM_PLUGIN_API_VERSION, "castor", "1", castor::registerPasses};
}
