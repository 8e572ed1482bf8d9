//! Work on many blocks, split over the machine's cores.

/// Blocks that are worth a thread: to start one costs less than a tenth of making the values of so many.
const WORTH: usize = 64;

/// `work` done to every item, in order.
pub(super) fn spread<I: Send, O: Send>(mut items: Vec<I>, work: impl Fn(I) -> O + Sync) -> Vec<O> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let part = items.len().div_ceil(cores).max(WORTH);
    let mut parts = Vec::new();
    while items.len() > part {
        parts.push(items.split_off(items.len() - part));
    }
    let work = &work;
    let all = move |items: Vec<I>| items.into_iter().map(work).collect::<Vec<O>>();
    std::thread::scope(|scope| {
        let helpers: Vec<_> = parts.into_iter().rev().map(|items| scope.spawn(move || all(items))).collect();
        let mut done = all(items);
        for helper in helpers {
            match helper.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    })
}
