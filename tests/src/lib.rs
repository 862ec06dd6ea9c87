//! Whole-system tests and benchmarks of Cuecard; the library part is empty on purpose.
