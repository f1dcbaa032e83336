//! The edge.

use super::support::Store;

#[tokio::test]
async fn it_starts() {
    let store = Store::start().await;
    store.customer().await.get("/me").await.expect(200);
    store.admin().await.get("/me").await.expect(200);
}
