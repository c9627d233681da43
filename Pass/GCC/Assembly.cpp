#include "../Common/Assembly.h"
#include "Steps.h"
#include <vector>

namespace castor {
namespace {

struct Operands {
    std::vector<tree> written, read; // in memory
    std::vector<tree> pointers; // in registers
};

Operands operandsOf(gasm *assembly) {
    Operands result;
    for (unsigned i = 0; i < gimple_asm_noutputs(assembly); i++) {
        tree operand = TREE_VALUE(gimple_asm_output_op(assembly, i));
        if (!is_gimple_reg(operand)) result.written.push_back(operand);
    }
    for (unsigned i = 0; i < gimple_asm_ninputs(assembly); i++) {
        tree operand = TREE_VALUE(gimple_asm_input_op(assembly, i));
        if (!is_gimple_val(operand)) result.read.push_back(operand);
        else if (POINTER_TYPE_P(TREE_TYPE(operand))) result.pointers.push_back(operand);
    }
    return result;
}

bool areLocal(const std::vector<tree> &references) {
    for (tree reference : references)
        if (!isLocal(reference)) return false;
    return true;
}

AssemblyClass classOf(gasm *assembly) {
    const AssemblyText text = readAssembly(gimple_asm_string(assembly), AssemblyDialect::gcc);
    const Operands operands = operandsOf(assembly);
    const bool memory = !operands.written.empty() || !operands.read.empty();
    const bool clobber = gimple_asm_clobbers_memory_p(assembly);
    const AssemblyClass result = classify(text, {memory, clobber});
    // Locals of this thread, and no way to any other memory.
    if (result == AssemblyClass::memory && !text.makesValue && !text.namesMemory && !clobber && memory &&
        areLocal(operands.written) && areLocal(operands.read))
        return AssemblyClass::pure;
    return result;
}

/// The address that orders the region: of an operand that others may see, or else the only pointer there is.
tree orderingAddress(gasm *assembly, const Operands &operands) {
    for (const auto *references : {&operands.written, &operands.read})
        for (tree reference : *references)
            if (!isLocal(reference)) {
                Sequence sequence(gimple_location(assembly));
                tree address = sequence.addressOf(reference);
                gimple_stmt_iterator place = gsi_for_stmt(assembly);
                sequence.insertBefore(&place);
                return address;
            }
    return operands.pointers.size() == 1 ? operands.pointers.front() : NULL_TREE;
}

} // namespace

std::string assemblyKind(gasm *assembly) {
    const AssemblyClass kind = classOf(assembly);
    const bool recorded = kind == AssemblyClass::value || kind == AssemblyClass::memory;
    return recorded && gimple_asm_nlabels(assembly) ? "assembly.goto" : nameOf(kind);
}

void rewriteAssembly(gasm *assembly) {
    const std::string kind = assemblyKind(assembly);
    const location_t place = gimple_location(assembly);
    if (kind == "assembly.goto")
        warning_at(place, 0, "castor: inline assembly with jumps (%<asm goto%>) is not recorded");
    else if (kind == nameOf(AssemblyClass::leaves))
        warning_at(place, 0, "castor: inline assembly that calls, returns or jumps elsewhere is not recorded");
    const bool isRegion = kind == nameOf(AssemblyClass::memory);
    if (!isRegion && kind != nameOf(AssemblyClass::value)) return;
    // Results first: what comes later goes between the assembly and them.
    for (unsigned i = 0; i < gimple_asm_noutputs(assembly); i++)
        recordResult(assembly, &TREE_VALUE(gimple_asm_output_op(assembly, i)));
    if (!isRegion) return;
    const Operands operands = operandsOf(assembly);
    surround(assembly, orderingAddress(assembly, operands), operands.written);
}

} // namespace castor
