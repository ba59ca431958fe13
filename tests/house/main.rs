//! What the repository promises about itself, told from its files: no story is run here, so it is quick.
//! `IRSYNC_BLESS=1 cargo test --test house` writes anew whatever is made of what the program knows.

/// ARCHITECTURE.md and CONTRIBUTING.md name only what exists.
mod architecture;
/// Every command line in README and docs is executed by a test or says why not.
mod commands;
/// Shell completions are made of the command line, and the shells complete with them.
mod completions;
/// The sample INI and the table of keys in docs/configuration.md are made of the key table.
mod documents;
/// A room of `src` imports only from lower floors, and a few words belong to a few files.
mod layers;
/// The man pages are made of what the program knows.
mod man;
