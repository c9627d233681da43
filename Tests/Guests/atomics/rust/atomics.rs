// Rust's atomics, from code that the compiler sees whole. The locks, channels and once cells of the standard library are not
// here: their slow paths come compiled, without a call of castor's, and neither does the compiler tell of fetch_max and
// fetch_min (see README, limits). Prints a hash of what each thread saw.
use std::sync::atomic::*;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

const START: u64 = 14695981039346656037;

fn hash(hash: u64, word: u64) -> u64 {
    let hash = (hash ^ word).wrapping_mul(1099511628211);
    hash ^ hash >> 29
}

#[derive(Default)]
struct Numbers {
    byte: AtomicU8,
    short: AtomicI16,
    int: AtomicU32,
    long: AtomicU64,
    size: AtomicUsize,
    flag: AtomicBool,
    taken: AtomicBool,
    order: AtomicU64,
    arrived: AtomicUsize,
}

fn atomics(numbers: &Numbers, own: u64, turn: u64, mut seen: u64) -> u64 {
    let mut saw = |value: u64| seen = hash(seen, value);
    saw(numbers.byte.fetch_add(1, Ordering::Relaxed) as u64);
    saw(numbers.short.fetch_xor((own * 31 + turn) as i16, Ordering::AcqRel) as u64);
    saw(numbers.int.fetch_sub(1, Ordering::Release) as u64);
    saw(numbers.long.swap(own << 32 | turn, Ordering::SeqCst));
    saw(numbers.flag.fetch_nand(turn % 3 > 0, Ordering::AcqRel) as u64);
    let mut old = numbers.size.load(Ordering::Acquire);
    while let Err(other) =
        numbers.size.compare_exchange_weak(old, old + 1, Ordering::AcqRel, Ordering::Relaxed)
    {
        old = other;
    }
    saw(old as u64);
    seen
}

/// A lock by hand, around what is no atomic operation as a whole.
fn hold(numbers: &Numbers, own: u64) {
    while numbers.taken.swap(true, Ordering::Acquire) {
        thread::yield_now();
    }
    let order = numbers.order.load(Ordering::Relaxed);
    numbers.order.store(hash(order, own), Ordering::Relaxed);
    numbers.taken.store(false, Ordering::Release);
}

fn work(numbers: &Numbers, own: usize, turns: u64, threads: usize) -> u64 {
    let mut seen = START;
    numbers.arrived.fetch_add(1, Ordering::AcqRel);
    while numbers.arrived.load(Ordering::Acquire) < threads {
        thread::yield_now();
    }
    for turn in 0..turns {
        seen = atomics(numbers, own as u64, turn, seen);
        hold(numbers, own as u64);
    }
    seen
}

/// Runs all threads to their ends.
fn run(threads: usize, turns: u64) -> (Arc<Numbers>, Vec<u64>) {
    let numbers = Arc::new(Numbers::default());
    let running: Vec<_> = (0..threads)
        .map(|own| {
            let numbers = numbers.clone();
            thread::spawn(move || work(&numbers, own, turns, threads))
        })
        .collect();
    let results = running.into_iter().map(|thread| thread.join().unwrap()).collect();
    (numbers, results)
}

fn main() {
    let argument = |index: usize, otherwise: usize| {
        std::env::args().nth(index).map_or(otherwise, |text| text.parse().expect("a number"))
    };
    let threads = argument(1, 4);
    let turns = argument(2, 8000 / threads) as u64;
    let started = Instant::now();
    run(1, 1); // what the standard library makes at its first thread, with atomics of its own
    let (numbers, results) = run(threads, turns);
    for (own, result) in results.iter().enumerate() {
        println!("thread {own} {result:016x}");
    }
    assert_eq!(numbers.size.load(Ordering::SeqCst), threads * turns as usize);
    println!("order {:016x} after {:?}", numbers.order.load(Ordering::SeqCst), started.elapsed());
}
