//! Where the stores of this process live: a runtime that outlasts the single test, so that a store can stop in order when
//! its test is over.

use std::future::Future;
use std::sync::LazyLock;

use tokio::runtime::Runtime;

static STORES: LazyLock<Runtime> = LazyLock::new(|| {
    let builder = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("store")
        .enable_all()
        .build();
    builder.unwrap()
});

/// Runs a future among the stores and waits for it.
pub(crate) async fn run<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    STORES.spawn(work).await.unwrap()
}

/// The same where nothing can be awaited.
pub(crate) fn block_on<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    // A thread of its own, because that of the caller may be driving a runtime.
    std::thread::spawn(|| STORES.block_on(work)).join().unwrap()
}

/// Runs a future among the stores for as long as it takes.
pub(crate) fn spawn(work: impl Future<Output = ()> + Send + 'static) {
    STORES.spawn(work);
}
