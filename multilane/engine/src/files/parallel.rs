//! Many small looks at the disk, on all processors.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// `f` of each item, in order, on as many threads as there are processors.
pub fn in_parallel<T: Sync, R: Send>(items: &[T], f: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let results: Mutex<Vec<Option<R>>> = Mutex::new(items.iter().map(|_| None).collect());
    for_each(items.len(), &|at| {
        let result = f(&items[at]);
        results.lock().expect("nothing panics with it")[at] = Some(result);
    });
    let results = results.into_inner().expect("nothing panics with it");
    results.into_iter().map(|result| result.expect("each has one")).collect()
}

/// Not generic: threads are a tenth of the code that is generated for this crate if each kind of
/// item has its own.
fn for_each(count: usize, work: &(dyn Fn(usize) + Sync)) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(count.max(1));
    let next = AtomicUsize::new(0);
    let all = || {
        loop {
            match next.fetch_add(1, Ordering::Relaxed) {
                at if at < count => work(at),
                _ => return,
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(all);
        }
    });
}
