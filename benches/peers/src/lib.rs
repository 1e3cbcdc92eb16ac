//! The codec of RAIC by itself: the same source, none of the rest of the program. So it is built in seconds, for a bench and
//! for other targets.

#[path = "../../../src/codec/mod.rs"]
pub mod codec;

#[cfg(test)]
mod tests {
    use super::codec::kernel::{Kernel, VARIABLE};

    #[test]
    fn the_kernel_in_use_is_the_one_asked_for_if_the_cpu_has_it() {
        let asked = std::env::var(VARIABLE).ok();
        let (taken, available) = (Kernel::chosen(), Kernel::available());
        println!("asked for {asked:?}, in use: {}", taken.name());
        let named = available.iter().find(|kernel| asked.as_deref() == Some(kernel.name()));
        assert_eq!(taken, *named.unwrap_or(&available[0]));
    }
}
