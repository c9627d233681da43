// What the GCC plugin does with a statement. For each family one function tells the kind of a statement, for the
// statistics (empty: none of this family; "skipped...": to be left as it is), and one rewrites it.
//
// A function is looked at as a whole before any of it is changed: an address that a call takes would make a local look
// shared.
#pragma once
#include "Gcc.h"
#include "Runtime.h"
#include <string>
#include <vector>

namespace castor {

/// `__atomic_*`, `__sync_*` and what GCC folds them into.
std::string atomicKind(gcall *call);
void rewriteAtomic(gcall *call);

/// rdtsc and the other builtins that make a value.
std::string intrinsicKind(gcall *call);
void rewriteIntrinsic(gcall *call);

/// Volatile accesses, and with `shared` all that other threads may see.
std::string accessKind(gimple *statement, bool shared);
void rewriteAccess(gimple *statement);

/// Whether an operand is memory, and whether an access of it is to be seen.
bool isMemory(tree operand);
bool isConcerned(tree operand, bool shared);

/// With `shared`: the C library's functions on memory, and structures that calls take or return by value.
std::string callKind(gcall *call, bool shared);
void rewriteCall(gcall *call);

/// Inline assembly. What is not recorded is warned of.
std::string assemblyKind(gasm *assembly);
void rewriteAssembly(gasm *assembly);

/// A local of this thread whose address is never taken.
bool isLocal(tree reference);

/// Puts a statement into a region. `address` and `written`, a reference, may be null.
void surround(gimple *statement, tree address, const std::vector<tree> &written);

/// Records a result of a statement behind it. `result` is where the statement names it.
void recordResult(gimple *statement, tree *result);

/// Replaces a call by what the sequence has computed.
void replaceCall(gcall *call, Sequence &sequence, tree result);

} // namespace castor
