#include "Assembly.h"
#include <algorithm>
#include <array>
#include <cctype>

namespace castor {
namespace {

using Text = std::string_view;

template <size_t count> bool oneOf(Text word, const std::array<Text, count> &words) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

bool begins(Text word, Text prefix) { return word.substr(0, prefix.size()) == prefix; }

constexpr std::array<Text, 17> prefixes{"rep", "repe", "repz", "repne", "repnz", "data16", "data32", "addr32", "rex",
                                        "rex64", "rex.w", "cs", "ds", "es", "ss", "notrack", "bnd"};
constexpr std::array<Text, 13> hints{"pause", "lfence", "mfence", "sfence", "endbr64", "endbr32", "serialize",
                                     "clflush", "clflushopt", "clwb", "cldemote", "ud2", "int3"};
constexpr std::array<Text, 17> values{"rdtsc", "rdtscp", "rdpmc", "rdpid", "rdpru", "rdpkru", "cpuid", "xgetbv",
                                      "xtest", "sgdt", "sidt", "sldt", "str", "smsw", "lsl", "lar", "xbegin"};
constexpr std::array<Text, 2> valueFamilies{"rdrand", "rdseed"};
// Their addresses are in registers that the text need not name.
constexpr std::array<Text, 21> stringInstructions{"movsb", "movsw", "movsl", "movsq", "stosb", "stosw", "stosl",
                                                  "stosq", "stosd", "lodsb", "lodsw", "lodsl", "lodsq", "lodsd",
                                                  "scasb", "scasw", "scasl", "scasq", "cmpsb", "cmpsw", "cmpsq"};
constexpr std::array<Text, 15> dataDirectives{".byte", ".word", ".short", ".value", ".long", ".int", ".quad", ".octa",
                                              ".2byte", ".4byte", ".8byte", ".ascii", ".asciz", ".insn", ".incbin"};

bool blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

Text trimmed(Text text) {
    while (!text.empty() && blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && blank(text.back())) text.remove_suffix(1);
    return text;
}

/// Takes the first word off the text.
Text takeWord(Text &text) {
    size_t end = 0;
    while (end < text.size() && !blank(text[end])) end++;
    const Text word = text.substr(0, end);
    text = trimmed(text.substr(end));
    return word;
}

/// The mark of a group of alternatives at the place, as '{', '|' or '}', or 0.
char groupMark(Text text, size_t at, AssemblyDialect dialect) {
    const Text spellings = dialect == AssemblyDialect::gcc ? "{|}" : "(|)";
    if (dialect == AssemblyDialect::llvm && (text[at] != '$' || ++at == text.size())) return 0;
    const size_t which = spellings.find(text[at]);
    return which == Text::npos ? 0 : "{|}"[which];
}

/// The text with the first of each group of alternatives only, and with its escaped characters themselves.
std::string firstAlternatives(Text text, AssemblyDialect dialect) {
    const char escape = dialect == AssemblyDialect::gcc ? '%' : '$';
    std::string result;
    bool inGroup = false, dropping = false;
    for (size_t i = 0; i < text.size(); i++) {
        const char mark = groupMark(text, i, dialect);
        if (mark == '{' || (mark && inGroup)) {
            inGroup = mark != '}';
            dropping = mark == '|';
            i += dialect == AssemblyDialect::llvm;
            continue;
        }
        const bool pair = text[i] == escape && i + 1 < text.size();
        const bool itself = pair && text[i + 1] == escape;
        if (!dropping) result += text.substr(i + itself, 1 + (pair && !itself));
        i += pair;
    }
    return result;
}

/// The text in lower case and without comments.
std::string withoutComments(Text text) {
    std::string result;
    bool quoted = false;
    for (size_t i = 0; i < text.size(); i++) {
        if (text[i] == '"') quoted = !quoted;
        const bool line = !quoted && text[i] == '#', block = !quoted && text.substr(i, 2) == "/*";
        if (line || block) {
            const size_t end = line ? text.find('\n', i) : text.find("*/", i + 2);
            if (end == Text::npos) break;
            i = line ? end : end + 1;
            result += line ? '\n' : ' ';
            continue;
        }
        result += static_cast<char>(std::tolower(static_cast<unsigned char>(text[i])));
    }
    return result;
}

/// One pass over the statements.
class Reader {
public:
    AssemblyText result;

