//! Compiles the module anew when its migrations change.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations/user");
}
