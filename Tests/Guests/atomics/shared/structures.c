// Structures that are copied whole while others change them: assigned, cleared, passed and returned by value, by memcpy,
// memmove and memset of lengths that the compiler does not know, and strings.
#include "racing.h"

struct small {
    char tag;  // padding follows
    int value;
    short more;
};
struct big {
    struct small parts[7];
    uint64_t words[11];
    char odd[13];
};
static struct big one, two, *heap;
static struct small pair[2];
static char text[2][64];  // the last byte of each is never written
static unsigned char bytes[300];

static __attribute__((noinline)) uint64_t sum(struct big b, int at) { return b.words[at] + (uint64_t)b.parts[at % 7].value; }
static __attribute__((noinline)) struct big made(int self, int turn) {
    struct big b;
    memset(&b, self + turn, sizeof b);
    b.words[turn % 11] = (uint64_t)turn;
    return b;
}

static uint64_t strings(uint64_t seen, int self, int turn) {
    static const char *const words[] = {"a", "race", "of strings", "that are all of different lengths"};
    int at = (self + turn) & 1;
    strcpy(text[at], words[turn & 3]);
    if (turn % 3 == 0) strncpy(text[!at], words[self & 3], 40);
    seen = guest_hash(seen, strlen(text[!at]) + 100 * (unsigned)(strcmp(text[0], text[1]) > 0));
    const char *found = strchr(text[at], 'r');
    return guest_hash(seen, found ? (uint64_t)(found - text[at]) : 99);
}

static uint64_t spans(uint64_t seen, int self, int turn) {
    size_t from = (size_t)(turn * 7 + self) % 100, to = (size_t)(turn * 13) % 100, size = (size_t)(turn * 31) % 200;
    if (turn % 3 == 0) memmove(bytes + to, bytes + from, size);
    else if (turn % 3 == 1) memset(bytes + to, turn, size);
    else memcpy(bytes + from % 50, heap, 90 + size % 10);
    unsigned char own[200];
    memcpy(own, bytes + to, size);
    uint64_t equal = (uint64_t)(memcmp(bytes, bytes + from, size) == 0);
    return guest_hash_bytes(guest_hash(seen, equal), own, size);
}

static uint64_t work(int self) {
    uint64_t seen = GUEST_HASH_START;
    for (int i = 0; race_goes_on(i); i++) {
        struct big own = one;
        own.words[i % 11] += (uint64_t)self;
        if (i % 2) one = own;
        else two = one;
        if (i % 7 == 0) *heap = made(self, i);
        if (i % 11 == 0) two = (struct big){0};
        struct small s = {.tag = (char)i, .value = self};
        pair[i & 1] = s;
        pair[0] = pair[1];
        seen = guest_hash(seen, sum(two, i % 11) ^ sum(*heap, (i + 3) % 11));
        seen = guest_hash(seen, (uint64_t)pair[0].value * 256 + (unsigned char)pair[0].tag);
        seen = strings(seen, self, i);
        seen = spans(seen, self, i);
    }
    return seen;
}

int main(int count, char **arguments) {
    race_begin(count, arguments, 400);
    heap = calloc(1, sizeof *heap);
    CHECK(heap);
    race_run("structures", work);
    SHOW_MEMORY("one", one);
    SHOW_MEMORY("two", two);
    SHOW_MEMORY("heap", *heap);
    SHOW_MEMORY("text", text);
    SHOW_MEMORY("bytes", bytes);
    return 0;
}
