//! sherpa-onnx with the models beside this folder, which are self-made: see `training/README.md`.

#[path = "../../../tests/contract/mod.rs"]
mod contract;
mod engines;
mod fixtures;
mod phrases;
