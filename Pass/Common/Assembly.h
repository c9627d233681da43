// What inline assembly does, read from its text. Knows neither LLVM nor GCC: both plugins use it.
//
// The rules are those of docs/INSTRUMENTATION.md. An instruction that is not in a table counts as deterministic on
// registers and as unknown on memory: a needless region costs time, a missing one loses the recording.
#pragma once
#include <string>
#include <string_view>

namespace castor {

/// How the text spells what the compiler chooses and fills in.
enum class AssemblyDialect {
    gcc, // {att|intel}, and %% %{ %| %} for the characters themselves
    llvm, // $(att$|intel$), and $$ for the character itself
    verbatim, // assembly of a whole file: nothing is filled in
};

/// What the instructions of a text have in common.
struct AssemblyText {
    bool anyInstruction = false;
    bool beyondHints = false; // more than pause, nop, fences
    bool beyondValues = false; // more than those and instructions that make a value
    bool makesValue = false; // the counter, the processor's identity, a random number
    bool locked = false; // a lock prefix
    bool namesMemory = false; // an address written out, or an instruction that implies one
    bool systemCall = false;
    bool leaves = false; // a call, a return or an indirect jump
};

AssemblyText readAssembly(std::string_view text, AssemblyDialect dialect);

/// What the compiler knows of the operands.
struct AssemblyOperands {
    bool memory = false;
    bool memoryClobber = false;
};

enum class AssemblyClass {
    none, // nothing to execute, or hints and fences
    pure, // registers only, the same on every run
    value, // its results are recorded
    memory, // a region, and its results are recorded
    systemCall, // the instruction plane's
    leaves, // control goes elsewhere: no region could be closed behind it
};

AssemblyClass classify(const AssemblyText &text, AssemblyOperands operands);

/// The class's name in statistics.
const char *nameOf(AssemblyClass assemblyClass);

} // namespace castor
