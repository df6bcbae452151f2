//! The window: what the Slint compiler makes of `ui/*.slint`, nothing else.
//!
//! One global per view (`MosaicVm`, `TableVm`, …) holds what is shown and the callbacks of what is done;
//! there is no logic in the `.slint` files. See the desktop part of the `ascan` package for who fills them.

#![allow(missing_docs, unused_qualifications, reason = "generated code")]

slint::include_modules!();
