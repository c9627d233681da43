#include "Steps.h"

namespace castor {
namespace {

/// The two sides of an assignment, as far as they are in memory.
struct Access {
    tree loaded = NULL_TREE, stored = NULL_TREE;
};

bool isMemory(tree operand) {
    if (!REFERENCE_CLASS_P(operand) && !DECL_P(operand)) return false;
    // A part of a register, or a register as another type, has the form of a reference.
    tree base = get_base_address(operand);
    return base && !is_gimple_reg(base) && !CONSTANT_CLASS_P(base);
}

bool isConcerned(tree operand, bool shared) {
    if (!isMemory(operand)) return false;
    if (TREE_THIS_VOLATILE(operand)) return true;
    tree base = get_base_address(operand);
    return shared && !isLocal(operand) && !(base && DECL_P(base) && TREE_READONLY(base));
}

Access accessOf(gimple *statement, bool shared) {
    if (!gimple_assign_single_p(statement) || gimple_clobber_p(statement)) return {};
    tree target = gimple_assign_lhs(statement), source = gimple_assign_rhs1(statement);
    Access access;
    if (isConcerned(source, shared)) access.loaded = source;
    if (isConcerned(target, shared)) access.stored = target;
    return access;
}

bool isBitField(tree reference) {
    return TREE_CODE(reference) == BIT_FIELD_REF || TREE_CODE(reference) == REALPART_EXPR ||
           TREE_CODE(reference) == IMAGPART_EXPR || TREE_CODE(reference) == VIEW_CONVERT_EXPR ||
           (TREE_CODE(reference) == COMPONENT_REF && DECL_BIT_FIELD(TREE_OPERAND(reference, 1)));
}

/// What has an address: a bit-field's structure in its place.
tree addressable(tree reference) {
    while (isBitField(reference)) reference = TREE_OPERAND(reference, 0);
    return reference;
}

/// The bytes of the function that serves the access, or 0.
unsigned functionSize(tree reference) {
    if (isBitField(reference)) return 0;
    const unsigned bytes = callSize(TREE_TYPE(reference));
    // The 16-byte functions may use instructions that fault on an odd address.
    return bytes == 16 && get_object_alignment(reference) < 128 ? 0 : bytes;
}

void rewriteLoad(gimple *statement, tree reference, unsigned bytes) {
    Sequence sequence(gimple_location(statement));
    tree bits = sequence.call("volatile_load", bytes, unsignedOf(bytes), {sequence.addressOf(reference)});
    tree target = gimple_assign_lhs(statement);
    sequence.assign(target, sequence.convert(bits, TREE_TYPE(target)));
    gimple_stmt_iterator place = gsi_for_stmt(statement);
    sequence.insertBefore(&place);
    unlink_stmt_vdef(statement);
    gsi_remove(&place, true);
}

void rewriteStore(gimple *statement, tree reference, unsigned bytes) {
    Sequence sequence(gimple_location(statement));
    tree value = sequence.convert(gimple_assign_rhs1(statement), unsignedOf(bytes));
    sequence.call("volatile_store", bytes, void_type_node, {sequence.addressOf(reference), value});
    gimple_stmt_iterator place = gsi_for_stmt(statement);
    sequence.insertBefore(&place);
    unlink_stmt_vdef(statement);
    gsi_remove(&place, true);
}

void rewriteOther(gimple *statement, tree reference, bool isStore) {
    Sequence sequence(gimple_location(statement));
    tree object = addressable(reference), address = sequence.addressOf(object);
    gimple_stmt_iterator place = gsi_for_stmt(statement);
    sequence.insertBefore(&place);
    recordResult(statement, gimple_assign_lhs_ptr(statement));
    if (isStore) surround(statement, address, {addressable(gimple_assign_lhs(statement))});
    else surround(statement, address, {});
}

} // namespace

std::string accessKind(gimple *statement, bool shared) {
    const Access access = accessOf(statement, shared);
    tree reference = access.stored ? access.stored : access.loaded;
    if (!reference) return "";
    const bool stores = access.stored && !isLocal(access.stored), loads = access.loaded && !isLocal(access.loaded);
    if (!stores && !loads) return "skipped.local";
    // -fnon-call-exceptions: what follows stands in another block.
    if (stmt_ends_bb_p(statement)) return "skipped.throwing";
    const char *kind = TREE_THIS_VOLATILE(reference) ? "volatile" : "plain";
    const bool isCopy = AGGREGATE_TYPE_P(TREE_TYPE(reference));
    return std::string(kind) + (isCopy ? ".memory" : stores ? ".store" : ".load");
}

void rewriteAccess(gimple *statement) {
    tree target = gimple_assign_lhs(statement), source = gimple_assign_rhs1(statement);
    const bool isStore = isMemory(target), isLoad = isMemory(source);
    tree reference = isStore && !(isLoad && isLocal(target)) ? target : source;
    const unsigned bytes = functionSize(reference);
    if (bytes && isStore && is_gimple_val(source) && !isBitField(target)) rewriteStore(statement, target, bytes);
    else if (bytes && isLoad && !isStore) rewriteLoad(statement, source, bytes);
    else rewriteOther(statement, reference, isStore);
}

} // namespace castor
