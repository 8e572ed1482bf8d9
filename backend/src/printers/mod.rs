//! kubectl's columns, words and ages; pure: (facts, now) → cells.
