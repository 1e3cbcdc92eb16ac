//! The bytes that all competitors work on.

/// Shards start on a line and not all in the same set of a cache, as the store lays them.
const LINE: usize = 64;
const STAGGER: usize = 192;

/// n shards of one code word a column, and room for m more.
pub(crate) struct Stripe {
    pub(crate) k: usize,
    pub(crate) m: usize,
    pub(crate) len: usize,
    arena: Vec<u8>,
    /// What the shards are when nothing is lost.
    sums: Vec<blake3::Hash>,
}

impl Stripe {
    /// The 251-byte ramp, and the parity that `reed-solomon-erasure` makes of it.
    pub(crate) fn new(k: usize, m: usize, len: usize) -> Stripe {
        let mut stripe = Stripe {
            k,
            m,
            len,
            arena: vec![0; (k + 2 * m) * stride(len) + LINE],
            sums: Vec::new(),
        };
        let (mut shards, _) = stripe.split();
        let mut ramp = (0..=250_u8).cycle();
        for shard in &mut shards[..k] {
            shard.fill_with(|| ramp.next().expect("it has no end"));
        }
        let oracle = reed_solomon_erasure_5::galois_8::ReedSolomon::new(k, m).expect("a small code");
        oracle.encode(&mut shards).expect("shards of one length");
        stripe.sums = shards.iter().map(|shard| blake3::hash(shard)).collect();
        stripe
    }

    /// The n shards, and the room for m.
    pub(crate) fn split(&mut self) -> (Vec<&mut [u8]>, Vec<&mut [u8]>) {
        let (n, len) = (self.k + self.m, self.len);
        let skip = self.arena.as_ptr().addr().wrapping_neg() % LINE;
        let all = &mut self.arena[skip..];
        let mut shards: Vec<&mut [u8]> = all
            .chunks_mut(stride(len))
            .take(n + self.m)
            .map(|all| &mut all[..len])
            .collect();
        let room = shards.split_off(n);
        (shards, room)
    }

    /// Whether these are the shards from `first` on.
    pub(crate) fn holds(sums: &[blake3::Hash], shards: &[&mut [u8]]) -> bool {
        sums.len() == shards.len() && sums.iter().zip(shards).all(|(sum, shard)| blake3::hash(shard) == *sum)
    }

    /// What the shards should be.
    pub(crate) fn sums(&self) -> Vec<blake3::Hash> {
        self.sums.clone()
    }
}

fn stride(len: usize) -> usize {
    len.next_multiple_of(LINE) + STAGGER
}
