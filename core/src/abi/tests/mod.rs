//! The boundary against plugins that break the contract: each a sentence. Run under Miri or Valgrind too, these tests
//! show that nothing is read that is not there: every table lies in memory of just the bytes that it says it has.

mod replies;
mod states;
mod tables;
mod toy;
