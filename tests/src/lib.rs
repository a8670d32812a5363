//! Tests across the elements live in `tests/`.
