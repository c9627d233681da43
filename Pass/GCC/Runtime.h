// Building blocks of the GCC plugin: calls of the runtime's functions (docs/INSTRUMENTATION.md) in front of or behind a
// statement, and the conversions that they need.
#pragma once
#include "Gcc.h"
#include <initializer_list>
#include <string>

namespace castor {

enum Sides : unsigned { fromShared = 1, toShared = 2 };

/// Builds statements one behind the other; nothing is inserted before one of `insertBefore`,
/// `insertBehind` and `insertOn`.
class Sequence {
public:
    explicit Sequence(location_t location) : location(location) {}

    /// Calls a function; its result, if `result` is not void.
    tree call(const std::string &name, tree result, std::initializer_list<tree> arguments);
    /// The function of a size: `__castor_NAME_BYTES`.
    tree call(const std::string &name, unsigned bytes, tree result, std::initializer_list<tree> arguments);

    /// The value as another type: of the same size bit by bit, of another size widened or cut.
    tree convert(tree value, tree type);
    tree compute(tree_code code, tree type, tree first, tree second);
    tree choose(tree condition, tree ifTrue, tree ifFalse);
    tree addressOf(tree reference);
    /// __castor_copy. `size` in bytes; `sides` are those that other threads may see.
    void copy(tree to, tree from, tree size, unsigned sides);
    /// What passes through `__castor_value`.
    tree recorded(tree value);
    void assign(tree target, tree value);
    void add(gimple *statement);

    void insertBefore(gimple_stmt_iterator *place);
    /// Leaves the place at the last of the statements.
    void insertBehind(gimple_stmt_iterator *place);
    /// The edge's insertions are to be committed.
    void insertOn(edge place);

private:
    location_t location;
    gimple_seq statements = nullptr;

    tree named(tree value); // a value that a statement can hold
};

/// Keeps the declarations of the functions alive; called once.
void registerRoots(const char *plugin);

/// The unsigned integer of a size.
tree unsignedOf(unsigned bytes);

/// The bytes of the runtime's function for a type, or 0 where there is none.
unsigned callSize(tree type);

/// Whether the program itself takes a variable's address, not only `Sequence::addressOf` since the last call of the other.
bool isAddressTaken(tree variable);
void forgetAddresses();

/// The bytes of memory that values of a type fill, as an argument of 64 bits.
tree sizeOf(tree type);

/// A function of castor's in the place of another, of the same type.
tree replacementOf(const std::string &name, tree function);

/// Whether the type's values can go through `__castor_value`.
bool isRecordable(tree type);

} // namespace castor
