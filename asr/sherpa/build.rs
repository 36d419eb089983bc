//! Lets the worker, tests and examples find sherpa-onnx's libraries beside themselves, where its own
//! build script puts them. `LD_LIBRARY_PATH` goes before that: the server sets it to the installed ones.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN");
}
