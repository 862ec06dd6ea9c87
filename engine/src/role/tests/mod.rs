//! Tests of the role layer.
