#include "Steps.h"
#include <cstring>

namespace castor {
namespace {

/// A builtin's name in parts: "__atomic_fetch_add_4" is {"fetch_add", 4, false}.
struct Builtin {
    std::string operation; // empty: not an atomic one
    unsigned bytes = 0; // 0: none in the name
    bool sync = false;
};

bool takePrefix(std::string &text, const char *prefix) {
    if (text.compare(0, std::strlen(prefix), prefix) != 0) return false;
    text.erase(0, std::strlen(prefix));
    return true;
}

bool takeSuffix(std::string &text, const std::string &suffix) {
    const size_t rest = text.size() - suffix.size();
    if (text.size() < suffix.size() || text.compare(rest, suffix.size(), suffix) != 0) return false;
    text.erase(rest);
    return true;
}

Builtin builtinOf(gcall *call) {
    if (gimple_call_internal_p(call)) {
        if (gimple_call_internal_fn(call) != IFN_ATOMIC_COMPARE_EXCHANGE) return {};
        // The last byte of the flags is the size.
        return {"folded_compare_exchange", static_cast<unsigned>(tree_to_uhwi(gimple_call_arg(call, 3)) & 255), false};
    }
    tree function = gimple_call_fndecl(call);
    if (!function || !fndecl_built_in_p(function, BUILT_IN_NORMAL)) return {};
    std::string name = IDENTIFIER_POINTER(DECL_NAME(function));
    const bool sync = takePrefix(name, "__sync_");
    if (!sync && !takePrefix(name, "__atomic_")) return {};
    for (unsigned bytes : {1, 2, 4, 8, 16})
        if (takeSuffix(name, "_" + std::to_string(bytes))) return {name, bytes, sync};
    // Those without a size that are not calls of libatomic.
    if (name == "test_and_set" || name == "clear") return {name, 1, false};
    return {};
}

tree_code codeOf(const std::string &operation) {
    return operation == "add" ? PLUS_EXPR
         : operation == "sub" ? MINUS_EXPR
         : operation == "or"  ? BIT_IOR_EXPR
         : operation == "xor" ? BIT_XOR_EXPR
                              : BIT_AND_EXPR; // and, nand
}

class Rewriting {
public:
    Rewriting(gcall *call, const Builtin &builtin)
        : call(call), name(builtin.operation), bytes(builtin.bytes), sync(builtin.sync), type(unsignedOf(bytes)),
          sequence(gimple_location(call)) {}

    void run() {
        tree result = name == "load" ? sequence.call("load", bytes, type, {argument(0), order(1)})
                    : name == "store" ? store(value(1), order(2))
                    : name == "clear" || name == "lock_release" ? store(build_int_cst(type, 0), order(1))
                    : name == "exchange" || name == "lock_test_and_set" ? change("exchange", value(1), order(2))
                    : name == "test_and_set" ? testAndSet()
                    : takePrefix(name, sync ? "fetch_and_" : "fetch_") ? change("fetch_" + name, value(1), order(2))
                    : takeSuffix(name, sync ? "_and_fetch" : "_fetch") ? newValue()
                    : sync ? syncCompareExchange()
                    : name == "compare_exchange" ? compareExchange()
                                                 : foldedCompareExchange();
        replaceCall(call, sequence, result);
    }

private:
    gcall *call;
    std::string name;
    unsigned bytes;
    bool sync;
    tree type;
    Sequence sequence;

    tree argument(unsigned i) { return gimple_call_arg(call, i); }
    tree value(unsigned i) { return sequence.convert(argument(i), type); }

    /// The order in the argument with that number; the older builtins have none, and mean the strongest.
    tree order(unsigned i) {
        if (sync) return build_int_cst(integer_type_node, MEMMODEL_SEQ_CST);
        return sequence.convert(argument(i), integer_type_node);
    }

    tree store(tree operand, tree order) {
        return sequence.call("store", bytes, void_type_node, {argument(0), operand, order});
    }

    tree change(const std::string &function, tree operand, tree order) {
        return sequence.call(function, bytes, type, {argument(0), operand, order});
    }

    tree testAndSet() {
        tree old = change("exchange", build_int_cst(type, 1), order(1));
        return sequence.compute(NE_EXPR, boolean_type_node, old, build_int_cst(type, 0));
    }

    /// The form that returns the new value.
    tree newValue() {
        tree operand = value(1);
        tree result = sequence.compute(codeOf(name), type, change("fetch_" + name, operand, order(2)), operand);
        return name == "nand" ? sequence.compute(BIT_NOT_EXPR, type, result, NULL_TREE) : result;
    }

    tree exchangeIf(tree expected, tree desired, tree success, tree failure) {
        return sequence.call("compare_exchange", bytes, type, {argument(0), expected, desired, success, failure});
    }

    tree equal(tree first, tree second) { return sequence.compute(EQ_EXPR, boolean_type_node, first, second); }

    tree syncCompareExchange() {
        tree expected = value(1), old = exchangeIf(expected, value(2), order(0), order(0));
        return name == "bool_compare_and_swap" ? equal(old, expected) : old;
    }

    tree compareExchange() {
        // Any alias: the program may know the memory under another type.
        tree pointer = build_pointer_type_for_mode(type, ptr_mode, true);
        tree expectedAt = sequence.convert(argument(1), pointer);
        const auto there = [&](tree address) { return build2(MEM_REF, type, address, build_int_cst(pointer, 0)); };
        tree expected = make_ssa_name(type);
        sequence.assign(expected, there(expectedAt));
        tree old = exchangeIf(expected, value(2), order(4), order(5)), success = equal(old, expected);
        // On success the memory may be another thread's already and must not be written: the old value goes aside then.
        tree aside = sequence.convert(sequence.addressOf(create_tmp_var(type)), pointer);
        sequence.assign(there(sequence.choose(success, aside, expectedAt)), old);
        return success;
    }

    /// GCC's own form: returns a complex number of the old value and the success.
    tree foldedCompareExchange() {
        tree expected = value(1), old = exchangeIf(expected, value(2), order(4), order(5));
        tree success = equal(old, expected), target = gimple_call_lhs(call);
        if (!target) return old;
        tree part = TREE_TYPE(TREE_TYPE(target));
        return sequence.compute(COMPLEX_EXPR, TREE_TYPE(target), sequence.convert(old, part),
                                sequence.convert(success, part));
    }
};

} // namespace

std::string atomicKind(gcall *call) {
    const Builtin builtin = builtinOf(call);
    const std::string &name = builtin.operation;
    if (name.empty()) return "";
    if (name == "load") return "atomic.load";
    if (name == "store" || name == "clear" || name == "lock_release") return "atomic.store";
    return name.find("compare") == std::string::npos ? "atomic.rmw" : "atomic.cas";
}

void rewriteAtomic(gcall *call) { Rewriting(call, builtinOf(call)).run(); }

} // namespace castor
