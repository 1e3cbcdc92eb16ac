//! One cell of the tables: one operation of one code at one length, by all who can do it.

use crate::limit::Limit;
use crate::peer::{self, Peer};
use crate::stripe::Stripe;
use crate::timing::{Series, calls, time};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// k shards to m more.
    Encode,
    /// The first m shards from the others.
    Rebuild,
    /// Whether all belong together.
    Verify,
}

impl Op {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Op::Encode => "encode",
            Op::Rebuild => "reconstruct",
            Op::Verify => "verify",
        }
    }

    /// Where it is asked for.
    pub(crate) fn lengths(self) -> &'static [usize] {
        match self {
            Op::Encode => &[4 << 10, 64 << 10, 1 << 20, 16 << 20],
            Op::Rebuild | Op::Verify => &[4 << 10, 64 << 10, 1 << 20],
        }
    }
}

/// What came out.
pub(crate) struct Cell {
    pub(crate) op: Op,
    pub(crate) k: usize,
    pub(crate) m: usize,
    pub(crate) len: usize,
    /// Who, and how long a call took.
    pub(crate) series: Vec<(String, Series)>,
}

impl Cell {
    /// The rounds of one competitor.
    pub(crate) fn of(&self, name: &str) -> Option<&Series> {
        self.series
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, series)| series)
    }

    /// Bytes of payload a call.
    pub(crate) fn payload(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "below 2^52")]
        let bytes = (self.k * self.len) as f64;
        bytes
    }
}

/// `encode/10+4/64K`
pub(crate) fn name(op: Op, k: usize, m: usize, len: usize) -> String {
    format!("{}/{k}+{m}/{}", op.name(), size(len))
}

/// `64K`
pub(crate) fn size(len: usize) -> String {
    if len < 1 << 20 {
        format!("{}K", len >> 10)
    } else {
        format!("{}M", len >> 20)
    }
}

enum Competitor {
    Peer(Box<dyn Peer>),
    Limit(Limit),
}

impl Competitor {
    fn name(&self) -> String {
        match self {
            Competitor::Peer(peer) => peer.name(),
            Competitor::Limit(limit) => limit.name().to_owned(),
        }
    }

    /// Does it so many times; false if it can't.
    fn run(&mut self, op: Op, stripe: &mut Stripe, times: usize) -> bool {
        let peer = match self {
            Competitor::Limit(limit) => {
                limit.run(stripe, times);
                return true;
            }
            Competitor::Peer(peer) => peer,
        };
        let k = stripe.k;
        let (mut shards, mut room) = stripe.split();
        match op {
            Op::Encode => {
                let data: Vec<&[u8]> = shards[..k].iter().map(|shard| &**shard).collect();
                peer.encode(&data, &mut room, times);
                true
            }
            Op::Rebuild => {
                peer.rebuild(&mut shards, times);
                true
            }
            Op::Verify => {
                let shards: Vec<&[u8]> = shards.iter().map(|shard| &**shard).collect();
                peer.verify(&shards, times).is_some()
            }
        }
    }
}

/// Runs one cell: answers first, then the rounds, each beginning with another competitor.
pub(crate) fn measure(op: Op, k: usize, m: usize, len: usize, rounds: usize, kernels: bool) -> Cell {
    let mut stripe = Stripe::new(k, m, len);
    let peers = peer::all(k, m, len, kernels).into_iter().map(Competitor::Peer);
    let limits = Limit::all(op).into_iter().map(Competitor::Limit);
    let mut competitors: Vec<Competitor> = peers.chain(limits).collect();
    competitors.retain_mut(|competitor| competitor.run(op, &mut stripe, 1));
    for competitor in &mut competitors {
        if let Competitor::Peer(peer) = competitor {
            check(op, &mut **peer, &mut stripe);
        }
    }
    let times: Vec<usize> = competitors
        .iter_mut()
        .map(|one| {
            calls(&mut |times| {
                one.run(op, &mut stripe, times);
            })
        })
        .collect();
    let mut series = vec![Series::default(); competitors.len()];
    for round in 0..rounds {
        for turn in 0..competitors.len() {
            let turn = (round + turn) % competitors.len();
            let competitor = &mut competitors[turn];
            series[turn].push(time(times[turn], &mut |times| {
                competitor.run(op, &mut stripe, times);
            }));
        }
    }
    let names = competitors.iter().map(Competitor::name);
    Cell {
        op,
        k,
        m,
        len,
        series: names.zip(series).collect(),
    }
}

/// Compares a peer's answer with what it should be.
fn check(op: Op, peer: &mut dyn Peer, stripe: &mut Stripe) {
    let (k, m, sums, name) = (stripe.k, stripe.m, stripe.sums(), peer.name());
    let (mut shards, mut room) = stripe.split();
    match op {
        Op::Encode => {
            room.iter_mut().for_each(|shard| shard.fill(0xa5));
            let data: Vec<&[u8]> = shards[..k].iter().map(|shard| &**shard).collect();
            peer.encode(&data, &mut room, 1);
            assert!(
                !peer.same_code() || Stripe::holds(&sums[k..], &room),
                "{name} encodes {k}+{m} otherwise"
            );
        }
        Op::Rebuild => {
            let lost = if peer.same_code() { m } else { m.min(k) };
            shards[..lost].iter_mut().for_each(|shard| shard.fill(0xa5));
            peer.rebuild(&mut shards, 1);
            assert!(Stripe::holds(&sums, &shards), "{name} rebuilds {k}+{m} otherwise");
        }
        Op::Verify => {
            let last = shards.len() - 1;
            for (flip, answer) in [(0, true), (1, false)] {
                shards[last][5] ^= flip;
                let slices: Vec<&[u8]> = shards.iter().map(|shard| &**shard).collect();
                assert_eq!(
                    peer.verify(&slices, 1),
                    Some(answer),
                    "{name} verifies {k}+{m} otherwise"
                );
                shards[last][5] ^= flip;
            }
        }
    }
}
