#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| irsync::fuzz_api::config(data));
