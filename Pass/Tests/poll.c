// options: poll
// straight:
// loop: volatile_load_4 poll
// nested: poll poll
int straight(int n) { return n * 2; }
void loop(volatile int *p) {
    while (!*p) {}
}
void other(int);
void nested(int n) {
    for (int i = 0; i < n; i++)
        for (int k = 0; k < i; k++) other(k);
}
