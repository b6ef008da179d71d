//! Errors are enums and structs.

#[derive(kiq::JobError)]
union Bits {
    a: u32,
    b: f32,
}

fn main() {}
