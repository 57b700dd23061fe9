#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| soe_fuzz::structs::run(data));
