#include "Steps.h"
#include <cstring>

namespace castor {
namespace {

struct Intrinsic {
    const char *name;
    unsigned writtenBytes; // by the pointer in the only argument; 0: nothing is
};

const Intrinsic intrinsics[] = {
    {"rdtsc", 0},          {"rdtscp", 4},         {"rdpid", 0},          {"rdpmc", 0},
    {"xgetbv", 0},         {"rdrand16_step", 2},  {"rdrand32_step", 4},  {"rdrand64_step", 8},
    {"rdseed_hi_step", 2}, {"rdseed_si_step", 4}, {"rdseed_di_step", 8},
};

const Intrinsic *intrinsicOf(gcall *call) {
    tree function = gimple_call_fndecl(call);
    if (!function || !fndecl_built_in_p(function, BUILT_IN_MD)) return nullptr;
    const char *name = IDENTIFIER_POINTER(DECL_NAME(function)), *prefix = "__builtin_ia32_";
    if (std::strncmp(name, prefix, std::strlen(prefix)) != 0) return nullptr;
    for (const Intrinsic &intrinsic : intrinsics)
        if (std::strcmp(name + std::strlen(prefix), intrinsic.name) == 0) return &intrinsic;
    return nullptr;
}

/// Records what the call wrote through its pointer.
void recordWritten(gcall *call, unsigned bytes) {
    tree type = unsignedOf(bytes), pointer = build_pointer_type_for_mode(type, ptr_mode, true);
    Sequence behind(gimple_location(call));
    tree there = build2(MEM_REF, type, behind.convert(gimple_call_arg(call, 0), pointer), build_int_cst(pointer, 0));
    tree value = make_ssa_name(type);
    behind.assign(value, there);
    behind.assign(unshare_expr(there), behind.recorded(value));
    gimple_stmt_iterator place = gsi_for_stmt(call);
    behind.insertBehind(&place);
}

} // namespace

std::string intrinsicKind(gcall *call) {
    const Intrinsic *intrinsic = intrinsicOf(call);
    return intrinsic ? std::string("intrinsic.") + intrinsic->name : "";
}

void rewriteIntrinsic(gcall *call) {
    const Intrinsic &intrinsic = *intrinsicOf(call);
    if (std::strcmp(intrinsic.name, "rdtsc") == 0) {
        Sequence sequence(gimple_location(call));
        replaceCall(call, sequence, sequence.call("__castor_rdtsc", unsignedOf(8), {}));
        return;
    }
    if (intrinsic.writtenBytes) recordWritten(call, intrinsic.writtenBytes);
    recordResult(call, gimple_call_lhs_ptr(call));
}

} // namespace castor
