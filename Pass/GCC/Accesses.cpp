#include "Steps.h"

namespace castor {
namespace {

/// The two sides of an assignment, as far as they are in memory.
struct Access {
    tree loaded = NULL_TREE, stored = NULL_TREE;
};

} // namespace

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

namespace {

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

/// A part of a word, without an address.
bool isPart(tree reference) {
    return TREE_CODE(reference) == BIT_FIELD_REF ||
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

void replace(gimple *statement, Sequence &sequence) {
    gimple_stmt_iterator place = gsi_for_stmt(statement);
    sequence.insertBefore(&place);
    unlink_stmt_vdef(statement);
    gsi_remove(&place, true);
}

void rewriteLoad(gimple *statement, tree reference, unsigned bytes) {
    Sequence sequence(gimple_location(statement));
    tree bits = sequence.call("volatile_load", bytes, unsignedOf(bytes), {sequence.addressOf(reference)});
    tree target = gimple_assign_lhs(statement);
    sequence.assign(target, sequence.convert(bits, TREE_TYPE(target)));
    replace(statement, sequence);
}

const char *storeOf(tree reference) { return TREE_THIS_VOLATILE(reference) ? "volatile_store" : "plain_store"; }

void rewriteStore(gimple *statement, tree reference, unsigned bytes) {
    Sequence sequence(gimple_location(statement));
    tree value = sequence.convert(gimple_assign_rhs1(statement), unsignedOf(bytes));
    sequence.call(storeOf(reference), bytes, void_type_node, {sequence.addressOf(reference), value});
    replace(statement, sequence);
}

/// Copies of structures, and accesses of a size or alignment that no function has: those go by way of a local.
void rewriteCopy(gimple *statement, tree target, tree source) {
    Sequence sequence(gimple_location(statement));
    const bool isStore = isMemory(target), isLoad = isMemory(source);
    const unsigned sides = (isStore && !isLocal(target) ? toShared : 0u) | (isLoad && !isLocal(source) ? fromShared : 0u);
    tree size = sizeOf(TREE_TYPE(isStore ? target : source));
    if (isStore && isLoad) {
        sequence.copy(sequence.addressOf(target), sequence.addressOf(source), size, sides);
    } else if (isStore && TREE_CODE(source) == CONSTRUCTOR && !CONSTRUCTOR_NELTS(source)) {
        sequence.call("__castor_fill", void_type_node, {sequence.addressOf(target), integer_zero_node, size});
    } else if (isStore) {
        tree local = create_tmp_var(TREE_TYPE(target));
        tree address = sequence.addressOf(local); // first: it makes the variable memory
        sequence.assign(local, source);
        sequence.copy(sequence.addressOf(target), address, size, sides);
    } else {
        tree local = create_tmp_var(TREE_TYPE(source));
        sequence.copy(sequence.addressOf(local), sequence.addressOf(source), size, sides);
        sequence.assign(target, local);
    }
    replace(statement, sequence);
}

/// A bit-field in the word that the C memory model lets an access of it touch.
struct BitField {
    tree word = NULL_TREE; // the reference to it; null: there is none of a function's size
    unsigned bytes = 0, position = 0, bits = 0;

    explicit BitField(tree reference) {
        if (TREE_CODE(reference) != COMPONENT_REF) return;
        tree field = TREE_OPERAND(reference, 1), whole = DECL_BIT_FIELD_REPRESENTATIVE(field);
        if (!whole || !tree_fits_uhwi_p(DECL_FIELD_OFFSET(field)) || !tree_fits_uhwi_p(DECL_FIELD_OFFSET(whole))) return;
        bytes = callSize(TREE_TYPE(whole));
        if (!bytes || bytes > 8) return;
        position = (tree_to_uhwi(DECL_FIELD_OFFSET(field)) - tree_to_uhwi(DECL_FIELD_OFFSET(whole))) * BITS_PER_UNIT +
                   tree_to_uhwi(DECL_FIELD_BIT_OFFSET(field)) - tree_to_uhwi(DECL_FIELD_BIT_OFFSET(whole));
        bits = tree_to_uhwi(DECL_SIZE(field));
        word = build3(COMPONENT_REF, TREE_TYPE(whole), unshare_expr(TREE_OPERAND(reference, 0)), whole, NULL_TREE);
    }
};

void rewriteBitField(gimple *statement, tree reference, const BitField &field, bool isStore) {
    Sequence sequence(gimple_location(statement));
    tree type = unsignedOf(field.bytes), address = sequence.addressOf(field.word);
    const unsigned width = field.bytes * BITS_PER_UNIT;
    const auto shift = [](unsigned bits) { return build_int_cst(integer_type_node, bits); };
    tree word = sequence.call("volatile_load", field.bytes, type, {address});
    if (isStore) {
        const wide_int mask = wi::shifted_mask(field.position, field.bits, false, width);
        tree value = sequence.convert(gimple_assign_rhs1(statement), type);
        value = sequence.compute(LSHIFT_EXPR, type, value, shift(field.position));
        value = sequence.compute(BIT_AND_EXPR, type, value, wide_int_to_tree(type, mask));
        word = sequence.compute(BIT_AND_EXPR, type, word, wide_int_to_tree(type, wi::bit_not(mask)));
        word = sequence.compute(BIT_IOR_EXPR, type, word, value);
        sequence.call(storeOf(reference), field.bytes, void_type_node, {address, word});
    } else {
        tree target = gimple_assign_lhs(statement);
        word = sequence.compute(LSHIFT_EXPR, type, word, shift(width - field.position - field.bits));
        tree extended = TYPE_UNSIGNED(TREE_TYPE(reference)) ? type : signed_type_for(type);
        word = sequence.compute(RSHIFT_EXPR, extended, sequence.convert(word, extended), shift(width - field.bits));
        sequence.assign(target, sequence.convert(word, TREE_TYPE(target)));
    }
    replace(statement, sequence);
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
    if (bytes && isStore && is_gimple_val(source) && !isBitField(target)) return rewriteStore(statement, target, bytes);
    if (bytes && isLoad && !isStore) return rewriteLoad(statement, source, bytes);
    const BitField field(reference);
    if (isPart(reference)) {
        if (field.word) rewriteBitField(statement, reference, field, isStore);
        else rewriteOther(statement, reference, isStore);
    } else if (TREE_THIS_VOLATILE(reference) && !AGGREGATE_TYPE_P(TREE_TYPE(reference))) {
        rewriteOther(statement, reference, isStore);
    } else {
        rewriteCopy(statement, target, source);
    }
}

} // namespace castor
