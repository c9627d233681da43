#include "../Common/Library.h"
#include "Steps.h"

namespace castor {
namespace {

std::string libraryFunctionOf(gcall *call) {
    tree function = gimple_call_internal_p(call) ? NULL_TREE : gimple_call_fndecl(call);
    if (!function || !TREE_PUBLIC(function) || gimple_has_body_p(function)) return "";
    const char *name = IDENTIFIER_POINTER(DECL_ASSEMBLER_NAME(function));
    return libraryFunction(*name == '*' ? name + 1 : name);
}

/// A structure that the call itself copies. Those that have to be made where they stay are passed by their address.
bool isCopied(tree operand) {
    return operand && isMemory(operand) && !TREE_ADDRESSABLE(TREE_TYPE(operand)) && isConcerned(operand, true) &&
           !isLocal(operand);
}

void copyArgument(gcall *call, unsigned i) {
    tree argument = gimple_call_arg(call, i), local = create_tmp_var(TREE_TYPE(argument));
    Sequence before(gimple_location(call));
    before.copy(before.addressOf(local), before.addressOf(argument), sizeOf(TREE_TYPE(argument)), fromShared);
    gimple_stmt_iterator place = gsi_for_stmt(call);
    before.insertBefore(&place);
    gimple_call_set_arg(call, i, local);
}

void copyResult(gcall *call) {
    tree target = gimple_call_lhs(call), local = create_tmp_var(TREE_TYPE(target));
    Sequence behind(gimple_location(call));
    gimple_call_set_lhs(call, local);
    behind.copy(behind.addressOf(target), behind.addressOf(local), sizeOf(TREE_TYPE(target)), toShared);
    if (stmt_ends_bb_p(call)) {
        if (edge next = find_fallthru_edge(gimple_bb(call)->succs)) behind.insertOn(next);
        return;
    }
    gimple_stmt_iterator place = gsi_for_stmt(call);
    behind.insertBehind(&place);
}

} // namespace

std::string callKind(gcall *call, bool shared) {
    if (!shared) return "";
    if (!libraryFunctionOf(call).empty()) return "plain.library";
    if (gimple_call_internal_p(call)) return "";
    for (unsigned i = 0; i < gimple_call_num_args(call); i++)
        if (isCopied(gimple_call_arg(call, i))) return "plain.argument";
    return isCopied(gimple_call_lhs(call)) ? "plain.result" : "";
}

void rewriteCall(gcall *call) {
    const std::string name = libraryFunctionOf(call);
    if (!name.empty()) {
        gimple_call_set_fndecl(call, replacementOf(name, gimple_call_fndecl(call)));
    } else {
        for (unsigned i = 0; i < gimple_call_num_args(call); i++)
            if (isCopied(gimple_call_arg(call, i))) copyArgument(call, i);
        if (isCopied(gimple_call_lhs(call))) copyResult(call);
    }
    update_stmt(call);
}

} // namespace castor
