// flags: -mcx16
// load: load_16
// exchange: exchange_16
// compareExchange: compare_exchange_16
typedef unsigned __int128 wide;

wide load(wide *p) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }
wide exchange(wide *p, wide value) { return __atomic_exchange_n(p, value, __ATOMIC_SEQ_CST); }
wide compareExchange(wide *p, wide expected, wide value) {
    return __sync_val_compare_and_swap(p, expected, value);
}
