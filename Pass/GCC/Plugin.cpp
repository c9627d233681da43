// The GCC plugin: where its pass stands, which functions it looks at, and its options.
//
// The pass stands behind most of the optimiser, right in front of the folding that makes forms of atomic operations
// which no source has. With -flto that is at link time: the linking command needs the plugin too.
#include "../Common/Assembly.h"
#include "../Common/Statistics.h"
#include "Gcc.h"
#include "Steps.h"
#include <cerrno>
#include <cstring>

__attribute__((visibility("default"))) int plugin_is_GPL_compatible;

namespace castor {
namespace {

bool orderShared = false, poll = false;
std::string statisticsFile;
Statistics counts;

bool isIgnore(tree arguments) {
    return arguments && TREE_CODE(TREE_VALUE(arguments)) == STRING_CST &&
           std::strcmp(TREE_STRING_POINTER(TREE_VALUE(arguments)), "castor_ignore") == 0;
}

/// __attribute__((annotate("castor_ignore"))), which GCC itself does not know. Inlined, the body would be instrumented.
tree annotate(tree *node, tree, tree arguments, int, bool *) {
    if (TREE_CODE(*node) == FUNCTION_DECL && isIgnore(arguments)) DECL_UNINLINABLE(*node) = 1;
    return NULL_TREE;
}

bool isIgnored(tree function) {
    if (DECL_NAME(function) && std::strncmp(IDENTIFIER_POINTER(DECL_NAME(function)), "__castor_", 9) == 0) return true;
    if (lookup_attribute("naked", DECL_ATTRIBUTES(function))) return true;
    for (tree found = lookup_attribute("annotate", DECL_ATTRIBUTES(function)); found;
         found = lookup_attribute("annotate", TREE_CHAIN(found)))
        if (isIgnore(TREE_VALUE(found))) return true;
    return false;
}

std::string kindOf(gimple *statement) {
    if (auto *call = dyn_cast<gcall *>(statement)) {
        std::string kind = atomicKind(call);
        if (kind.empty()) kind = intrinsicKind(call);
        return kind.empty() ? callKind(call, orderShared) : kind;
    }
    if (auto *assembly = dyn_cast<gasm *>(statement)) return assemblyKind(assembly);
    return accessKind(statement, orderShared);
}

void rewrite(gimple *statement) {
    if (auto *call = dyn_cast<gcall *>(statement))
        !atomicKind(call).empty()      ? rewriteAtomic(call)
        : !intrinsicKind(call).empty() ? rewriteIntrinsic(call)
                                       : rewriteCall(call);
    else if (auto *assembly = dyn_cast<gasm *>(statement)) rewriteAssembly(assembly);
    else rewriteAccess(statement);
}

void insertPolls(function *current) {
    mark_dfs_back_edges();
    basic_block block;
    edge next;
    edge_iterator i;
    FOR_EACH_BB_FN(block, current)
        FOR_EACH_EDGE(next, i, block->succs)
            if ((next->flags & EDGE_DFS_BACK) && !(next->flags & EDGE_COMPLEX)) {
                counts.count("poll");
                Sequence sequence(UNKNOWN_LOCATION);
                sequence.call("__castor_poll", void_type_node, {});
                sequence.insertOn(next);
            }
    gsi_commit_edge_inserts();
}

/// The whole function is looked at before any of it is changed (Steps.h).
unsigned instrument(function *current) {
    forgetAddresses();
    std::vector<gimple *> sites;
    basic_block block;
    FOR_EACH_BB_FN(block, current)
        for (gimple_stmt_iterator place = gsi_start_bb(block); !gsi_end_p(place); gsi_next(&place)) {
            const std::string kind = kindOf(gsi_stmt(place));
            if (kind.empty()) continue;
            counts.count(kind);
            if (kind.compare(0, 8, "skipped.") != 0) sites.push_back(gsi_stmt(place));
        }
    for (gimple *site : sites) rewrite(site);
    gsi_commit_edge_inserts();
    if (poll) insertPolls(current);
    if (sites.empty() && !poll) return 0;
    mark_virtual_operands_for_renaming(current);
    return TODO_update_ssa | TODO_cleanup_cfg;
}

const pass_data description = {GIMPLE_PASS, "castor", OPTGROUP_NONE, TV_NONE, PROP_ssa | PROP_cfg, 0, 0, 0, 0};

class CastorPass : public gimple_opt_pass {
public:
    CastorPass(gcc::context *context, bool optimising)
        : gimple_opt_pass(description, context), optimising(optimising) {}
    bool gate(function *current) final override { return optimising == (optimize > 0) && !isIgnored(current->decl); }
    unsigned execute(function *current) final override { return instrument(current); }
    opt_pass *clone() final override { return new CastorPass(m_ctxt, optimising); }

private:
    bool optimising; // the levels that it stands for
};

void registerPass(const char *plugin, bool optimising, const char *reference, pass_positioning_ops position) {
    register_pass_info info{new CastorPass(g, optimising), reference, 0, position};
    register_callback(plugin, PLUGIN_PASS_MANAGER_SETUP, nullptr, &info);
}

void registerAttributes(void *, void *) {
    static const attribute_spec specification = {"annotate", 1, 1, true, false, false, false, annotate, nullptr};
    register_attribute(&specification);
}

/// GCC keeps no line of assembly in the file's scope.
void lookAtFileScope(void *, void *) {
    for (asm_node *node = symtab->first_asm_symbol(); node; node = node->next) {
        if (!readAssembly(TREE_STRING_POINTER(node->asm_str), AssemblyDialect::verbatim).anyInstruction) continue;
        counts.count("assembly.file");
        warning_at(UNKNOWN_LOCATION, 0, "castor: assembly in the file%'s scope is not recorded (in %s)",
                   main_input_filename);
    }
}

void writeStatistics(void *, void *) {
    if (!counts.append(statisticsFile, main_input_filename))
        warning_at(UNKNOWN_LOCATION, 0, "castor: cannot write to %s: %s", statisticsFile.c_str(), xstrerror(errno));
}

bool takeOption(const plugin_argument &argument) {
    const std::string key = argument.key, value = argument.value ? argument.value : "";
    if (key == "poll" && value.empty()) poll = true;
    else if (key == "order" && (value == "shared" || value == "synchronised")) orderShared = value == "shared";
    else if (key == "stats" && !value.empty()) statisticsFile = value;
    else return false;
    return true;
}

} // namespace
} // namespace castor

__attribute__((visibility("default"))) int plugin_init(plugin_name_args *arguments, plugin_gcc_version *version) {
    using namespace castor;
    const char *plugin = arguments->base_name;
    if (!plugin_default_version_check(version, &gcc_version)) {
        error("castor: this plugin is for GCC %s", gcc_version.basever);
        return 1;
    }
    for (int i = 0; i < arguments->argc; i++)
        if (!takeOption(arguments->argv[i])) {
            error("castor: unknown option %qs", arguments->argv[i].key);
            return 1;
        }
    registerRoots(plugin);
    registerPass(plugin, true, "fab", PASS_POS_INSERT_BEFORE);
    registerPass(plugin, false, "tsan0", PASS_POS_INSERT_AFTER);
    register_callback(plugin, PLUGIN_ATTRIBUTES, registerAttributes, nullptr);
    register_callback(plugin, PLUGIN_ALL_IPA_PASSES_START, lookAtFileScope, nullptr);
    if (!statisticsFile.empty()) register_callback(plugin, PLUGIN_FINISH, writeStatistics, nullptr);
    return 0;
}