    void statement(Text text) {
        text = trimmed(text);
        for (size_t colon; (colon = text.find(':')) != Text::npos && isLabel(text.substr(0, colon));)
            text = trimmed(text.substr(colon + 1));
        Text operands = text;
        Text word = takeWord(operands);
        while (word == "lock" || oneOf(word, prefixes)) {
            if (word == "lock") locked();
            word = takeWord(operands);
        }
        if (word.empty() || begins(operands, "=")) return;
        if (word.front() == '.') directive(word, operands);
        else if (!elsewhere) instruction(word, operands);
    }

private:
    bool elsewhere = false; // in a section that is not executed

    static bool isLabel(Text name) {
        return std::none_of(name.begin(), name.end(),
                            [](char c) { return blank(c) || c == '(' || c == ',' || c == '"'; });
    }

    void locked() {
        result.anyInstruction = result.beyondHints = result.beyondValues = result.locked = true;
    }

    void directive(Text word, Text operands) {
        if (word == ".pushsection" || word == ".section") elsewhere = !begins(operands, ".text");
        else if (word == ".popsection" || word == ".previous" || word == ".text") elsewhere = false;
        else if (word == ".data" || word == ".bss") elsewhere = true;
        // An instruction that the assembler does not know, most often an early xgetbv or rdrand.
        else if (!elsewhere && oneOf(word, dataDirectives))
            result.anyInstruction = result.beyondHints = result.makesValue = true;
    }

    void instruction(Text word, Text operands) {
        result.anyInstruction = true;
        if (oneOf(word, hints) || begins(word, "nop") || begins(word, "prefetch")) return;
        result.beyondHints = true;
        if (word == "syscall" || word == "sysenter" || (word == "int" && operands == "$0x80")) result.systemCall = true;
        if (begins(word, "call") || begins(word, "ret") || begins(word, "iret") ||
            (begins(word, "jmp") && begins(operands, "*")))
            result.leaves = true;
        const auto begun = [word](Text family) { return begins(word, family); };
        if (oneOf(word, values) || std::any_of(valueFamilies.begin(), valueFamilies.end(), begun))
            result.makesValue = true;
        else
            result.beyondValues = true;
        if (oneOf(word, stringInstructions) || (!begins(word, "lea") && operands.find_first_of("([") != Text::npos))
            result.namesMemory = true;
    }
};

} // namespace

AssemblyText readAssembly(std::string_view text, AssemblyDialect dialect) {
    const bool verbatim = dialect == AssemblyDialect::verbatim;
    const std::string lines = withoutComments(verbatim ? std::string(text) : firstAlternatives(text, dialect));
    Reader reader;
    for (size_t start = 0; start <= lines.size();) {
        const size_t end = std::min(lines.find_first_of(";\n", start), lines.size());
        reader.statement(Text(lines).substr(start, end - start));
        start = end + 1;
    }
    return reader.result;
}

AssemblyClass classify(const AssemblyText &text, AssemblyOperands operands) {
    if (!text.beyondHints) return AssemblyClass::none;
    if (text.leaves) return AssemblyClass::leaves;
    if (text.systemCall) return AssemblyClass::systemCall;
    // Beside instructions that touch no memory, the clobber is but a barrier for the compiler.
    if (text.locked || text.namesMemory || operands.memory || (operands.memoryClobber && text.beyondValues))
        return AssemblyClass::memory;
    return text.makesValue ? AssemblyClass::value : AssemblyClass::pure;
}

const char *nameOf(AssemblyClass assemblyClass) {
    switch (assemblyClass) {
    case AssemblyClass::none: return "assembly.none";
    case AssemblyClass::pure: return "assembly.pure";
    case AssemblyClass::value: return "assembly.value";
    case AssemblyClass::memory: return "assembly.memory";
    case AssemblyClass::systemCall: return "assembly.syscall";
    case AssemblyClass::leaves: return "assembly.leaves";
    }
    return "assembly";
}

} // namespace castor
