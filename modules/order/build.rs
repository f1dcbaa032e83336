//! Cargo does not notice new migration folders by itself, because `embed_migrations!` reads them behind its back.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations/order");
    println!("cargo:rerun-if-changed=../../migrations/sandbox");
}
