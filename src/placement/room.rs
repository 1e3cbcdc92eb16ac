//! How many candidates fit under the limits: the arithmetic of loads, and the bound that lets a search turn back early.

use std::collections::BTreeMap;

use super::Candidate;
use super::flow::Network;
use crate::cloud_set::domain::DomainKind;

/// The candidates cut into the domains of one kind that has a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Partition {
    /// Which kind.
    pub(super) kind: DomainKind,
    /// The most that may be chosen of one domain.
    pub(super) limit: usize,
    /// The number of each candidate's domain, from 0. A candidate that names none is alone in its own.
    pub(super) domain: Vec<usize>,
    /// The candidates of each domain.
    pub(super) sizes: Vec<usize>,
}

impl Partition {
    fn new(kind: DomainKind, limit: u16, candidates: &[Candidate]) -> Partition {
        let mut known = BTreeMap::new();
        let mut sizes = Vec::new();
        let mut number = |candidate: &Candidate| {
            let fresh = sizes.len();
            let name = candidate.domains.get(kind).map(str::to_owned);
            let number = name.map_or(fresh, |name| *known.entry(name).or_insert(fresh));
            sizes.resize(sizes.len().max(number + 1), 0);
            sizes[number] += 1;
            number
        };
        Partition {
            kind,
            limit: usize::from(limit),
            domain: candidates.iter().map(&mut number).collect(),
            sizes,
        }
    }

    /// The most that can be chosen under this limit alone.
    pub(super) fn room(&self) -> usize {
        self.sizes.iter().map(|size| self.limit.min(*size)).sum()
    }

    /// True if each domain lies within one of `other`.
    fn refines(&self, other: &Partition) -> bool {
        let mut within = vec![None; self.sizes.len()];
        let mut pairs = self.domain.iter().zip(&other.domain);
        pairs.all(|(mine, theirs)| *within[*mine].get_or_insert(*theirs) == *theirs)
    }

    /// The most that may meet in one domain.
    pub(super) fn largest_load(&self) -> usize {
        self.sizes.iter().map(|size| self.limit.min(*size)).max().unwrap_or(0)
    }
}

/// All limits that a spread sets to these candidates.
pub(super) fn partitions(spread: &BTreeMap<DomainKind, u16>, candidates: &[Candidate]) -> Vec<Partition> {
    spread
        .iter()
        .map(|(kind, limit)| Partition::new(*kind, *limit, candidates))
        .collect()
}

/// Who is chosen so far, counted by domain.
#[derive(Clone, Debug)]
pub(super) struct Load<'a> {
    partitions: &'a [Partition],
    chains: Vec<Vec<usize>>,
    counts: Vec<Vec<usize>>,
}

impl<'a> Load<'a> {
    /// Nobody is chosen.
    pub(super) fn new(partitions: &'a [Partition]) -> Load<'a> {
        let counts = partitions
            .iter()
            .map(|partition| vec![0; partition.sizes.len()])
            .collect();
        Load {
            partitions,
            chains: chains(partitions),
            counts,
        }
    }

    /// These are chosen, whatever the limits say.
    pub(super) fn of(partitions: &'a [Partition], chosen: &[usize]) -> Load<'a> {
        let mut load = Load::new(partitions);
        for candidate in chosen {
            load.add(*candidate);
        }
        load
    }

    /// True if one more, `candidate`, keeps every limit.
    pub(super) fn admits(&self, candidate: usize) -> bool {
        (0..self.partitions.len()).all(|kind| self.free(kind, self.partitions[kind].domain[candidate]) > 0)
    }

    /// Counts `candidate` as chosen.
    pub(super) fn add(&mut self, candidate: usize) {
        for (partition, counts) in self.partitions.iter().zip(&mut self.counts) {
            counts[partition.domain[candidate]] += 1;
        }
    }

    /// Counts `candidate` no more.
    pub(super) fn remove(&mut self, candidate: usize) {
        for (partition, counts) in self.partitions.iter().zip(&mut self.counts) {
            counts[partition.domain[candidate]] -= 1;
        }
    }

    /// The counts by kind and domain: what the rest of a search depends on.
    pub(super) fn counts(&self) -> &[Vec<usize>] {
        &self.counts
    }

    fn free(&self, kind: usize, domain: usize) -> usize {
        self.partitions[kind].limit.saturating_sub(self.counts[kind][domain])
    }

    /// At least as many as can be added of `rest`; exactly as many if the limits make at most two chains.
    pub(super) fn room(&self, rest: &[usize]) -> usize {
        let open: Vec<usize> = rest
            .iter()
            .copied()
            .filter(|candidate| self.admits(*candidate))
            .collect();
        let chains = &self.chains;
        let pairs = (0..chains.len()).flat_map(|a| (a + 1..chains.len()).map(move |b| (a, b)));
        pairs
            .map(|(a, b)| self.room_of_two(&chains[a], &chains[b], &open))
            .min()
            .unwrap_or(open.len())
    }

    /// What two chains leave of `open`: the largest flow down the tree of one and up the tree of the other. An edge of a tree
    /// carries what the domain below it has free, an edge between the trees is a candidate and carries one.
    fn room_of_two(&self, a: &[usize], b: &[usize], open: &[usize]) -> usize {
        let mut network = Network::default();
        let (source, sink) = (network.node(), network.node());
        let down = self.grow(&mut network, source, a, open, |network, above, below, free| {
            network.edge(above, below, free);
        });
        let up = self.grow(&mut network, sink, b, open, |network, above, below, free| {
            network.edge(below, above, free);
        });
        for (from, to) in down.into_iter().zip(up) {
            network.edge(from, to, 1);
        }
        network.flow(source, sink)
    }

    /// Grows the tree of a chain from `root`; answers the lowest node of each of `open`.
    fn grow(
        &self,
        network: &mut Network,
        root: usize,
        chain: &[usize],
        open: &[usize],
        join: impl Fn(&mut Network, usize, usize, usize),
    ) -> Vec<usize> {
        let mut lowest = vec![root; open.len()];
        for kind in chain {
            let mut nodes = BTreeMap::new();
            for (candidate, node) in open.iter().zip(&mut lowest) {
                let domain = self.partitions[*kind].domain[*candidate];
                let above = *node;
                *node = *nodes.entry(domain).or_insert_with(|| {
                    let below = network.node();
                    join(network, above, below, self.free(*kind, domain));
                    below
                });
            }
        }
        lowest
    }
}

/// The partitions sorted into chains, each from coarse to fine: the domains of one lie within those of the one before it, as
/// campuses lie in regions. At least two, the last may be empty.
fn chains(partitions: &[Partition]) -> Vec<Vec<usize>> {
    let mut chains: Vec<Vec<usize>> = Vec::new();
    let mut coarse_first: Vec<usize> = (0..partitions.len()).collect();
    coarse_first.sort_by_key(|kind| partitions[*kind].sizes.len());
    for kind in coarse_first {
        let above = |chain: &&mut Vec<usize>| {
            chain
                .last()
                .is_some_and(|last| partitions[kind].refines(&partitions[*last]))
        };
        match chains.iter_mut().find(above) {
            Some(chain) => chain.push(kind),
            None => chains.push(vec![kind]),
        }
    }
    chains.resize(chains.len().max(2), Vec::new());
    chains
}
