// C++: containers whose elements race while their shape stays, objects whose kind changes under a virtual call, functions
// that are exchanged under a call, and a cache that everybody fills with the same values.
#include "racing.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace {

struct Shape {
    uint64_t size = 1;
    virtual ~Shape() = default;
    virtual uint64_t area() const = 0;
};
struct Square : Shape {
    uint64_t area() const override { return size * size; }
};
struct Line : Shape {
    uint64_t area() const override { return size; }
};

uint64_t twice(uint64_t n) { return 2 * n; }
uint64_t next(uint64_t n) { return n + 1; }

struct Row {
    std::array<int, 9> cells{};
    std::pair<char, double> mark{};
    std::optional<uint64_t> last;
};

std::vector<uint64_t> numbers(50);
std::vector<Row> rows(4);
std::vector<bool> flags(200);
std::string words = "what is here changes, but never how long it is; so that reading it is always possible";
std::map<int, uint64_t> table;
Square square;
Line line;
Shape *shape = &square;
uint64_t (*function)(uint64_t) = twice;
uint64_t cached;

uint64_t readWords(uint64_t seen) {
    std::string copy = words;
    seen = guest_hash(seen, words.find("ch") + 100 * words.rfind('s'));
    seen = guest_hash(seen, words.compare(0, 20, copy, 5, 20) < 0);
    return guest_hash_bytes(seen, copy.data(), copy.size());
}

uint64_t work(int self) {
    uint64_t seen = GUEST_HASH_START;
    for (int i = 0; race_goes_on(i); i++) {
        numbers[i % 50] += numbers[(i * 7) % 50] + self;
        std::vector<uint64_t> copy = numbers;
        std::sort(copy.begin(), copy.end());
        seen = guest_hash(seen, copy[25] ^ copy[49]);
        Row &row = rows[i % 4];
        row.cells[i % 9] += self + 1;
        row.mark = {char(i), row.mark.second * 0.5 + self};
        row.last = row.last ? std::optional<uint64_t>() : std::optional<uint64_t>(i);
        if (i % 5 == 0) rows[(i + 1) % 4] = row;
        seen = guest_hash(seen, row.last.value_or(77) + uint64_t(row.cells[3]));
        flags[i % 200] = !flags[(i * 3) % 200];
        seen = guest_hash(seen, uint64_t(std::count(flags.begin(), flags.end(), true)));
        std::swap(words[i % words.size()], words[(i * 5) % words.size()]);
        seen = readWords(seen);
        for (auto &entry : table) seen = guest_hash(seen, entry.second += uint64_t(entry.first));
        if (i % 3 == 0) shape = shape == &square ? static_cast<Shape *>(&line) : &square;
        shape->size += 1;
        function = i % 2 ? twice : next;
        seen = guest_hash(seen, shape->area() + function(shape->size));
        if (cached == 0) cached = guest_hash(3, 4);
        seen = guest_hash(seen, cached);
        if (i % 30 == 0) cached = 0;
    }
    return seen;
}

} // namespace

int main(int count, char **arguments) {
    race_begin(count, arguments, 200);
    for (int i = 0; i < 12; i++) table[i * i] = uint64_t(i);
    race_run("containers", work);
    SHOW_MEMORY("words", words[0]);
    printf("numbers %016llx\n", (unsigned long long)unseen_hash(numbers.data(), numbers.size() * sizeof numbers[0]));
    printf("words %s\n", words.c_str());
}
