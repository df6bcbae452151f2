//! Which states may be called by several threads at once.

use crate::abi::foreign_backend::ForeignBackend;
use crate::abi::state::State;
use crate::abi::trainer::ForeignTrainer;
use crate::abi::{
    AscanAttributorTable, AscanBackendTable, AscanProjectorTable, AscanRegularizerTable, AscanRuntimeTable,
    AscanSlicerTable, AscanTrainerTable,
};

/// `$type` moves between threads, but two of them cannot have it at once: of a type that is `Sync` both implementations
/// would fit, and this would not compile.
macro_rules! one_thread_at_a_time {
    ($($type:ty),+) => {$({
        trait Ambiguous<A> {
            fn here() {}
        }
        impl<T: ?Sized> Ambiguous<()> for T {}
        impl<T: ?Sized + Sync> Ambiguous<u8> for T {}
        <$type as Ambiguous<_>>::here();
        moves::<$type>();
    })+};
}

fn moves<T: Send>() {}
fn shared<T: Send + Sync>() {}

#[test]
fn types_say_how_many_threads_may_call_a_state() {
    one_thread_at_a_time!(
        State<AscanBackendTable>,
        State<AscanTrainerTable>,
        State<AscanRegularizerTable>,
        ForeignBackend,
        ForeignTrainer,
        crate::abi::host::ForeignRegularizer
    );
    shared::<State<AscanRuntimeTable>>();
    shared::<State<AscanAttributorTable>>();
    shared::<State<AscanSlicerTable>>();
    shared::<State<AscanProjectorTable>>();
}
