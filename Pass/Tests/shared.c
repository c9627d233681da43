// options: order=shared
// load: volatile_load_4
// store: volatile_store_8
// local:
// constant:
// copy: region_begin region_output region_end
int shared;
static const int table[4] = {4, 3, 2, 1};
struct big {
    int x[20];
} from, to;

int load(void) { return shared; }
void store(long *p) { *p = 1; }
int local(int n) {
    int values[3] = {n, n + 1, n + 2};
    return values[0] * values[1];
}
int constant(unsigned n) { return table[n & 3]; }
void copy(void) { to = from; }
