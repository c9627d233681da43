#include "Runtime.h"
#include <set>
#include <vector>

namespace castor {
namespace {

bool isWord(tree type) { return INTEGRAL_TYPE_P(type) || POINTER_TYPE_P(type); }

/// Identifiers and their functions, as a list that the garbage collector knows (registerRoots).
tree declarations = NULL_TREE;

/// Of the function at hand.
std::set<tree> takenHere;

/// One declaration for each name: all calls of a function have the same type.
tree declarationOf(const std::string &name, tree result, const std::vector<tree> &types) {
    tree identifier = get_identifier(name.c_str());
    if (tree known = purpose_member(identifier, declarations)) return TREE_VALUE(known);
    tree function = build_fn_decl(
        name.c_str(), build_function_type_array(result, types.size(), const_cast<tree *>(types.data())));
    TREE_NOTHROW(function) = 1;
    // Without it the call would need an abnormal edge in a function that calls setjmp.
    DECL_ATTRIBUTES(function) = tree_cons(get_identifier("leaf"), NULL_TREE, NULL_TREE);
    declarations = tree_cons(identifier, function, declarations);
    return function;
}

} // namespace

void registerRoots(const char *plugin) {
    static const ggc_root_tab roots[] = {
        {&declarations, 1, sizeof declarations, &gt_ggc_mx_tree_node, &gt_pch_nx_tree_node}, LAST_GGC_ROOT_TAB};
    register_callback(plugin, PLUGIN_REGISTER_GGC_ROOTS, nullptr, const_cast<ggc_root_tab *>(roots));
}

tree unsignedOf(unsigned bytes) { return build_nonstandard_integer_type(bytes * BITS_PER_UNIT, 1); }

unsigned callSize(tree type) {
    if (!isWord(type) && TREE_CODE(type) != REAL_TYPE && TREE_CODE(type) != VECTOR_TYPE) return 0;
    // The bits of a long double are fewer than those of its memory.
    if (TYPE_MODE(type) == XFmode || !tree_fits_uhwi_p(TYPE_SIZE_UNIT(type))) return 0;
    const unsigned HOST_WIDE_INT bytes = tree_to_uhwi(TYPE_SIZE_UNIT(type));
    return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8 || bytes == 16 ? bytes : 0;
}

void forgetAddresses() { takenHere.clear(); }

bool isAddressTaken(tree variable) { return TREE_ADDRESSABLE(variable) && takenHere.count(variable) == 0; }

tree sizeOf(tree type) {
    if (TYPE_MODE(type) == XFmode) return build_int_cst(unsignedOf(8), 10); // no more is stored
    tree size = TYPE_SIZE_UNIT(type);
    return size ? fold_convert(unsignedOf(8), size) : build_int_cst(unsignedOf(8), 0);
}

tree replacementOf(const std::string &name, tree function) {
    tree identifier = get_identifier(name.c_str());
    if (tree known = purpose_member(identifier, declarations)) return TREE_VALUE(known);
    tree made = build_fn_decl(name.c_str(), TREE_TYPE(function));
    TREE_NOTHROW(made) = 1;
    DECL_ATTRIBUTES(made) = tree_cons(get_identifier("leaf"), NULL_TREE, NULL_TREE);
    declarations = tree_cons(identifier, made, declarations);
    return made;
}

bool isRecordable(tree type) {
    const unsigned bytes = callSize(type);
    return bytes != 0 && bytes <= 8;
}

tree Sequence::named(tree value) {
    if (is_gimple_val(value)) return value;
    tree name = make_ssa_name(TREE_TYPE(value));
    add(gimple_build_assign(name, value));
    return name;
}

void Sequence::add(gimple *statement) {
    gimple_set_location(statement, location);
    gimple_seq_add_stmt(&statements, statement);
}

tree Sequence::call(const std::string &name, tree result, std::initializer_list<tree> arguments) {
    std::vector<tree> types;
    vec<tree> values = vNULL;
    for (tree argument : arguments) {
        types.push_back(POINTER_TYPE_P(TREE_TYPE(argument)) ? ptr_type_node : TREE_TYPE(argument));
        values.safe_push(named(argument));
    }
    gcall *statement = gimple_build_call_vec(declarationOf(name, result, types), values);
    values.release();
    tree value = NULL_TREE;
    if (!VOID_TYPE_P(result)) gimple_call_set_lhs(statement, value = make_ssa_name(result));
    add(statement);
    return value;
}

tree Sequence::call(const std::string &name, unsigned bytes, tree result, std::initializer_list<tree> arguments) {
    return call("__castor_" + name + "_" + std::to_string(bytes), result, arguments);
}

tree Sequence::convert(tree value, tree type) {
    if (useless_type_conversion_p(type, TREE_TYPE(value))) return value;
    if (isWord(type) && isWord(TREE_TYPE(value))) return named(build1(NOP_EXPR, type, named(value)));
    return named(build1(VIEW_CONVERT_EXPR, type, named(value)));
}

tree Sequence::compute(tree_code code, tree type, tree first, tree second) {
    tree name = make_ssa_name(type);
    add(second ? gimple_build_assign(name, code, named(first), named(second))
               : gimple_build_assign(name, code, named(first)));
    return name;
}

tree Sequence::choose(tree condition, tree ifTrue, tree ifFalse) {
    tree name = make_ssa_name(TREE_TYPE(ifTrue));
    add(gimple_build_assign(name, COND_EXPR, named(condition), named(ifTrue), named(ifFalse)));
    return name;
}

tree Sequence::addressOf(tree reference) {
    gimple_seq made = nullptr;
    tree base = get_base_address(reference);
    if (base && DECL_P(base) && !TREE_ADDRESSABLE(base)) {
        TREE_ADDRESSABLE(base) = 1; // or the call counts as not touching it
        takenHere.insert(base);
    }
    // The optimiser's own form of a reference within a loop.
    tree address = TREE_CODE(reference) == TARGET_MEM_REF ? tree_mem_ref_addr(ptr_type_node, unshare_expr(reference))
                                                          : build_fold_addr_expr(unshare_expr(reference));
    address = force_gimple_operand(address, &made, true, NULL_TREE);
    gimple_seq_add_seq(&statements, made);
    return address;
}

tree Sequence::recorded(tree value) {
    tree type = TREE_TYPE(value), word = unsignedOf(8);
    tree bits = convert(convert(value, unsignedOf(callSize(type))), word);
    bits = call("__castor_value", word, {bits});
    return convert(convert(bits, unsignedOf(callSize(type))), type);
}

void Sequence::copy(tree to, tree from, tree size, unsigned sides) {
    call("__castor_copy", void_type_node, {to, from, size, build_int_cst(unsignedOf(4), sides)});
}

void Sequence::assign(tree target, tree value) { add(gimple_build_assign(target, value)); }

void Sequence::insertBefore(gimple_stmt_iterator *place) { gsi_insert_seq_before(place, statements, GSI_SAME_STMT); }

void Sequence::insertBehind(gimple_stmt_iterator *place) {
    if (statements) gsi_insert_seq_after(place, statements, GSI_CONTINUE_LINKING);
}

void Sequence::insertOn(edge place) { gsi_insert_seq_on_edge(place, statements); }

} // namespace castor
