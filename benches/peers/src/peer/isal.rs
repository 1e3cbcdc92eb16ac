//! ISA-L, if it is installed (Debian: `libisal2`), with the matrix of `reed-solomon-erasure`.
#![expect(unsafe_code, reason = "calls into a C library")]

use std::ffi::{c_int, c_uchar};

use libloading::Library;
use reed_solomon_erasure_5::galois_8::ReedSolomon;

use super::Peer;

type InitTables = unsafe extern "C" fn(c_int, c_int, *const c_uchar, *mut c_uchar);
type Encode = unsafe extern "C" fn(c_int, c_int, c_int, *const c_uchar, *const *const c_uchar, *const *mut c_uchar);

pub(crate) struct Isal {
    k: usize,
    m: usize,
    init_tables: InitTables,
    encode: Encode,
    parity: Vec<u8>,
    /// What the functions are in.
    _library: Library,
}

pub(crate) fn kernel() -> String {
    let Some(library) = load() else {
        return "not installed".to_owned();
    };
    // 2.31 brought GFNI, and this name.
    // SAFETY: the symbol is only looked for.
    let newer = unsafe { library.get::<*const ()>(b"ec_encode_data_avx512_gfni\0") }.is_ok();
    let which = if newer {
        "2.31 or newer"
    } else {
        "up to 2.30: AVX-512 shuffles on this kind of CPU, by its source"
    };
    format!("libisal.so.2, {which}")
}

fn load() -> Option<Library> {
    // SAFETY: ISA-L has no code that runs when it is loaded, beyond the C library's.
    unsafe { Library::new("libisal.so.2") }.ok()
}

impl Isal {
    pub(crate) fn new(k: usize, m: usize) -> Option<Isal> {
        let library = load()?;
        // SAFETY: the types are those of `isa-l/erasure_code.h`, the same since 2.14.
        let (init_tables, encode) = unsafe {
            (
                *library.get::<InitTables>(b"ec_init_tables\0").ok()?,
                *library.get::<Encode>(b"ec_encode_data\0").ok()?,
            )
        };
        let mut isal = Isal {
            k,
            m,
            init_tables,
            encode,
            parity: Vec::new(),
            _library: library,
        };
        isal.parity = isal.tables(&rows(k, m, &[]));
        Some(isal)
    }

    /// The look-up tables of these rows, m of k factors.
    fn tables(&self, rows: &[u8]) -> Vec<u8> {
        assert_eq!(rows.len(), self.m * self.k, "m rows of k factors");
        let mut tables = vec![0; 32 * rows.len()];
        // SAFETY: it reads m · k factors and writes 32 bytes for each.
        unsafe { (self.init_tables)(number(self.k), number(self.m), rows.as_ptr(), tables.as_mut_ptr()) };
        tables
    }

    fn apply(&self, tables: &[u8], from: &[&[u8]], to: &mut [&mut [u8]], times: usize) {
        let len = from[0].len();
        assert!(from.len() == self.k && to.len() == self.m && tables.len() == 32 * self.m * self.k);
        assert!(from.iter().all(|shard| shard.len() == len) && to.iter().all(|shard| shard.len() == len));
        let inputs: Vec<*const u8> = from.iter().map(|shard| shard.as_ptr()).collect();
        let outputs: Vec<*mut u8> = to.iter_mut().map(|shard| shard.as_mut_ptr()).collect();
        for _ in 0..times {
            // SAFETY: the tables are of m rows of k factors; there are k inputs and m outputs of `len` bytes.
            unsafe {
                let (len, k, m) = (number(len), number(self.k), number(self.m));
                (self.encode)(len, k, m, tables.as_ptr(), inputs.as_ptr(), outputs.as_ptr());
            }
        }
    }
}

impl Peer for Isal {
    fn name(&self) -> String {
        "ISA-L".to_owned()
    }

    fn encode(&mut self, data: &[&[u8]], parity: &mut [&mut [u8]], times: usize) {
        self.apply(&self.parity, data, parity, times);
    }

    fn rebuild(&mut self, shards: &mut [&mut [u8]], times: usize) {
        let (lost, left) = shards.split_at_mut(self.m);
        let names: Vec<usize> = (0..self.m).collect();
        let tables = self.tables(&rows(self.k, self.m, &names));
        let left: Vec<&[u8]> = left.iter().map(|shard| &**shard).collect();
        self.apply(&tables, &left, lost, times);
    }

    fn verify(&mut self, _: &[&[u8]], _: usize) -> Option<bool> {
        None
    }
}

/// The factors that make the `lost` shards from the first k others, or without any the parity: what the code makes of the k unit
/// vectors.
fn rows(k: usize, m: usize, lost: &[usize]) -> Vec<u8> {
    let code = ReedSolomon::new(k, m).expect("a small code");
    let mut shards: Vec<Option<Vec<u8>>> = vec![None; k + m];
    let left = (0..k + m).filter(|shard| !lost.contains(shard)).take(k);
    for (place, shard) in left.enumerate() {
        shards[shard] = Some((0..k).map(|byte| u8::from(byte == place)).collect());
    }
    code.reconstruct(&mut shards).expect("k shards are there");
    let made = if lost.is_empty() {
        (k..k + m).collect()
    } else {
        lost.to_vec()
    };
    made.into_iter()
        .flat_map(|shard| shards[shard].clone().expect("it was made"))
        .collect()
}

fn number(of: usize) -> c_int {
    c_int::try_from(of).expect("at most 16 MiB")
}
