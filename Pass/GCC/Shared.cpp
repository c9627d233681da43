#include "Steps.h"

namespace castor {

bool isLocal(tree reference) {
    tree base = get_base_address(reference);
    if (!base || !DECL_P(base)) return false;
    if (VAR_P(base) && DECL_HARD_REGISTER(base)) return true;
    return !is_global_var(base) && !isAddressTaken(base);
}

void recordResult(gimple *statement, tree *result) {
    tree name = *result;
    if (!name || TREE_CODE(name) != SSA_NAME || !isRecordable(TREE_TYPE(name))) return;
    tree raw = make_ssa_name(TREE_TYPE(name), statement);
    *result = raw;
    update_stmt(statement);
    Sequence behind(gimple_location(statement));
    behind.assign(name, behind.recorded(raw));
    gimple_stmt_iterator place = gsi_for_stmt(statement);
    behind.insertBehind(&place);
}

void surround(gimple *statement, tree address, const std::vector<tree> &written) {
    gimple_stmt_iterator place = gsi_for_stmt(statement);
    Sequence before(gimple_location(statement)), behind(gimple_location(statement));
    if (!address) address = null_pointer_node;
    before.call("__castor_region_begin", void_type_node, {address});
    for (tree reference : written) {
        tree size = TYPE_SIZE_UNIT(TREE_TYPE(reference));
        size = size ? fold_convert(unsignedOf(8), size) : build_int_cst(unsignedOf(8), 0);
        behind.call("__castor_region_output", void_type_node, {behind.addressOf(reference), size});
    }
    behind.call("__castor_region_end", void_type_node, {address});
    before.insertBefore(&place);
    behind.insertBehind(&place);
}

void replaceCall(gcall *call, Sequence &sequence, tree result) {
    gimple_stmt_iterator place = gsi_for_stmt(call);
    if (tree target = gimple_call_lhs(call)) sequence.assign(target, sequence.convert(result, TREE_TYPE(target)));
    sequence.insertBefore(&place);
    unlink_stmt_vdef(call);
    gsi_remove(&place, true);
}

} // namespace castor
