/// The table of the symbol plane, expanded from castor_symbols.def.
#include "ctsx.h"

#define SYMBOL(number, name, note) [number] = {#name, note},
static const struct { const char *name, *note; } rows[] = {
#include "castor_symbols.def"
};
uint32_t castor_symbol_count(void) { return sizeof rows / sizeof *rows; }
const char *castor_symbol_name(uint32_t number) { return number < castor_symbol_count() ? rows[number].name : 0; }
const char *castor_symbol_note(uint32_t number) { return number < castor_symbol_count() ? rows[number].note : 0; }
